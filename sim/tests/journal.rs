//! A journal holds all that a machine is: played again, it does the same, and a machine that was read back from it goes on
//! as if nothing had been.

use callboard_sim::{Options, Profile, draw, run};

#[test]
fn a_machine_that_is_read_back_goes_on_as_it_would() {
    for seed in 0..100 {
        let world = draw(Profile::Tiny, seed);
        let plain = run(&world, &Options::default());
        let read_back = run(&world, &Options { journals: true, ..Options::default() });
        assert_eq!((plain.hash, plain.events), (read_back.hash, read_back.events), "tiny-{seed}");
    }
}

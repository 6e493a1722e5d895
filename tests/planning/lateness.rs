//! A scheduler whose machine is short of processors: it is woken late each time, and hears of something each time.

use callboard_core::machine::Span;
use stage::Stage;

#[test]
fn a_scheduler_that_is_always_late_and_always_hears_something_plans_all_the_same() {
    let mut stage = Stage::new(2);
    stage.quiet = true;
    stage.definition("app", 1, 64);
    stage.cluster("default", &["web"]);
    stage.run(Span::secs(30));
    stage.late = Span::secs(2);
    stage.service("web", 1, (2, 0, 3));
    for turn in 0..2 {
        stage.label("h0000", "turn", &turn.to_string());
        // What is put off by the delay of 20 ms is due again at the very end, and news come before that.
        stage.run(Span(2_020));
    }
    assert_eq!(stage.running("web").len(), 2, "{:?}", stage.notes);
}

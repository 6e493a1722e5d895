//! A fleet under fire: three agents and two schedulers as processes of their own, on a real store, with everything going
//! wrong around them that does. Each story is told of Consul and of etcd, word for word.
//!
//! Whatever happens, a witness watches the whole store and the process table, and the checkers of the simulator judge
//! what it saw.

mod fleet;
mod kind;
mod late;
#[path = "../live/processes.rs"]
mod processes;
mod python;
mod stories;
mod table;
mod witness;

/// Tells each story of one kind of store.
macro_rules! of {
    ($kind:ident, $variant:ident: [$($story:ident),* $(,)?]) => {
        mod $kind {
            $(
                #[test]
                fn $story() {
                    crate::stories::$story(crate::kind::Kind::$variant);
                }
            )*

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_deposed_holder_writes_late() {
                crate::late::a_deposed_holder_writes(crate::kind::Kind::$variant).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn an_earlier_tenure_writes_late() {
                crate::late::an_earlier_tenure_writes(crate::kind::Kind::$variant).await;
            }
        }
    };
}

of!(consul, Consul: [
    a_service_lives_its_life, tasks_are_read_and_entered_from_other_hosts,
    a_killed_scheduler_is_replaced, a_killed_agent_comes_back, a_second_agent_of_one_name_refuses,
    a_lock_holder_that_stood_still_is_deposed, an_agent_is_cut_off, a_lock_holder_is_cut_off_and_writes_late,
    the_leader_of_the_store_is_killed, the_store_is_down, the_store_is_put_back, the_store_is_emptied,
    a_bad_network_is_borne,
]);
of!(etcd, Etcd: [
    a_service_lives_its_life, tasks_are_read_and_entered_from_other_hosts,
    a_killed_scheduler_is_replaced, a_killed_agent_comes_back, a_second_agent_of_one_name_refuses,
    a_lock_holder_that_stood_still_is_deposed, an_agent_is_cut_off, a_lock_holder_is_cut_off_and_writes_late,
    the_leader_of_the_store_is_killed, the_store_is_down, the_store_is_put_back, the_store_is_emptied,
    a_bad_network_is_borne, the_history_is_compacted,
]);

mod consul_and_python {
    #[test]
    fn a_scheduler_in_python_schedules() {
        crate::python::a_scheduler_in_python_schedules();
    }

    #[test]
    fn agents_refuse_what_makes_no_sense() {
        crate::python::agents_refuse_what_makes_no_sense();
    }
}

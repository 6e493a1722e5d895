//! What a decision costs, from the listed records on: the real machine, with every filter, the ledger and the records
//! produced, against a store that commits at once.

use callboard_core::machine::Span;
use callboard_core::model::Policy;
use callboard_sim::measure::{Load, Prepared};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stage::Stage;

/// A fleet on which one service is to be placed.
fn fleet(hosts: u32, tasks: u32) -> Stage {
    let mut stage = Stage::new(hosts);
    stage.quiet = true;
    stage.definition("app", 1, 64);
    stage.service("web", 1, (tasks, 0, tasks));
    stage.run(Span::secs(1));
    stage
}

/// How the cost of issuing a thousand tasks grows with the fleet.
fn issue(c: &mut Criterion) {
    let mut group = c.benchmark_group("issue 1000 tasks");
    group.sample_size(10);
    for hosts in [100, 1_000, 10_000] {
        let empty = fleet(hosts, 1_000);
        group.throughput(Throughput::Elements(1_000));
        group.bench_function(BenchmarkId::from_parameter(hosts), |b| {
            b.iter_batched(
                || empty.clone(),
                |mut stage| {
                    stage.cluster("default", &["web"]);
                    stage.run(Span::secs(1));
                    assert_eq!(stage.store.entries("state/tasks/_/").count(), 1_000);
                    stage
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// What one more task costs in a cluster that is at rest.
fn one_more(c: &mut Criterion) {
    let mut group = c.benchmark_group("one task more");
    group.sample_size(10);
    for hosts in [100, 1_000, 10_000] {
        let mut rested = fleet(hosts, 100);
        rested.cluster("default", &["web"]);
        rested.run(Span::secs(5));
        group.bench_function(BenchmarkId::from_parameter(hosts), |b| {
            b.iter_batched(
                || rested.clone(),
                |mut stage| {
                    stage.service("web", 1, (101, 0, 101));
                    stage.run(Span(100));
                    assert_eq!(stage.store.entries("state/tasks/_/").count(), 101);
                    stage
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// How the cost of placing grows with the fleet: one service of many tasks, and many services that ask for much.
fn place(c: &mut Criterion) {
    let policies = [
        ("spread", Policy::Spread),
        ("binpack", Policy::Binpack),
        ("round_robin", Policy::RoundRobin),
        ("e_pvm", Policy::EPvm),
    ];
    let shapes = [("one service", 1, false), ("many services", 1_000, false), ("constrained", 1_000, true)];
    for (shape, services, constrained) in shapes {
        for (name, policy) in policies {
            let mut group = c.benchmark_group(format!("place 100000 tasks, {shape}, {name}"));
            group.sample_size(10);
            group.throughput(Throughput::Elements(100_000));
            for hosts in [100, 1_000, 10_000, 100_000] {
                let load = Load { hosts, tasks: 100_000, services, policy, constrained };
                let prepared = load.prepare();
                group.bench_function(BenchmarkId::from_parameter(hosts), |b| {
                    b.iter_batched(|| prepared.clone(), Prepared::place, BatchSize::LargeInput);
                });
            }
            group.finish();
        }
    }
}

criterion_group!(benches, issue, one_more, place);
criterion_main!(benches);

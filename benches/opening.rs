//! How long opening takes with 100,000 tenants and a live file that can be adopted.

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};

#[allow(dead_code)] // The other benchmarks need more of it.
mod fixture;

const TENANTS: usize = 100_000;

fn opening(criterion: &mut Criterion) {
    let names = fixture::shuffled_names(TENANTS);
    let fixture::Fixture { engine, directory } = fixture::Fixture::new(&names);
    let path = directory.path().join("cotas.db");
    drop(engine);
    let mut group = criterion.benchmark_group("open");
    group.sample_size(50);
    group.bench_function("adopt_100000_tenants", |bencher| {
        bencher.iter_custom(|times| {
            let mut spent = Duration::ZERO;
            for _ in 0..times {
                let begun = Instant::now();
                let engine = cotas::Engine::open(&path).expect("opens");
                spent += begun.elapsed();
                assert_eq!(engine.opening().origin, cotas::Origin::Adopted);
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, opening);
criterion_main!(benches);

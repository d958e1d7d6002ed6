//! What a decision costs, beside what a host would use instead, measured in the same run.
//!
//! Each row of ours stands next to its peer's, so that noise of the machine meets both: the
//! ratios are the result, the nanoseconds only lead to them. `summary.py` prints them.
//!
//! Everything that is consumed is limited, by far more than the run can use up: burn-down really
//! happens, and nothing is ever denied.

mod consume;
mod fixture;
mod operations;
mod peers;
mod sessions;
mod threads;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

fn config() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50)
}

criterion_group! {
    name = benches;
    config = config();
    targets = consume::one_thread, consume::many_tenants, consume::four_threads,
        sessions::open_already, sessions::opening, operations::live, operations::reclaiming,
        operations::administering
}
criterion_main!(benches);

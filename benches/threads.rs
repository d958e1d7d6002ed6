//! The same work by several threads at once.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Has `threads` threads do some `iterations` operations between them, each the one that `worker`
/// makes for its number. Gives the wall time of just so many, first start to last end.
pub fn spread<W: FnMut() -> bool>(
    threads: u32,
    iterations: u64,
    worker: impl Fn(u32) -> W + Sync,
) -> Duration {
    let each = iterations.div_ceil(u64::from(threads));
    let start = Barrier::new(threads as usize);
    let run = |number| {
        let mut work = worker(number);
        start.wait();
        let begun = Instant::now();
        for _ in 0..each {
            assert!(work(), "denied");
        }
        (begun, Instant::now())
    };
    let spans: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|number| scope.spawn(move || run(number))).collect();
        running.into_iter().map(|thread| thread.join().expect("a thread that ends")).collect()
    });
    let begun = spans.iter().map(|span| span.0).min().expect("at least one thread");
    let ended = spans.iter().map(|span| span.1).max().expect("at least one thread");
    // Threads all do the same number, which may be a few more than were asked for.
    let done = u128::from(each) * u128::from(threads);
    Duration::from_nanos(((ended - begun).as_nanos() * u128::from(iterations) / done) as u64)
}

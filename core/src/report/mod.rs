//! What was used, summed up for people. Pure: the history comes in, sums go out.

mod usage;

pub use usage::{Interval, UsageBucket, UsageReport};

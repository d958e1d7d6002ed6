//! How many descriptors the process may have: each connection is one, and a common limit is 1,024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the process has open beside its connections: files, the runtime's, webhooks' connections.
const BESIDE_CONNECTIONS: u64 = 256;

/// Raises the soft limit so that `connections` fit, as far as the hard limit allows.
pub(crate) fn allow_for(connections: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = (connections as u64).saturating_add(BESIDE_CONNECTIONS);
    let wanted = maximum.map_or(wanted, |most| wanted.min(most));
    if current.is_some_and(|has| has < wanted) {
        // Where the system refuses, accepting pauses when the last descriptor is taken.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}

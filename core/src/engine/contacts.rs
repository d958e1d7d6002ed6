//! Contacts with more than one name: a phone number and an opaque id, say.
//!
//! The names of a contact form a ring. A session is looked for under each of them, so that
//! sessions which were open before they were joined go on, and none is opened twice.

use std::time::Duration;

use super::decide::RetryReason;
use super::state::names_of;
use super::tenant::Tenant;
use super::{Shared, check_key};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::Hash128;
use crate::live::record::RecordGuard;

/// Names that one contact has at most.
pub(super) const NAMES_MAX: usize = 8;

impl Tenant {
    /// Makes two names one contact, on all channels: a session that is open under either goes on
    /// under both, and of two that are open the one that ends later counts. A contact has at most
    /// eight names. Doing it again changes nothing. Touches no disk.
    pub fn link_contact(&self, one: &str, other: &str) -> Result<(), Error> {
        check_key("contact", one)?;
        check_key("contact", other)?;
        let shared = &self.engine().shared;
        let names = [one, other].map(|name| shared.contact_hash(name));
        self.engine().apply_at(self.at(), self.name(), |_| {
            shared.link(self.at(), names, self.engine().timeout)
        })
    }
}

impl Shared {
    fn link(&self, at: u64, names: [Hash128; 2], timeout: Duration) -> Result<(), RetryReason> {
        let mut guard = self.ready_record(at, Timestamp::MIN, timeout)?;
        let Some(all) = names_together(&guard, names) else { return Ok(()) };
        if all > NAMES_MAX {
            let why = format!("it would have {all} names; {NAMES_MAX} at most are allowed");
            return Err(Error::InvalidArgument { what: "contact", why }.into());
        }
        self.join_names(&mut guard, names)
    }

    /// Links two ids that one message carries. A contact that has too many already keeps those:
    /// the message is decided under both ids, and no further name is kept. A step of its own.
    pub(super) fn link_if_it_fits(
        &self,
        guard: &mut RecordGuard<'_>,
        names: [Hash128; 2],
    ) -> Result<(), RetryReason> {
        match names_together(guard, names) {
            Some(all) if all <= NAMES_MAX => self.join_names(guard, names),
            _ => Ok(()),
        }
    }

    /// Makes one ring of two: a member of each changes places with the other.
    fn join_names(
        &self,
        guard: &mut RecordGuard<'_>,
        [one, other]: [Hash128; 2],
    ) -> Result<(), RetryReason> {
        guard.prepare_entries(2, 2)?;
        let after_one = guard.next_name(one).unwrap_or(one);
        let after_other = guard.next_name(other).unwrap_or(other);
        let seq = guard.begin();
        guard.set_next_name(one, after_other, seq);
        guard.set_next_name(other, after_one, seq);
        self.finish(guard)
    }
}

/// How many names two contacts have together; `None`: they are one already.
fn names_together(guard: &RecordGuard<'_>, [one, other]: [Hash128; 2]) -> Option<usize> {
    let mut of_one = 0;
    for name in names_of(guard, one) {
        if name == other {
            return None;
        }
        of_one += 1;
    }
    Some(of_one + names_of(guard, other).count())
}

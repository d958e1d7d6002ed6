//! Admin transactions: one writer at a time, everything that changes what a tenant may do.
//!
//! writer lock, `BEGIN IMMEDIATE`, record lock, `pending`, settle and compute, write, `COMMIT`,
//! apply, `pending` off, unlock. `docs/live-file.md` says what a crash at each step leaves behind.

use std::time::Duration;

use chrono::NaiveDate;

use super::late::{Late, bring_entry, meta_after, note_entry, noted_entry, return_to_account};
use super::{Shared, charges, due_dates, not_locked, status};
use crate::catalog::Compiled;
use crate::clock::Timestamp;
use crate::crash_points;
use crate::error::Error;
use crate::live::directory;
use crate::live::layout::{counter, header, record};
use crate::live::lock::{self, HeldLong};
use crate::live::record::RecordGuard;
use crate::live::snapshot::Snapshot;
use crate::rules::settle::{BOUNDARIES_MAX, CLOCK_JUMP_MS, Settled, next_boundary, settle};
use crate::rules::{
    Account, Counting, DEBT, Entitlements, Rulebook, TenantEvent, Usage, calendar, entitlements,
};
use crate::store::{self, ForkGuard, Loaded, Sync, Write};

/// How long a writer waits for the one before it.
pub(super) const WRITER_TIMEOUT: Duration = Duration::from_secs(30);

/// Grants in force per tenant, at most.
const GRANTS_MAX: usize = 1_024;

/// What an administrative operation works with: the tenant's account, settled.
pub(super) struct AdminTx<'a> {
    pub(super) write: &'a Write<'a>,
    pub(super) loaded: &'a mut Loaded,
    pub(super) compiled: &'a Compiled,
    /// The instant at which the change is made: the clock's, but not before what the tenant saw.
    pub(super) now: Timestamp,
    /// What the change makes happen, for those who read events.
    pub(super) events: Vec<TenantEvent>,
}

impl AdminTx<'_> {
    /// The day of the change, in the tenant's zone.
    pub(super) fn today(&self) -> NaiveDate {
        calendar::date_of(self.now, self.loaded.account.time_zone)
    }
}

/// How a change is made.
#[derive(Clone, Copy)]
pub(super) struct CommitOptions {
    pub(super) sync: Sync,
    /// A clock far ahead is believed.
    pub(super) confirm_jump: bool,
}

/// The writer lock, held.
pub(super) struct WriterLock<'a> {
    _lock: HeldLong<'a>,
    _fork_guard: ForkGuard,
}

impl Shared {
    /// Takes the writer lock. Its holder waits for no fork, which might wait for a thread that
    /// waits for the writer lock.
    pub(super) fn lock_writer(&self) -> Result<WriterLock<'_>, Error> {
        self.lock_writer_within(WRITER_TIMEOUT)
    }

    /// As [`lock_writer`](Self::lock_writer), with another timeout.
    pub(super) fn lock_writer_within(&self, timeout: Duration) -> Result<WriterLock<'_>, Error> {
        self.check_database()?;
        let (turn, lock) = (header::WRITER_TURN, header::WRITER_LOCK);
        loop {
            // What a dead writer left is resolved record by record, by the process that comes to
            // it.
            let lock = lock::take_in_turn(&self.live.memory, turn, lock, timeout)
                .map_err(|error| not_locked("the writer lock", error))?;
            if let Some(fork_guard) = store::try_enter() {
                return Ok(WriterLock { _lock: lock, _fork_guard: fork_guard });
            }
            drop(lock);
            drop(store::enter());
        }
    }

    /// Makes one change to one tenant. May block on the disk.
    pub(super) fn administer<T>(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        options: CommitOptions,
        tx: impl FnOnce(&mut AdminTx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.expire_due(at, name, now, options.confirm_jump, true)?;
        self.change(at, name, now, options, None, |under_way, _| tx(under_way))
    }

    /// Settles a tenant up to `instant`, which has passed, and leaves its reservations alone.
    pub(super) fn settle_up_to(
        &self,
        at: u64,
        name: &str,
        instant: Timestamp,
    ) -> Result<(), Error> {
        let options = CommitOptions { sync: self.sync_of_settling(&[at])?, confirm_jump: false };
        self.change(at, name, instant, options, None, |_, _| Ok(()))
    }

    /// Gives back in an admin transaction what an entry took, once `may_be_done` has looked at it
    /// under the lock.
    pub(super) fn administer_entry(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        options: CommitOptions,
        late: &Late<'_>,
        may_be_done: impl FnOnce(&RecordGuard<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.change(at, name, now, options, Some(late), |tx, guard| {
            may_be_done(guard)?;
            return_to_account(tx, guard, late, self.epoch())
        })
    }

    fn change<T>(
        &self,
        at: u64,
        name: &str,
        now: Timestamp,
        options: CommitOptions,
        late: Option<&Late<'_>>,
        tx: impl FnOnce(&mut AdminTx<'_>, &RecordGuard<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _writer_lock = self.lock_writer()?;
        self.finish_pending_catalog()?;
        let compiled = self.compiled()?;
        self.store.with(|connection| {
            let mut write = Write::begin(connection, &self.live, options.sync)?;
            let mut guard = self.lock_record(at)?;
            self.resolve(&mut guard, &write)?;
            let unknown = || Error::UnknownTenant(name.into());
            if !guard.is_live() {
                return Err(unknown());
            }
            let mut loaded = write.load_tenant(guard.hash())?.ok_or_else(unknown)?;
            guard.put(record::PENDING, loaded.admin_seq + 1);
            crash_points::point("admin.pending");
            let mut change = Change { write: &write, loaded: &mut loaded, compiled, late };
            let made = change.make(&mut guard, now, options, tx);
            let made = made.and_then(|made| write.commit().map(|()| made).map_err(Error::from));
            match made {
                Ok((value, entitlements)) => {
                    crash_points::point("admin.committed");
                    if let Some(late) = late {
                        let meta = meta_after(&guard, late);
                        bring_entry(&mut guard, late.index, meta);
                    }
                    guard.write_entitlements(&entitlements, loaded.admin_seq);
                    guard.confirm_snapshot(loaded.seq, write.number());
                    Ok(value)
                }
                Err(error) => {
                    // Where the commit's outcome is not known, `pending` stays for the next.
                    if self.live.poison().is_none() {
                        guard.put(record::ADMIN_ENTRY, 0);
                        guard.put(record::PENDING, 0);
                    }
                    Err(error)
                }
            }
        })
    }

    /// Finishes, or forgets, a change whose process died: SQLite says which.
    pub(super) fn resolve(
        &self,
        guard: &mut RecordGuard<'_>,
        write: &Write<'_>,
    ) -> Result<(), Error> {
        let Some(pending) = guard.pending() else { return Ok(()) };
        match write.load_tenant(guard.hash())? {
            // Its creation was not committed.
            None => {
                guard.put(record::STATE, 0);
                guard.put(record::PENDING, 0);
            }
            // It was committed, with everything the record held: the lock was held throughout.
            Some(mut loaded) if loaded.admin_seq >= pending => {
                let rules = &self.compiled()?.rulebook;
                count_seats(&mut loaded.account, rules);
                let entitlements =
                    entitlements(&loaded.account, rules, loaded.account.high_water_mark);
                guard.ensure_entitlements(&entitlements)?;
                crash_points::point("resolve.reload");
                if let Some(index) = noted_entry(guard)
                    && let Some(meta) = write.entry_meta(loaded.row, index.0)?
                {
                    bring_entry(guard, index, meta);
                }
                guard.write_entitlements(&entitlements, loaded.admin_seq);
                guard.confirm_snapshot(loaded.seq, write.number());
            }
            // It was not: the record stands as it is, with units SQLite does not know of.
            Some(_) => {
                guard.put(record::ADMIN_ENTRY, 0);
                guard.put(record::PENDING, 0);
            }
        }
        Ok(())
    }

    /// [`resolve`](Self::resolve)s a record that was found with a change under way.
    pub(super) fn resolve_record(&self, at: u64) -> Result<(), Error> {
        let _writer_lock = self.lock_writer()?;
        self.finish_pending_catalog()?;
        self.store.with(|connection| {
            let write = Write::begin(connection, &self.live, Sync::Normal)?;
            let mut guard = self.lock_record(at)?;
            self.resolve(&mut guard, &write)
        })
    }

    /// Settles a tenant whose time has come.
    pub(super) fn settle_record(&self, at: u64, name: &str, now: Timestamp) -> Result<(), Error> {
        let options = CommitOptions { sync: self.sync_of_settling(&[at])?, confirm_jump: false };
        self.administer(at, name, now, options, |_| Ok(()))
    }

    /// Puts a catalog in force. What records hold of its status table is out of date: they are
    /// settled at their next decision, as at a boundary.
    pub(super) fn publish_catalog(&self, at: u64) {
        self.live.publish_catalog(at);
        crash_points::point("catalog.published");
        directory::for_each_record(&self.live.memory, None, |record| {
            // A block that is busy keeps the old table until its next boundary.
            if let Ok(guard) = self.lock_record(record) {
                guard.put(record::VALID_UNTIL, Timestamp::MIN.ms() as u64);
            }
        });
        self.live.set_header(header::CATALOG_PENDING, 0);
    }
}

/// One change under way.
pub(super) struct Change<'a, 'w> {
    pub(super) write: &'a Write<'w>,
    pub(super) loaded: &'a mut Loaded,
    pub(super) compiled: &'a Compiled,
    pub(super) late: Option<&'a Late<'a>>,
}

impl Change<'_, '_> {
    /// The steps of one change, up to its commit; the caller commits it, and applies what came of
    /// it.
    pub(super) fn make<T>(
        &mut self,
        guard: &mut RecordGuard<'_>,
        now: Timestamp,
        options: CommitOptions,
        tx: impl FnOnce(&mut AdminTx<'_>, &RecordGuard<'_>) -> Result<T, Error>,
    ) -> Result<(T, Entitlements), Error> {
        let rules = &self.compiled.rulebook;
        merge(&mut self.loaded.account, rules, guard);
        let now = now.max(self.loaded.account.high_water_mark);
        if !options.confirm_jump {
            check_jump(&self.loaded.account, now)?;
        }
        let mut events = settle_loaded(self.write, self.loaded, self.compiled, now)?;
        let (write, loaded, compiled) = (self.write, &mut *self.loaded, self.compiled);
        let mut under_way = AdminTx { write, loaded, compiled, now, events: Vec::new() };
        let value = tx(&mut under_way, guard)?;
        events.append(&mut under_way.events);
        events.extend(settle_loaded(self.write, self.loaded, self.compiled, now)?);
        events.extend(self.loaded.account.watch(rules, now));
        let taken = guard.take_snapshot(self.loaded.seq, self.write.number());
        self.loaded.admin_seq += 1;
        let entitlements = save(self.write, self.loaded, rules, now, &taken)?;
        for event in &events {
            self.write.emit(self.loaded.row, event)?;
        }
        if let Some(late) = self.late {
            let meta = meta_after(guard, late);
            self.write.save_entry_meta(self.loaded.row, late.index.0, meta)?;
            note_entry(guard, late.index);
        }
        guard.ensure_entitlements(&entitlements)?;
        crash_points::point("admin.written");
        Ok((value, entitlements))
    }
}

/// Brings the account up to what the record holds: SQLite is a checkpoint behind.
pub(super) fn merge(account: &mut Account, rules: &Rulebook, guard: &RecordGuard<'_>) {
    account.high_water_mark = account.high_water_mark.max(guard.high_water_mark());
    count_seats(account, rules);
    for (resource, counter) in guard.counters() {
        let usage = counter.usage();
        if usage == Usage::default() {
            account.used.remove(&resource);
        } else {
            account.used.insert(resource, usage);
        }
        if counter.terms().counting == Counting::Leases && counter.used() > 0 {
            account.held.insert(resource, counter.used());
        }
        if let Some(watch) = account.watches.get_mut(&resource) {
            watch.next = counter.get(counter::NEXT_EVENT);
        }
        for (id, remaining) in counter.grants() {
            if let Some(grant) = account.grants.iter_mut().find(|grant| grant.id == id) {
                grant.remaining = remaining;
            }
        }
    }
}

/// Adds the seats of each resource to those above it; SQLite counts each where it is held.
pub(super) fn count_seats(account: &mut Account, rules: &Rulebook) {
    for (resource, seats) in account.held.clone() {
        for &parent in rules.policy(resource).map_or(&[][..], |policy| &policy.parents) {
            *account.held.entry(parent).or_default() += seats;
        }
    }
}

fn check_jump(account: &Account, now: Timestamp) -> Result<(), Error> {
    let high_water_mark = account.high_water_mark;
    if now > high_water_mark.plus_ms(CLOCK_JUMP_MS) {
        return Err(Error::ClockJump { now, high_water_mark });
    }
    Ok(())
}

/// Settles the account and writes what came of it into the ledger. Gives what happened.
///
/// Where payments wait for their invoice, each boundary is settled by itself: an invoice is paid
/// at the instant at which it is written, and a period that was paid ahead does not lapse, however
/// late it is looked at.
pub(super) fn settle_loaded(
    write: &Write<'_>,
    loaded: &mut Loaded,
    compiled: &Compiled,
    now: Timestamp,
) -> Result<Vec<TenantEvent>, Error> {
    let rules = &compiled.rulebook;
    let mut events = Vec::new();
    for _ in 0..BOUNDARIES_MAX {
        let next = next_boundary(&loaded.account, rules).filter(|&at| at <= now);
        let Some(at) = next.filter(|_| !loaded.account.waiting.is_empty()) else { break };
        let at = at.max(loaded.account.high_water_mark);
        events.extend(settle_once(write, loaded, rules, at)?);
        let mut tx = AdminTx { write, loaded, compiled, now: at, events: Vec::new() };
        charges::match_waiting(&mut tx)?;
        tx.write.load_owed(tx.loaded.row, &mut tx.loaded.account)?;
        events.append(&mut tx.events);
    }
    events.extend(settle_once(write, loaded, rules, now)?);
    Ok(events)
}

fn settle_once(
    write: &Write<'_>,
    loaded: &mut Loaded,
    rules: &Rulebook,
    now: Timestamp,
) -> Result<Vec<TenantEvent>, Error> {
    let high_water_mark = loaded.account.high_water_mark;
    let settled = settle_account(loaded, rules, now);
    if settled.is_cut_short {
        return Err(too_far(now, high_water_mark));
    }
    write_settled(write, loaded, &settled)?;
    Ok(settled.events)
}

/// More periods would end at once than anybody should wait for.
fn too_far(now: Timestamp, high_water_mark: Timestamp) -> Error {
    let why = format!(
        "{now} is too far past {high_water_mark}: more \
         than {BOUNDARIES_MAX} periods, months and grants would end at once"
    );
    Error::InvalidArgument { what: "clock", why }
}

/// Settles the account, and gives the reason for the status that it has then.
pub(super) fn settle_account(loaded: &mut Loaded, rules: &Rulebook, now: Timestamp) -> Settled {
    let settled = settle(&mut loaded.account, rules, now);
    if !settled.statuses.is_empty() {
        DEBT.clone_into(&mut loaded.status_reason);
    }
    settled
}

/// Writes what came of settling into the books, but for what happened.
pub(super) fn write_settled(
    write: &Write<'_>,
    loaded: &Loaded,
    settled: &Settled,
) -> Result<(), Error> {
    for closed in &settled.closed {
        write.save_period(loaded.row, closed)?;
    }
    for closed in &settled.months {
        write.save_month(loaded.row, closed)?;
    }
    for grant in &settled.ended {
        write.save_grant(loaded.row, grant, true)?;
    }
    for replaced in &settled.replaced {
        write.end_subscription(&replaced.old, replaced.last_start, replaced.at)?;
        if let Some(new) = replaced.new {
            write.begin_subscription(new, replaced.at)?;
        }
    }
    for begun in settled.begun.iter().filter(|it| it.is_billed) {
        due_dates::bill_due_date(write, loaded.row, &begun.terms, None)?;
    }
    for (due, at_gateway) in [(settled.overdue, false), (settled.overdue_at_gateway, true)] {
        if let Some(due) = due {
            write.make_overdue(loaded.row, due, at_gateway)?;
        }
    }
    let at = loaded.account.high_water_mark;
    if let Some(due) = settled.offers_ended {
        due_dates::end_offers(write, loaded.row, due, at)?;
    }
    if let Some(cancelled) = &settled.cancelled {
        due_dates::bill_cancelled(write, loaded, cancelled)?;
    }
    for &(from, to) in &settled.statuses {
        let detail = status::detail(from, to, DEBT, false);
        write.audit(Some(loaded.row), at, "status", &detail)?;
    }
    Ok(())
}

/// Writes the account together with the tenant's checkpoint, and says what it may do from now on.
pub(super) fn save(
    write: &Write<'_>,
    loaded: &mut Loaded,
    rules: &Rulebook,
    now: Timestamp,
    taken: &Snapshot,
) -> Result<Entitlements, Error> {
    if loaded.account.grants.len() > GRANTS_MAX {
        let why =
            format!("the tenant would have more than {GRANTS_MAX} in force, which is the most");
        return Err(Error::InvalidArgument { what: "grants", why });
    }
    write.save_changes(loaded.row, taken)?;
    loaded.seq = taken.seq;
    let entitlements = entitlements(&loaded.account, rules, now);
    write.save_tenant(loaded, entitlements.valid_until)?;
    Ok(entitlements)
}

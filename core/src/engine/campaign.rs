//! Campaigns: what sends to many contacts would cost, and sessions reserved for all of them, from
//! which each send draws.

use std::collections::HashSet;
use std::time::Duration;

use super::Shared;
use super::call::{Call, Details, NO_CHARGES};
use super::caller::Caller;
use super::reserve::PERIOD;
use super::sends::SEND_MS_MAX;
use super::state::{kept_session, names_of};
use super::tenant::Tenant;
use crate::catalog::{Compiled, Kind};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::Hash128;
use crate::live::entries::{Entry, EntryIndex, EntryKind};
use crate::live::holds::{HoldRole, NUMBER};
use crate::live::layout::{counter, entry};
use crate::live::record::RecordGuard;
use crate::live::takings::{CAMPAIGN_UNITS_MAX, Taken};
use crate::rules::decide::CampaignUnits;
use crate::rules::{Charge, Decision, Mode, ReservationId};

/// How long units are reserved, unless the call says otherwise.
const FIVE_MINUTES: Duration = Duration::from_mins(5);
/// The same of a campaign's sessions.
const A_DAY: Duration = Duration::from_hours(24);
/// Contacts that are looked up under one lock.
const CONTACTS_AT_ONCE: usize = 64;

/// What a campaign would cost: a send of one action to each of many contacts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CampaignQuote {
    /// The tariff that this follows, as in a [`Quote`](crate::Quote).
    pub tariff: u64,
    /// The session resource: what to reserve for the campaign.
    pub resource: String,
    /// Contacts, each counted once, however often and under whichever of its names it is listed.
    pub contacts: u64,
    /// Contacts with whom a session would be opened: so many are to be reserved.
    pub opens: u64,
    /// Contacts with whom one is open, or reserved, already: a send draws nothing.
    pub continues: u64,
    /// Sessions available before the campaign; `None`: there is no limit.
    pub available: Option<u64>,
    /// Sessions that would remain after it; `None`: there is no limit.
    pub remaining: Option<u64>,
    /// Sessions that are wanting: 0 where the campaign can be reserved.
    pub missing: u64,
}

impl Tenant {
    /// How long these units are reserved where no length is given: sessions for a day, others for
    /// five minutes.
    pub fn ttl_of_units(&self, units: &[(&str, u64)]) -> Result<Duration, Error> {
        let compiled = self.engine().shared.compiled()?;
        let is_session = |&(name, _): &(&str, u64)| {
            let kind = compiled.resource(name).map(|(_, kind)| kind);
            matches!(kind, Some(Kind::Session { .. }))
        };
        Ok(if units.iter().any(is_session) { A_DAY } else { FIVE_MINUTES })
    }

    /// The same of what an action charges: a send for the 30 days in which its outcome is reported.
    pub fn ttl_of_action(&self, action: &str) -> Result<Duration, Error> {
        let compiled = self.engine().shared.compiled()?;
        let is_send = compiled.action(action).is_some_and(|action| action.session.is_some());
        Ok(if is_send { Duration::from_millis(SEND_MS_MAX as u64) } else { FIVE_MINUTES })
    }

    /// What sending `action` to each of `contacts` would cost in sessions; of `details`, all but
    /// the contact. Changes nothing. What it counts are the sessions of now: reserve them.
    pub fn quote_contacts(
        &self,
        action: &str,
        contacts: &[&str],
        details: &Details<'_>,
    ) -> Result<CampaignQuote, Error> {
        self.caller().quote_contacts(action, contacts, details)
    }
}

impl Caller<'_> {
    fn quote_contacts(
        &self,
        action: &str,
        contacts: &[&str],
        details: &Details<'_>,
    ) -> Result<CampaignQuote, Error> {
        let (engine, shared) = (self.engine, &self.engine.shared);
        let compiled = shared.compiled()?;
        let (mut opens, mut continues) = (0, 0);
        let mut counted: HashSet<[u64; 2]> = HashSet::with_capacity(contacts.len());
        let mut resource = None;
        for some in contacts.chunks(CONTACTS_AT_ONCE) {
            let now = engine.now();
            let guard = shared.lock_record(self.at)?;
            let high_water_mark = now.max(guard.high_water_mark());
            for &contact in some {
                let mut space = NO_CHARGES;
                let mut call = Call::consume(&[]);
                let details = Details { contact, ..*details };
                engine.call_of(action, &details, &mut space, &mut call)?;
                let Some(session) = &call.session else { return Err(no_session()) };
                resource = Some(session.rule.resource);
                // Its names form a ring: the least of them stands for all.
                let names = names_of(&guard, session.contact);
                let least = names.map(|Hash128 { low, high }| [high, low]).min();
                if !counted.insert(least.unwrap_or_default()) {
                    continue;
                }
                let at = session.at.map_or(now, |at| at.min(now));
                match kept_session(&guard, session, (at, high_water_mark)) {
                    Some((_, kept)) if at < kept.end => continues += 1,
                    _ => opens += 1,
                }
            }
        }
        let Some(resource) = resource else {
            let why = "the list is empty; name at least one contact".to_owned();
            return Err(Error::InvalidArgument { what: "contacts", why });
        };
        let parents = compiled.parents(resource);
        let available = shared.look(self.at, self.name, engine.now(), |state| {
            let all = parents.iter().copied().chain([resource]);
            let of = |resource| state.balance(resource);
            all.map(of)
                .filter(|balance| balance.terms.mode != Mode::Unlimited)
                .map(|balance| balance.available)
                .min()
        })?;
        Ok(CampaignQuote {
            tariff: compiled.version,
            resource: compiled.resource_name(resource).unwrap_or_default().to_owned(),
            contacts: opens + continues,
            opens,
            continues,
            available,
            remaining: available.map(|available| available.saturating_sub(opens)),
            missing: available.map_or(0, |available| opens.saturating_sub(available)),
        })
    }
}

fn no_session() -> Error {
    let why = "it opens no session; quote it without a campaign".to_owned();
    Error::InvalidArgument { what: "action", why }
}

// ---- sends that draw from a campaign ------------------------------------------------------------

impl Shared {
    /// What is left of the campaign that a call names, and where it is while it lives.
    #[inline(always)]
    pub(super) fn campaign_units(
        &self,
        guard: &RecordGuard<'_>,
        call: &Call<'_>,
        time: Timestamp,
    ) -> Option<(Option<EntryIndex>, CampaignUnits)> {
        call.campaign()?;
        Some(self.find_campaign(guard, call, time))
    }

    #[cold]
    fn find_campaign(
        &self,
        guard: &RecordGuard<'_>,
        call: &Call<'_>,
        time: Timestamp,
    ) -> (Option<EntryIndex>, CampaignUnits) {
        let none = (None, CampaignUnits { reserved: 0, left: 0 });
        let (Some(handle), Some(session)) = (call.campaign(), &call.session) else { return none };
        let index = EntryIndex(handle.index);
        let lives = handle.epoch == self.epoch()
            && guard.holds_open(index, HoldRole::Campaign)
            && guard.entry_word(index, NUMBER) == handle.number
            && Timestamp::from_word(guard.entry_get(index, entry::END)) > time;
        if !lives {
            return none;
        }
        let mut units = none.1;
        for taken in guard.takings(index, EntryKind::Reservation) {
            if taken.resource == session.rule.resource {
                units.reserved += taken.units;
                units.left += taken.held();
            }
        }
        // One that holds no such sessions is none of this action's.
        (Some(index).filter(|_| units.reserved > 0), units)
    }

    /// Refuses a send that names a campaign which has ended, or is none, unless it draws nothing.
    #[cold]
    pub(super) fn refuse_campaign(
        &self,
        guard: &RecordGuard<'_>,
        call: &Call<'_>,
        decision: &Decision,
        now: Timestamp,
    ) -> Result<(), Error> {
        let draws = decision.session.is_some_and(|session| session.opened);
        let (Some(handle), true) = (call.campaign(), draws || !decision.allowed()) else {
            return Ok(());
        };
        self.open_reservation(guard, handle, now)?;
        let why = format!(
            "{} reserves no sessions for this action; give the id of a campaign that does",
            ReservationId(handle)
        );
        Err(Error::InvalidArgument { what: "campaign", why })
    }
}

/// Has a session's reservation give its units back to a campaign, and counts them in the period in
/// which that took them.
pub(super) fn fill_campaign(
    guard: &RecordGuard<'_>,
    unit: Entry<'_>,
    campaign: Option<EntryIndex>,
) {
    unit.fill(entry::START, campaign.map_or(0, |it| u64::from(it.0) + 1));
    if let Some(campaign) = campaign {
        unit.fill_word(PERIOD, guard.entry_word(campaign, PERIOD));
    }
}

/// The campaign to which a session's reservation gives its units back, while it lives.
pub(super) fn campaign_of(
    guard: &RecordGuard<'_>,
    unit: EntryIndex,
    now: Timestamp,
) -> Option<EntryIndex> {
    let campaign = EntryIndex((guard.entry_get(unit, entry::START) as u32).checked_sub(1)?);
    let lives = guard.holds_open(campaign, HoldRole::Campaign)
        && Timestamp::from_word(guard.entry_get(campaign, entry::END)) > now;
    lives.then_some(campaign)
}

/// Gives the units of a session back to the campaign that they were drawn from, if that lives. The
/// period does not matter: they stay counted there.
pub(super) fn return_to_campaign(
    guard: &mut RecordGuard<'_>,
    unit: EntryIndex,
    now: Timestamp,
    seq: u64,
) -> bool {
    let Some(campaign) = campaign_of(guard, unit, now) else { return false };
    let mut entries = guard.takings_cursor(unit, EntryKind::Reservation);
    while let Some(Taken { resource, grant, .. }) = entries.next(guard) {
        if guard.draw(campaign, resource, Some(grant), seq).is_some()
            && let Some(counter) = guard.counter(resource)
        {
            let held = counter.get(counter::HELD).saturating_add(1);
            guard.set_cell(counter.cell(counter::HELD), held);
        }
    }
    guard.touch_entry(campaign, seq);
    true
}

/// Whether what is reserved are sessions of a campaign: then it has an end within 30 days.
pub(super) fn is_campaign(
    compiled: &Compiled,
    asked: &[Charge],
    hold_ms: i64,
) -> Result<bool, Error> {
    let is_session = |it: &Charge| matches!(compiled.kind(it.resource), Some(Kind::Session { .. }));
    if !asked.iter().any(is_session) {
        return Ok(false);
    }
    check_send_ttl(hold_ms)?;
    if let Some(many) = asked.iter().find(|it| it.units > CAMPAIGN_UNITS_MAX) {
        let why = format!("{} is not between 1 and {CAMPAIGN_UNITS_MAX}", many.units);
        return Err(Error::InvalidArgument { what: "units", why });
    }
    Ok(true)
}

/// Refuses to wait longer for the outcome of sends than anybody reports it.
pub(super) fn check_send_ttl(hold_ms: i64) -> Result<(), Error> {
    if hold_ms > SEND_MS_MAX {
        let why = "it is longer than 30 days, the most for which sessions are reserved".to_owned();
        return Err(Error::InvalidArgument { what: "ttl", why });
    }
    Ok(())
}

//! Contacts' sessions in the model: who has one, what it costs, and what gives it back.

use std::collections::BTreeSet;

use cotas::Reason;

use crate::catalog::SESSIONS;
use crate::tenant::{Gate, Hold, Send, Session, Taken, Tenant, Unit, Verdict};
use crate::{DAY_MS, LATE_MS, WINDOW_MS};

/// How long the outcome of a send is waited for.
const MONTH_MS: i64 = 30 * DAY_MS;
/// How long the outcome is remembered after that.
const REMEMBERED_MS: i64 = 7 * DAY_MS;

/// By how much the end that is saved of a session runs ahead of its own.
const SLACK_MS: i64 = 60_000;

impl Tenant {
    /// As [`ask`](Self::ask), of a message that was sent at `sent`; says whether it would open a
    /// session.
    pub fn ask_message(
        &self,
        (sent, now): (i64, i64),
        contact: (u8, u8),
        gate: Gate,
        may_open: bool,
    ) -> (Verdict, bool) {
        let open = self.covers((sent, now), contact);
        let too_old = Self::is_too_old(sent, now) && !open;
        let charges: &[_] = if open || too_old || !may_open { &[] } else { &[(SESSIONS, 1)] };
        let mut verdict = self.ask(now, gate, charges);
        if !open && !too_old && !may_open {
            verdict.deny(Reason::SessionRequired);
        }
        let opens = !open && !too_old && verdict.allowed();
        (verdict.done(), opens)
    }

    /// Whether a session that began with a message of that time would be forgotten by now.
    pub fn is_too_old(sent: i64, now: i64) -> bool {
        sent + WINDOW_MS + LATE_MS <= now
    }

    /// Whether a message is in a session that is kept.
    pub fn covers(&self, (sent, now): (i64, i64), contact: (u8, u8)) -> bool {
        self.session_of((sent, now), contact).is_some_and(|(_, it)| sent < it.end)
    }

    /// Of all names of the contact, the session that is kept: one that covers the message before
    /// others, one that is paid for good before others, and then the one that ends last.
    pub fn session_of(
        &self,
        (sent, now): (i64, i64),
        (contact, category): (u8, u8),
    ) -> Option<(u8, Session)> {
        let linked = self.links.iter().find(|names| names.contains(&contact));
        let names = linked.cloned().unwrap_or_else(|| BTreeSet::from([contact]));
        let kept = names
            .into_iter()
            .filter_map(|name| Some((name, *self.contacts.get(&(name, category))?)));
        kept.filter(|(_, it)| it.end + LATE_MS > now).max_by_key(|(_, it)| {
            let covers = sent < it.end;
            (covers, covers && it.hold == Hold::Used, it.end)
        })
    }

    /// When the session ends that the message is of: one of before, where sends have opened
    /// another since.
    pub fn end_for(&self, (sent, now): (i64, i64), contact: (u8, u8)) -> Option<i64> {
        let (_, session) = self.session_of((sent, now), contact)?;
        Some(before(&session, (sent, now)).unwrap_or(session.end))
    }

    /// Applies an allowed message, and says what it took. `number`: of the decision that may be
    /// refunded.
    pub fn message(
        &mut self,
        (sent, now): (i64, i64),
        contact: (u8, u8),
        opens: bool,
        extends: bool,
        number: Option<u64>,
    ) -> Vec<Taken> {
        if opens {
            let hold = number.map_or(Hold::Used, Hold::Refundable);
            return self.open(contact, sent + WINDOW_MS, hold);
        }
        let Some((name, session)) = self.session_of((sent, now), contact) else {
            return Vec::new();
        };
        if sent >= session.end || before(&session, (sent, now)).is_some() {
            return Vec::new();
        }
        self.use_session((name, contact.1));
        if extends {
            let moved = self.contacts.get_mut(&(name, contact.1)).expect("it is kept");
            moved.end = moved.end.max(sent + WINDOW_MS);
            if moved.end > moved.saved {
                moved.saved = moved.end + SLACK_MS;
            }
        }
        Vec::new()
    }

    /// What a rebuild makes of sessions: each has the end that was saved of it.
    pub fn rebuild_sessions(&mut self) {
        for session in self.contacts.values_mut() {
            session.end = session.end.max(session.saved);
        }
    }

    fn open(&mut self, contact: (u8, u8), end: i64, hold: Hold) -> Vec<Taken> {
        let taken = self.take(&[(SESSIONS, 1)]);
        let before = self.contacts.get(&contact).map(|it| it.end);
        self.contacts.insert(contact, Session { end, saved: end + SLACK_MS, hold, before });
        self.report(SESSIONS);
        taken
    }

    /// A session is not given back any more.
    fn use_session(&mut self, contact: (u8, u8)) {
        let session = self.contacts.get_mut(&contact).expect("it is kept");
        let hold = std::mem::replace(&mut session.hold, Hold::Used);
        if let Hold::Reserved(unit) = hold {
            self.units[unit].open = false;
        }
    }

    /// Closes the session that something may give back, if that still is so.
    fn close(&mut self, hold: Hold, now: i64) -> bool {
        let is_it = |(_, it): &(&(u8, u8), &Session)| it.hold == hold && it.end + LATE_MS > now;
        let Some((&contact, &session)) = self.contacts.iter().find(is_it) else { return false };
        match session.before.filter(|&end| end + LATE_MS > now) {
            Some(end) => {
                let kept = Session { end, saved: end, hold: Hold::Used, before: None };
                self.contacts.insert(contact, kept);
            }
            None => {
                self.contacts.remove(&contact);
            }
        }
        true
    }

    /// Closes the session that a decision opened, if nothing else has used it.
    pub fn close_refunded(&mut self, number: u64, now: i64) -> bool {
        self.close(Hold::Refundable(number), now)
    }

    // ---- sends ---------------------------------------------------------------------------------

    /// Applies an allowed send that may yet fail.
    pub fn send(&mut self, now: i64, contact: (u8, u8), opens: bool, until: i64, message: String) {
        let mut unit = None;
        if opens {
            let number = self.units.len();
            let taken = self.open(contact, now + WINDOW_MS, Hold::Reserved(number));
            let (period, until) = (self.period, now + MONTH_MS);
            self.units.push(Unit { taken, period, pending: 1, until, open: true });
            unit = Some(number);
        } else if let Some((name, session)) = self.session_of((now, now), contact) {
            match session.hold {
                Hold::Reserved(number) => {
                    let joined = &mut self.units[number];
                    joined.pending += 1;
                    joined.until = joined.until.max(until);
                    unit = Some(number);
                }
                _ => self.use_session((name, contact.1)),
            }
        }
        self.sends.push(Send { message, until, unit, open: true });
    }

    fn commit_unit(&mut self, unit: usize) {
        self.units[unit].open = false;
        for session in self.contacts.values_mut() {
            if session.hold == Hold::Reserved(unit) {
                session.hold = Hold::Used;
            }
        }
    }

    /// A send arrived; or no report came in time.
    pub fn commit_send(&mut self, which: usize) {
        self.sends[which].open = false;
        if let Some(unit) = self.sends[which].unit.filter(|&unit| self.units[unit].open) {
            self.commit_unit(unit);
        }
    }

    /// A send failed: with the last of them its session goes.
    pub fn fail_send(&mut self, which: usize, now: i64) {
        self.sends[which].open = false;
        let Some(unit) = self.sends[which].unit.filter(|&unit| self.units[unit].open) else {
            return;
        };
        self.units[unit].pending -= 1;
        if self.units[unit].pending > 0 {
            return;
        }
        self.units[unit].open = false;
        self.close(Hold::Reserved(unit), now);
        let Unit { taken, period, .. } = self.units[unit].clone();
        let changes_limits = self.changes_limits(&taken, period, now);
        taken.iter().for_each(|&taken| self.give_back(taken, period, now));
        if changes_limits {
            self.watch();
        }
    }

    /// When the first send, or session of such sends, is committed without a report.
    pub fn first_unreported(&self) -> Option<i64> {
        let sends = self.sends.iter().filter(|it| it.open).map(|it| it.until);
        let units = self.units.iter().filter(|it| it.open).map(|it| it.until);
        sends.chain(units).min()
    }

    /// What has no report in time is committed.
    pub fn commit_unreported(&mut self, now: i64) {
        for which in 0..self.sends.len() {
            if self.sends[which].open && self.sends[which].until <= now {
                self.commit_send(which);
            }
        }
        for unit in 0..self.units.len() {
            if self.units[unit].open && self.units[unit].until <= now {
                self.commit_unit(unit);
            }
        }
    }

    /// Whether anything is known of a send.
    pub fn remembers_send(&self, which: usize, now: i64) -> bool {
        self.sends[which].until + REMEMBERED_MS > now
    }
}

/// When the session ended before the one that sends have opened, if the message is of that.
fn before(session: &Session, (sent, now): (i64, i64)) -> Option<i64> {
    let reserved = matches!(session.hold, Hold::Reserved(_));
    session.before.filter(|&end| reserved && end + LATE_MS > now && sent < end)
}

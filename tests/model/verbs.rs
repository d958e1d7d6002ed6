//! One verb, done to the engine and to the model: decisions.

use std::time::Duration;

use cotas::{Decision, Details, Direction, Error, Reason, Tenant as Handle, Timestamp};

use crate::catalog::{CALLS, CALLS_THIS_MONTH, CREDITS, LEASES, RESOURCES, SMS};
use crate::steps::{Key, Message, Move, Verb};
use crate::subject::Subject;
use crate::tenant::{Gate, Stored, Tenant, Verdict, days, is_meter, with_parents};
use crate::{HOUR_MS, TENANTS, admin, handles};

/// A place where one tenant of the engine and that of the model meet.
pub struct Scene<'a> {
    pub engine: cotas::Engine,
    pub handle: Handle,
    pub name: &'static str,
    pub model: &'a mut Tenant,
    pub now: i64,
    pub epoch: u32,
}

/// Does one verb to one tenant.
pub fn take(subject: &mut Subject, tenant: usize, verb: &Verb) {
    let name = TENANTS[tenant];
    let engine = subject.engine().clone();
    let handle = engine.tenant(name).expect("exists");
    let (now, epoch) = (subject.now, subject.epoch);
    let model = &mut subject.model[tenant];
    let mut scene = Scene { engine, handle, name, model, now, epoch };
    match *verb {
        Verb::Consume { resource, units, key } => scene.consume(resource, units, key),
        Verb::Check { resource, units } => scene.check(resource, units),
        Verb::Message { contact, message } => scene.message(contact, message),
        Verb::SendSms { quantity, key } => scene.send_sms(quantity, key),
        Verb::StartCall { holder } => scene.start_call(holder),
        Verb::SendPaced { contact } => scene.send_paced(contact),
        Verb::Pass { key, units } => scene.pass(key, units),
        Verb::Meter { resource, how, units, key } => scene.meter(resource, how, units, key),
        Verb::Link { one, other } => scene.link(one, other),
        _ if handles::take(&mut scene, verb) => {}
        _ => admin::take(&mut scene, verb),
    }
}

/// The engine decided as the model did.
pub fn assert_agree(decision: &Decision, verdict: &Verdict) {
    // Whether those above what no plan names are looked at as well differs from verb to verb.
    let shown = |mut reasons: Vec<Reason>| {
        let parents = reasons.contains(&Reason::NotInPlan);
        reasons.retain(|&it| it != Reason::QuotaExhausted || !parents);
        reasons
    };
    let (told, right) = (decision.reasons.iter().collect(), verdict.reasons.clone());
    assert_eq!(shown(told), shown(right), "{decision:?}");
    assert_eq!(!decision.shadowed.is_empty(), verdict.shadowed, "{decision:?}");
    assert_eq!(decision.overage, verdict.overage, "{decision:?}");
}

impl Scene<'_> {
    /// Something that charges units, decided by the engine; under a key at most once. `what` names
    /// verb and arguments.
    pub fn agree(
        &mut self,
        result: Result<Decision, Error>,
        what: String,
        key: Key,
        gate: Gate,
        charges: &[(usize, u64)],
    ) -> Option<Decision> {
        if let Some((key, _)) = key
            && self.was_stored(&result, key, &what)
        {
            return None;
        }
        let decision = result.expect("decides");
        assert!(!decision.replayed);
        let verdict = self.model.ask(self.now, gate, charges);
        assert_agree(&decision, &verdict);
        if !verdict.allowed() {
            return None;
        }
        let taken = self.model.take(charges);
        if let Some((key, lifetime)) = key {
            self.store(&decision, key, what, lifetime);
            if decision.reservation.is_none() {
                self.model.stored.last_mut().expect("it was stored").taken = taken.clone();
            }
        }
        if let Some(id) = decision.reservation {
            handles::hold(self, id, taken);
        }
        Some(decision)
    }

    /// Remembers what was decided under a key.
    pub fn store(&mut self, decision: &Decision, key: u8, what: String, lifetime: u64) {
        self.model.stored.retain(|it| it.key != key);
        self.model.stored.push(Stored {
            key,
            what,
            until: self.now + days(lifetime),
            receipt: decision.receipt,
            reservation: decision.reservation,
            epoch: self.epoch,
            period: self.model.period,
            taken: Vec::new(),
            refunded: false,
        });
    }

    /// Whether something is kept under a key: then the engine gave it again, with handles that
    /// are fresh, or refused other arguments.
    pub fn was_stored(&mut self, result: &Result<Decision, Error>, key: u8, what: &str) -> bool {
        let (now, epoch) = (self.now, self.epoch);
        let found = self.model.stored.iter_mut().find(|it| it.key == key && it.until > now);
        let Some(stored) = found else { return false };
        if stored.what != what {
            assert!(matches!(result, Err(Error::IdempotencyConflict)), "{result:?}");
            return true;
        }
        let decision = result.as_ref().expect("gives it again");
        assert!(decision.replayed && decision.allowed(), "{decision:?}");
        assert_eq!(decision.receipt.is_some(), stored.receipt.is_some());
        (stored.receipt, stored.epoch) = (decision.receipt, epoch);
        let old = std::mem::replace(&mut stored.reservation, decision.reservation);
        assert_eq!(old.is_some(), decision.reservation.is_some());
        for held in self.model.reservations.iter_mut().filter(|it| Some(it.id) == old) {
            (held.id, held.epoch) = (decision.reservation.expect("it has one"), epoch);
        }
        true
    }

    /// The handle for a verb under a key.
    pub fn under<'k>(&'k self, (_, lifetime): (u8, u64), text: &'k str) -> cotas::Once<'k> {
        self.handle.once(text).kept_for(Duration::from_hours(24 * lifetime))
    }

    fn consume(&mut self, resource: usize, units: u64, key: Key) {
        self.model.catch_up(self.now);
        let name = RESOURCES[resource].name;
        let result = match key {
            Some(key) => self.under(key, &key.0.to_string()).consume(name, units),
            None => self.engine.consume(self.name, name, units),
        };
        let charges = with_parents(&[(resource, units)]);
        self.agree(result, format!("consume {name} {units}"), key, Gate::Consume, &charges);
    }

    fn check(&mut self, resource: usize, units: u64) {
        self.model.expire_reservations(self.now);
        let name = RESOURCES[resource].name;
        let mut units = units;
        let decision = if LEASES.contains(&resource) {
            units = 1;
            self.handle.leases(name).expect("are leases").check("nobody")
        } else if is_meter(resource) {
            self.handle.meter(name).expect("is a meter").check(units)
        } else {
            self.handle.check(name, units)
        };
        let mut settled = self.model.clone();
        settled.catch_up(self.now);
        let verdict = settled.ask(self.now, Gate::Consume, &with_parents(&[(resource, units)]));
        assert_agree(&decision.expect("decides"), &verdict);
    }

    fn message(&mut self, contact: u8, message: Message) {
        self.model.catch_up(self.now);
        let name = contact.to_string();
        let mut sent = self.now;
        if let Message::Receive { late_hours } = message {
            sent -= late_hours * HOUR_MS;
        }
        let at = (sent != self.now).then(|| Timestamp::from_ms(sent));
        let details = Details { channel: "w", contact: &name, at, ..Details::default() };
        let perform = |action| self.handle.perform(action, &details);
        let admit = |direction| self.handle.admit("sessions", direction, &details);
        let (decision, gate, may_open) = match message {
            Message::Receive { .. } => (perform("receive_message"), Gate::Receive, true),
            Message::Send => (perform("send_message"), Gate::Send, true),
            Message::Reply => (perform("reply_only"), Gate::Send, false),
            Message::AdmitInbound => (admit(Direction::Inbound), Gate::Receive, true),
            Message::AdmitOutbound => (admit(Direction::Outbound), Gate::Send, true),
        };
        let decision = decision.expect("decides");
        let times = (sent.min(self.now), self.now);
        let (verdict, opens) = self.model.ask_message(times, contact, gate, may_open);
        assert_agree(&decision, &verdict);
        let session = decision.session;
        assert_eq!(session.map(|it| it.opened), verdict.allowed().then_some(opens));
        if verdict.allowed() {
            self.model.message(times, contact, opens, gate == Gate::Receive);
            let end = self.model.session_of(contact, self.now).map(|(_, end)| end);
            // One that ended long ago is not kept, even if it was opened just now.
            let told = session.map(|it| it.expires_at.ms());
            assert!(end.is_none() || end == told || opens, "{end:?} {told:?}");
        }
    }

    fn send_sms(&mut self, quantity: u64, key: Key) {
        self.model.catch_up(self.now);
        let details = Details { quantity: Some(quantity), ..Details::default() };
        let result = match key {
            Some(key) => self.under(key, &key.0.to_string()).perform("send_sms", &details),
            None => self.handle.perform("send_sms", &details),
        };
        let charges = with_parents(&[(2, 2), (SMS, quantity), (12, 1), (4, 1)]);
        self.agree(result, format!("send_sms {quantity}"), key, Gate::Send, &charges);
    }

    fn start_call(&mut self, holder: u8) {
        self.model.catch_up(self.now);
        let name = holder.to_string();
        let details = Details { holder: &name, ..Details::default() };
        let decision = self.handle.perform("start_call", &details).expect("decides");
        let charges = [(CREDITS, 1), (CALLS_THIS_MONTH, 1)];
        handles::take_lease(self, &decision, &charges, (CALLS, holder), None);
    }

    fn send_paced(&mut self, contact: u8) {
        self.model.catch_up(self.now);
        let name = contact.to_string();
        let details = Details { channel: "w", contact: &name, ..Details::default() };
        let decision = self.handle.perform("send_paced", &details).expect("decides");
        let verdict = self.model.ask(self.now, Gate::Send, &[(CREDITS, 1)]);
        let pace = format!("w/{contact}");
        let verdict = self.model.ask_pace(self.now, &pace, 1, verdict);
        assert_agree(&decision, &verdict);
        if verdict.allowed() {
            self.model.take(&[(CREDITS, 1)]);
            self.model.pass(self.now, &pace, 1);
        }
    }

    fn pass(&mut self, key: u8, units: u64) {
        self.model.catch_up(self.now);
        let key = key.to_string();
        let decision = self.handle.rate("pace").expect("is a rate").pass(&key, units);
        let verdict = self.model.ask(self.now, Gate::Consume, &[]);
        let verdict = self.model.ask_pace(self.now, &key, units, verdict);
        let decision = decision.expect("decides");
        assert_agree(&decision, &verdict);
        if verdict.allowed() {
            self.model.pass(self.now, &key, units);
        } else if let Some(at) = decision.retry_at {
            // A millisecond before it is still too early.
            let ask = |at| self.model.ask_pace(at, &key, units, Verdict::default());
            assert!(!ask(at.ms() - 1).allowed() && ask(at.ms()).allowed());
        }
    }

    fn meter(&mut self, resource: usize, how: Move, units: u64, key: Key) {
        self.model.catch_up(self.now);
        let name = RESOURCES[resource].name;
        let text = key.map(|(key, _)| key.to_string()).unwrap_or_default();
        let meter = match key {
            Some(key) => self.under(key, &text).meter(name),
            None => self.handle.meter(name),
        };
        let meter = meter.expect("is a meter");
        let result = match how {
            Move::Add => meter.add(units),
            Move::Subtract => meter.subtract(units),
            Move::Set => meter.set(units),
        };
        let what = format!("{how:?} {name} {units}");
        let used = self.model.used[resource];
        let down = match how {
            Move::Add => None,
            Move::Subtract => Some(units.min(used)),
            Move::Set => used.checked_sub(units),
        };
        let Some(down) = down else {
            let up = if matches!(how, Move::Set) { units.saturating_sub(used) } else { units };
            self.agree(result, what, key, Gate::Consume, &with_parents(&[(resource, up)]));
            return;
        };
        if let Some((key, _)) = key
            && self.was_stored(&result, key, &what)
        {
            return;
        }
        let decision = result.expect("it is always allowed");
        assert!(decision.allowed());
        for (resource, down) in with_parents(&[(resource, down)]) {
            self.model.used[resource] = self.model.used[resource].saturating_sub(down);
        }
        if let Some((key, lifetime)) = key {
            self.store(&decision, key, what, lifetime);
        }
    }

    fn link(&mut self, one: u8, other: u8) {
        let linked = self.handle.link_contact(&one.to_string(), &other.to_string());
        linked.expect("six names are not too many");
        let (with, mut without): (Vec<_>, Vec<_>) = std::mem::take(&mut self.model.links)
            .into_iter()
            .partition(|names| names.contains(&one) || names.contains(&other));
        without.push(with.into_iter().flatten().chain([one, other]).collect());
        self.model.links = without;
    }
}

//! One operation, done to the engine and to the model: decisions.

use std::time::Duration;

use cotas::{
    Decision, Delivery, DeliveryOutcome, Details, Direction, Error, Reason, Tenant as Handle,
    Timestamp,
};

use crate::catalog::{CALLS, CALLS_THIS_MONTH, CREDITS, LEASES, RESOURCES, SMS};
use crate::steps::{Key, Message, Move, Operation};
use crate::subject::Subject;
use crate::tenant::{
    Gate, Reservation, Stored, Taken, Tenant, Verdict, days, is_meter, with_parents,
};
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

/// Does one operation to one tenant.
pub fn take(subject: &mut Subject, tenant: usize, operation: &Operation) {
    let name = TENANTS[tenant];
    let engine = subject.engine().clone();
    let handle = engine.tenant(name).expect("exists");
    let (now, epoch) = (subject.now, subject.epoch);
    let model = &mut subject.model[tenant];
    let mut scene = Scene { engine, handle, name, model, now, epoch };
    match *operation {
        Operation::Consume { resource, units, key } => scene.consume(resource, units, key),
        Operation::Check { resource, units } => scene.check(resource, units),
        Operation::Message { contact, also, message, key } => {
            scene.message(contact, also, message, key);
        }
        Operation::Send { contact, category, hours } => {
            scene.reserve_send(contact, category, hours);
        }
        Operation::Deliver { which, report } => scene.deliver(which, report),
        Operation::SendSms { quantity, key } => scene.send_sms(quantity, key),
        Operation::StartCall { holder, key } => scene.start_call(holder, key),
        Operation::SendPaced { contact, key } => scene.send_paced(contact, key),
        Operation::Featured { level, key } => scene.featured(level, key),
        Operation::Pass { pace, units, key } => scene.pass(pace, units, key),
        Operation::Meter { resource, how, units, key } => scene.meter(resource, how, units, key),
        Operation::Link { one, other } => scene.link(one, other),
        _ if handles::take(&mut scene, operation) => {}
        _ => admin::take(&mut scene, operation),
    }
}

/// The engine decided as the model did.
pub fn assert_agree(decision: &Decision, verdict: &Verdict) {
    // Whether those above what no plan names are looked at as well differs from operation to
    // operation.
    let shown = |mut reasons: Vec<Reason>| {
        let parents = reasons.contains(&Reason::NotInPlan);
        reasons.retain(|&it| it != Reason::QuotaExhausted || !parents);
        reasons
    };
    let (reported, right) = (decision.reasons.iter().collect(), verdict.reasons.clone());
    assert_eq!(shown(reported), shown(right), "{decision:?}");
    assert_eq!(!decision.shadowed.is_empty(), verdict.shadowed, "{decision:?}");
    assert_eq!(decision.overage, verdict.overage, "{decision:?}");
    assert_eq!(decision.past_due, verdict.past_due, "{decision:?}");
}

/// What a decision charged, by resource.
fn charged(engine: &cotas::Engine, decision: &Decision) -> Vec<(String, u64)> {
    let mut sums: Vec<(String, u64)> = Vec::new();
    for charge in decision.charges.iter() {
        let name = engine.resource_name(charge.resource).expect("has a name").to_owned();
        match sums.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += charge.units,
            None => sums.push((name, charge.units)),
        }
    }
    sums.sort();
    sums
}

/// What the action `send_sms` charges.
pub fn sms_charges(quantity: u64) -> Vec<(usize, u64)> {
    with_parents(&[(2, 2), (SMS, quantity), (12, 1), (4, 1)])
}

impl Scene<'_> {
    /// Something that charges units, decided by the engine; under a key at most once. `what` names
    /// operation and arguments.
    pub fn agree(
        &mut self,
        result: Result<Decision, Error>,
        what: String,
        key: Key,
        gate: Gate,
        charges: &[(usize, u64)],
    ) -> Option<Decision> {
        if self.is_again(&result, key, &what) {
            return None;
        }
        let verdict = self.model.ask(self.now, gate, charges);
        self.agree_to(result, what, key, &verdict, charges)
    }

    /// As [`agree`](Self::agree) of what is not stored, with a verdict that the model has come to.
    fn agree_to(
        &mut self,
        result: Result<Decision, Error>,
        what: String,
        key: Key,
        verdict: &Verdict,
        charges: &[(usize, u64)],
    ) -> Option<Decision> {
        let decision = result.expect("decides");
        assert!(!decision.replayed);
        assert_agree(&decision, verdict);
        if !verdict.allowed() {
            return None;
        }
        let taken = self.model.take(charges);
        let given_back = if decision.reservation.is_none() { taken.clone() } else { Vec::new() };
        self.store(&decision, what, key, given_back);
        if let Some(id) = decision.reservation {
            handles::hold(self, id, taken);
        }
        Some(decision)
    }

    /// Remembers what was decided under a key, if there is one.
    pub fn store(&mut self, decision: &Decision, what: String, key: Key, taken: Vec<Taken>) {
        let Some((key, lifetime)) = key else { return };
        self.model.stored.retain(|it| it.key != key);
        self.model.stored.push(Stored {
            key,
            what,
            until: self.now + days(lifetime),
            decision: *decision,
            epoch: self.epoch,
            period: self.model.period,
            taken,
            session: Vec::new(),
            number: u64::MAX,
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
        let decision = *result.as_ref().expect("gives it again");
        assert!(decision.replayed && decision.allowed(), "{decision:?}");
        assert_eq!(decision.receipt.is_some(), stored.decision.receipt.is_some());
        assert_eq!(decision.reservation.is_some(), stored.decision.reservation.is_some());
        let old = std::mem::replace(&mut stored.decision, Decision { replayed: false, ..decision });
        stored.epoch = epoch;
        let of_old = |it: &&mut Reservation| Some(it.id) == old.reservation;
        let held = self.model.reservations.iter_mut().find(of_old);
        // What a reservation that is forgotten had taken is forgotten with it.
        let forgotten = old.reservation.is_some() && held.is_none();
        if let Some(held) = held {
            (held.id, held.epoch) = (decision.reservation.expect("it has one"), epoch);
        }
        let (receipt, reservation) = (decision.receipt, decision.reservation);
        let charges = if forgotten { decision.charges } else { old.charges };
        let right = Decision { replayed: true, receipt, reservation, charges, ..old };
        assert_eq!(decision, right);
        true
    }

    /// Whether something is kept under a key, as [`was_stored`](Self::was_stored) says.
    pub fn is_again(&mut self, result: &Result<Decision, Error>, key: Key, what: &str) -> bool {
        key.is_some_and(|(key, _)| self.was_stored(result, key, what))
    }

    /// Performs an action, which is quoted before; what is not given again is as it was quoted.
    pub fn perform(
        &mut self,
        action: &str,
        details: &Details<'_>,
        key: Key,
    ) -> Result<Decision, Error> {
        self.model.expire_reservations(self.now);
        let quote = self.handle.quote(action, details).expect("quotes");
        let done = match key {
            Some(key) => self.under(key, &key.0.to_string()).perform(action, details),
            None => self.handle.perform(action, details),
        };
        let Ok(decision) = done.as_ref() else { return done };
        if decision.replayed {
            return done;
        }
        let reported = |it: &Decision| (it.reasons, it.shadowed, it.overage, it.used, it.available);
        assert_eq!(reported(&quote.decision), reported(decision), "{action}");
        let session = |it: &Decision| it.session.map(|it| (it.opened, it.expires_at));
        assert_eq!(session(&quote.decision), session(decision), "{action}");
        if decision.allowed() && decision.charges.is_complete() {
            let costs = quote.costs.iter().filter(|it| it.cost > 0);
            let mut costs: Vec<(String, u64)> =
                costs.map(|it| (it.resource.clone(), it.cost)).collect();
            costs.sort();
            assert_eq!(costs, charged(&self.engine, decision), "{action}");
        }
        done
    }

    /// The handle for an operation under a key.
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
            self.handle.leases(name).expect("are leases").check("stranger")
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

    fn message(&mut self, contact: u8, also: Option<u8>, message: Message, key: Key) {
        let name = contact.to_string();
        let mut sent = self.now;
        if let Message::Receive { late_hours } = message {
            sent -= late_hours * HOUR_MS;
        }
        let at = (sent != self.now).then(|| Timestamp::from_ms(sent));
        let session_of = match message {
            Message::Template { category } => (contact, category),
            _ => (contact, 0),
        };
        // Only templates look at it.
        let category = ["", "marketing", "utility"][usize::from(session_of.1)];
        let other = also.map(|name| name.to_string()).unwrap_or_default();
        let of = Details { channel: "w", contact: &name, category, at, ..Details::default() };
        let details = Details { also: &other, ..of };
        let (what, gate, may_open) = match message {
            Message::Receive { .. } => ("receive_message", Gate::Receive, true),
            Message::Send => ("send_message", Gate::Send, true),
            Message::Reply => ("reply_only", Gate::Send, false),
            Message::Template { .. } => ("send_template", Gate::Send, true),
            Message::AdmitInbound => ("inbound", Gate::Receive, true),
            Message::AdmitOutbound => ("outbound", Gate::Send, true),
        };
        let direction = match message {
            Message::AdmitInbound => Some(Direction::Inbound),
            Message::AdmitOutbound => Some(Direction::Outbound),
            _ => None,
        };
        let result = match (direction, key) {
            (None, _) => self.perform(what, &details, key),
            (Some(direction), None) => self.handle.admit("sessions", direction, &details),
            (Some(direction), Some(key)) => {
                self.under(key, &key.0.to_string()).admit("sessions", direction, &details)
            }
        };
        self.model.catch_up(self.now);
        if let Some(also) = also {
            self.join_names(contact, also);
        }
        let what = format!("{what} {contact} {category}");
        if self.is_again(&result, key, &what) {
            return;
        }
        let decision = result.expect("decides");
        let times = (sent.min(self.now), self.now);
        let too_old = Tenant::is_too_old(times.0, times.1) && !self.model.covers(times, session_of);
        let (verdict, opens) = self.model.ask_message(times, session_of, gate, may_open);
        assert_agree(&decision, &verdict);
        let session = decision.session;
        assert_eq!(decision.too_old, verdict.allowed() && too_old);
        let has_session = verdict.allowed() && !too_old;
        assert_eq!(session.map(|it| it.opened), has_session.then_some(opens));
        if verdict.allowed() {
            let number = key.is_some().then_some(self.model.decisions);
            self.model.decisions += 1;
            let ends_before = self.model.end_for(times, session_of);
            let extends = gate == Gate::Receive;
            let taken = self.model.message(times, session_of, opens, extends, number);
            let end = self.model.end_for(times, session_of);
            // One that ended long ago is not kept, even if it was opened just now.
            let shown = session.map(|it| it.expires_at.ms());
            let is_right = end.is_none() || shown == end || shown == ends_before;
            assert!(is_right || opens || too_old, "{end:?} {shown:?}");
            self.store(&decision, what, key, Vec::new());
            if let (Some(number), Some(stored)) = (number, self.model.stored.last_mut()) {
                (stored.number, stored.session) = (number, taken);
            }
        }
    }

    /// A message of which it is reported later whether it arrived.
    fn reserve_send(&mut self, contact: u8, category: Option<u8>, hours: i64) {
        self.model.expire_reservations(self.now);
        let (name, message) = (contact.to_string(), format!("m{}", self.model.sends.len()));
        let session_of = (contact, category.unwrap_or(0));
        let category = ["", "marketing", "utility"][usize::from(session_of.1)];
        let action = if session_of.1 == 0 { "send_message" } else { "send_template" };
        let of = Details { channel: "w", contact: &name, category, ..Details::default() };
        let details = Details { message: &message, ..of };
        let ttl = Duration::from_millis((hours * HOUR_MS) as u64 - 7);
        let decision = self.handle.reserve_action(action, &details, ttl).expect("decides");
        self.model.catch_up(self.now);
        let times = (self.now, self.now);
        let (verdict, opens) = self.model.ask_message(times, session_of, Gate::Send, true);
        assert_agree(&decision, &verdict);
        assert_eq!(decision.session.map(|it| it.opened), verdict.allowed().then_some(opens));
        if verdict.allowed() {
            let until = self.now + hours * HOUR_MS - 7;
            self.model.send(self.now, session_of, opens, until, message);
            let end = self.model.end_for(times, session_of);
            assert_eq!(decision.session.map(|it| it.expires_at.ms()), end);
        }
    }

    fn deliver(&mut self, which: usize, report: Delivery) {
        if self.model.sends.is_empty() {
            return;
        }
        let which = which % self.model.sends.len();
        let message = self.model.sends[which].message.clone();
        let outcome = self.handle.report_delivery(&message, report).expect("is taken");
        let known = self.model.remembers_send(which, self.now);
        if known && report != Delivery::Sent {
            self.model.catch_up(self.now);
        }
        let open = self.model.sends[which].open && self.model.sends[which].until > self.now;
        let right = match report {
            _ if !known => DeliveryOutcome::Unknown,
            Delivery::Failed if open => {
                self.model.fail_send(which, self.now);
                DeliveryOutcome::Released
            }
            Delivery::Delivered | Delivery::Read if open => {
                self.model.commit_send(which);
                DeliveryOutcome::Committed
            }
            _ => DeliveryOutcome::Unchanged,
        };
        assert_eq!(outcome, right, "{report:?} of {message}");
    }

    fn send_sms(&mut self, quantity: u64, key: Key) {
        let details = Details { quantity: Some(quantity), ..Details::default() };
        let result = self.perform("send_sms", &details, key);
        self.model.catch_up(self.now);
        let what = format!("send_sms {quantity}");
        self.agree(result, what, key, Gate::Send, &sms_charges(quantity));
    }

    fn start_call(&mut self, holder: u8, key: Key) {
        let name = holder.to_string();
        let details = Details { holder: &name, ..Details::default() };
        let result = self.perform("start_call", &details, key);
        self.model.catch_up(self.now);
        let charges = with_parents(&[(CREDITS, 1), (CALLS_THIS_MONTH, 1)]);
        let what = format!("start_call {holder}");
        handles::take_lease(self, result, (what, key), &charges, (CALLS, holder), None);
    }

    fn send_paced(&mut self, contact: u8, key: Key) {
        let name = contact.to_string();
        let details = Details { channel: "w", contact: &name, ..Details::default() };
        let result = self.perform("send_paced", &details, key);
        self.model.catch_up(self.now);
        let what = format!("send_paced {contact}");
        if self.is_again(&result, key, &what) {
            return;
        }
        let charges = [(CREDITS, 1)];
        let pace = format!("w/{contact}");
        let verdict = self.model.ask(self.now, Gate::Send, &charges);
        let verdict = self.model.ask_pace(self.now, &pace, 1, verdict);
        if self.agree_to(result, what, key, &verdict, &charges).is_some() {
            self.model.pass(self.now, &pace, 1);
        }
    }

    fn featured(&mut self, level: bool, key: Key) {
        let action = if level { "analyse" } else { "summarize" };
        let result = self.perform(action, &Details::default(), key);
        self.model.catch_up(self.now);
        if self.is_again(&result, key, action) {
            return;
        }
        let charges = with_parents(&[if level { (SMS, 1) } else { (2, 3) }]);
        let mut verdict = self.model.ask(self.now, Gate::Consume, &charges);
        if !self.model.has_feature(level) {
            verdict.deny(Reason::FeatureMissing);
            verdict.overage = false;
        }
        self.agree_to(result, action.to_owned(), key, &verdict, &charges);
    }

    fn pass(&mut self, pace: u8, units: u64, key: Key) {
        self.model.catch_up(self.now);
        let text = key.map(|(key, _)| key.to_string()).unwrap_or_default();
        let rate = match key {
            Some(key) => self.under(key, &text).rate("pace"),
            None => self.handle.rate("pace"),
        };
        let rate = rate.expect("is a rate");
        let pace = pace.to_string();
        let reported = rate.check(&pace, units).expect("decides");
        let result = rate.pass(&pace, units);
        let what = format!("pass {pace} {units}");
        if self.is_again(&result, key, &what) {
            return;
        }
        let verdict = self.model.ask(self.now, Gate::Consume, &[]);
        let verdict = self.model.ask_pace(self.now, &pace, units, verdict);
        assert_agree(&reported, &verdict);
        if let Some(at) = reported.retry_at {
            // A millisecond before it is still too early.
            let ask = |at| self.model.ask_pace(at, &pace, units, Verdict::default());
            assert!(!ask(at.ms() - 1).allowed() && ask(at.ms()).allowed());
        }
        if self.agree_to(result, what, key, &verdict, &[]).is_some() {
            self.model.pass(self.now, &pace, units);
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
        if self.is_again(&result, key, &what) {
            return;
        }
        let decision = result.expect("it is always allowed");
        assert!(decision.allowed());
        for (resource, down) in with_parents(&[(resource, down)]) {
            self.model.used[resource] = self.model.used[resource].saturating_sub(down);
        }
        self.store(&decision, what, key, Vec::new());
    }

    fn link(&mut self, one: u8, other: u8) {
        let linked = self.handle.link_contact(&one.to_string(), &other.to_string());
        linked.expect("six names are not too many");
        self.join_names(one, other);
    }

    fn join_names(&mut self, one: u8, other: u8) {
        let (with, mut without): (Vec<_>, Vec<_>) = std::mem::take(&mut self.model.links)
            .into_iter()
            .partition(|names| names.contains(&one) || names.contains(&other));
        without.push(with.into_iter().flatten().chain([one, other]).collect());
        self.model.links = without;
    }
}

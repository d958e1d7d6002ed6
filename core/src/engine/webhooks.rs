//! Webhooks: where events are sent, by `cotas serve`, until each receiver has them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::access_tokens::random_bytes;
use super::{Engine, Event, call};
use crate::clock::{HOUR_MS, Timestamp};
use crate::error::Error;
use crate::store::{DeliveryRow, Next, Sync, WebhookRow, Write};

/// Webhooks that a database may have.
const WEBHOOKS_MAX: usize = 32;
/// Longest address, in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// What a secret begins with (Standard Webhooks).
const PREFIX: &str = "whsec_";
/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;
const MINUTE_MS: i64 = HOUR_MS / 60;
/// How long a delivery waits after each attempt that failed. After the last it is a dead letter.
const WAITS_MS: [i64; 8] = [
    5_000,
    30_000,
    2 * MINUTE_MS,
    10 * MINUTE_MS,
    30 * MINUTE_MS,
    2 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
];
/// Longest reason of a failure that is kept, in characters.
const FAILURE_CHARS_MAX: usize = 200;
/// Dead letters that one call gives at most.
const DEAD_MAX: u32 = 10_000;

/// A webhook that was added, or got another secret.
#[derive(Clone, PartialEq, Eq, serde::Serialize)]
pub struct IssuedWebhook {
    /// Its number.
    pub id: i64,
    /// What its deliveries are signed with. It is given here and never again.
    pub secret: String,
}

impl std::fmt::Debug for IssuedWebhook {
    /// Leaves the secret out: what is printed ends up in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedWebhook").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A webhook as it is listed: without its secret.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WebhookView {
    /// Its number.
    pub id: i64,
    /// Where events are sent.
    pub url: String,
    /// When it was added: it gets every event since.
    #[serde(serialize_with = "crate::json::text")]
    pub created_at: Timestamp,
    /// Events that it is still to get.
    pub waiting: u64,
    /// Events that it did not take in any attempt.
    pub dead: u64,
    /// Events that were given up because too many waited.
    pub dropped: u64,
    /// Why its latest delivery that has not arrived failed.
    pub failure: Option<String>,
}

/// An event that a receiver did not take in any attempt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DeadDelivery {
    /// The webhook.
    pub webhook: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub failure: String,
    /// The event.
    pub event: Event,
}

/// What is to be sent to a webhook now.
#[derive(Clone)]
pub struct Outgoing {
    /// The webhook.
    pub webhook: i64,
    /// Where to.
    pub url: String,
    /// What to sign with.
    pub secret: Vec<u8>,
    /// The events, the oldest first.
    pub deliveries: Vec<OutgoingEvent>,
}

/// An event that is to be sent now, and by the caller alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingEvent {
    delivery: i64,
    /// Which attempt this is, from 1 on.
    pub attempt: u32,
    /// The event.
    pub event: Event,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver has the event.
    Delivered,
    /// It has not, for this reason: the event is tried again later.
    Failed(String),
    /// It wants no such events any more: it is a dead letter at once.
    Gone(String),
    /// It was not tried.
    NotTried,
}

/// The webhooks of a database.
#[derive(Clone, Copy)]
pub struct Webhooks<'a> {
    engine: &'a Engine,
}

impl Engine {
    /// The webhooks of this database: where `cotas serve` sends events.
    #[must_use]
    pub fn webhooks(&self) -> Webhooks<'_> {
        Webhooks { engine: self }
    }
}

impl Webhooks<'_> {
    /// Adds a webhook: it gets every event from now on. Its secret is given here and never again.
    /// An address that has one already is refused. Waits for the disk.
    pub fn add(&self, url: &str) -> Result<IssuedWebhook, Error> {
        check_url(url)?;
        let (secret, now) = (random_bytes::<SECRET_BYTES>("secret")?, self.engine.now());
        let id = self.write(|write| {
            if let Some(id) = write.webhook_of_url(url)? {
                return Err(wrong(
                    "url",
                    format!("webhook {id} has it already; rotate its secret"),
                ));
            }
            if write.webhook_count()? >= WEBHOOKS_MAX {
                let why = format!("there are {WEBHOOKS_MAX} webhooks; remove one first");
                return Err(wrong("url", why));
            }
            let id = write.insert_webhook(url, &secret, now)?;
            write.audit(None, now, "webhook", &format!("added {id}"))?;
            Ok(id)
        })?;
        Ok(IssuedWebhook { id, secret: shown(&secret) })
    }

    /// Every webhook, without its secret. Reads SQLite.
    pub fn list(&self) -> Result<Vec<WebhookView>, Error> {
        let view = |row: WebhookRow| {
            let WebhookRow { id, url, created_at, waiting, dead, dropped, failure } = row;
            WebhookView { id, url, created_at, waiting, dead, dropped, failure }
        };
        Ok(self.engine.shared.store.webhooks()?.into_iter().map(view).collect())
    }

    /// Gives a webhook another secret, with which its next delivery is signed. `None`: there is no
    /// such webhook. Waits for the disk.
    pub fn rotate(&self, id: i64) -> Result<Option<IssuedWebhook>, Error> {
        let (secret, now) = (random_bytes::<SECRET_BYTES>("secret")?, self.engine.now());
        let is_there = self.write(|write| {
            let is_there = write.replace_webhook_secret(id, &secret)?;
            if is_there {
                write.audit(None, now, "webhook", &format!("rotated {id}"))?;
            }
            Ok(is_there)
        })?;
        Ok(is_there.then(|| IssuedWebhook { id, secret: shown(&secret) }))
    }

    /// Removes a webhook, with what it has not got yet. `false`: there is no such webhook. Waits
    /// for the disk.
    pub fn remove(&self, id: i64) -> Result<bool, Error> {
        let now = self.engine.now();
        self.write(|write| {
            let was_there = write.delete_webhook(id)?;
            if was_there {
                write.audit(None, now, "webhook", &format!("removed {id}"))?;
            }
            Ok(was_there)
        })
    }

    /// Dead letters, the oldest first and at most so many: of one webhook, or of all. Reads SQLite.
    pub fn dead(&self, webhook: Option<i64>, most: u32) -> Result<Vec<DeadDelivery>, Error> {
        if most == 0 || most > DEAD_MAX {
            return Err(wrong("most", format!("{most} is not between 1 and {DEAD_MAX}")));
        }
        let compiled = self.engine.shared.compiled()?;
        let dead = |row: DeliveryRow| {
            let DeliveryRow { webhook, attempts, failure, event, .. } = row;
            DeadDelivery { webhook, attempts, failure, event: Event::new(event, compiled) }
        };
        let rows = self.engine.shared.store.dead_deliveries(webhook, most)?;
        Ok(rows.into_iter().map(dead).collect())
    }

    /// Tries dead letters of a webhook again from now on: the one of an event, or all. Says how
    /// many. Waits for the disk.
    pub fn resend(&self, webhook: i64, event: Option<u64>) -> Result<usize, Error> {
        let now = self.engine.now();
        self.write(|write| Ok(write.resend_deliveries(webhook, event, now)?))
    }

    /// What is due now, at most so many events for each webhook. No other caller gets them before
    /// `lease` is over, also where this process ends: then they are sent again. Waits for the disk
    /// where something is due.
    pub fn take_due(&self, most: u32, lease: Duration) -> Result<Vec<Outgoing>, Error> {
        let lease = call::lifetime_ms("lease", lease)?;
        let now = self.engine.now();
        if !self.engine.shared.store.has_deliveries(now)? {
            return Ok(Vec::new());
        }
        let compiled = self.engine.shared.compiled()?;
        self.write(|write| {
            write.add_deliveries(now)?;
            let mut batches = Vec::new();
            for (webhook, url, secret) in write.webhook_targets()? {
                let rows = write.take_due_deliveries(webhook, now, now.plus_ms(lease), most)?;
                let taken = |row: DeliveryRow| OutgoingEvent {
                    delivery: row.id,
                    attempt: row.attempts,
                    event: Event::new(row.event, compiled),
                };
                let deliveries: Vec<_> = rows.into_iter().map(taken).collect();
                if !deliveries.is_empty() {
                    batches.push(Outgoing { webhook, url, secret, deliveries });
                }
            }
            Ok(batches)
        })
    }

    /// Notes what became of attempts. Waits for the disk.
    pub fn report(&self, attempts: &[(OutgoingEvent, Attempt)]) -> Result<(), Error> {
        let now = self.engine.now();
        self.write(|write| {
            for (OutgoingEvent { delivery, attempt, .. }, outcome) in attempts {
                match outcome {
                    Attempt::Delivered => write.delete_delivery(*delivery)?,
                    Attempt::Failed(why) => {
                        write.fail_delivery(*delivery, &cut(why), next_after(*attempt, now))?;
                    }
                    Attempt::Gone(why) => {
                        write.fail_delivery(*delivery, &cut(why), Next::Dead)?;
                    }
                    Attempt::NotTried => write.return_delivery(*delivery, now)?,
                }
            }
            Ok(())
        })
    }

    fn write<T>(self, change: impl FnOnce(&Write<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let shared = &self.engine.shared;
        let _writer_lock = shared.lock_writer()?;
        shared.store.with(|connection| {
            let mut write = Write::begin(connection, &shared.live, Sync::Full)?;
            write.set_actor(self.engine.actor.as_deref());
            let value = change(&write)?;
            write.commit()?;
            Ok(value)
        })
    }
}

/// What follows an attempt that failed.
fn next_after(attempt: u32, now: Timestamp) -> Next {
    let wait = (attempt as usize).checked_sub(1).and_then(|failed| WAITS_MS.get(failed));
    wait.map_or(Next::Dead, |&ms| Next::At(now.plus_ms(ms)))
}

fn cut(why: &str) -> String {
    why.chars().filter(|it| !it.is_control()).take(FAILURE_CHARS_MAX).collect()
}

fn wrong(what: &'static str, why: String) -> Error {
    Error::InvalidArgument { what, why }
}

/// Refuses an address that cannot be one of a receiver. Whether it leads to a place that may be
/// sent to is checked by the sender, each time that it connects.
fn check_url(url: &str) -> Result<(), Error> {
    let refused = |why: &str| {
        let why = format!("{why}; an address such as https://example.com/hooks is needed");
        Err(wrong("url", why))
    };
    if url.len() > URL_BYTES_MAX {
        let bytes = url.len();
        return Err(wrong("url", format!("{bytes} bytes; {URL_BYTES_MAX} at most are allowed")));
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)) {
        return refused("it has characters that no address has");
    }
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        return refused("it begins with neither https:// nor http://");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() || authority.starts_with(':') {
        return refused("it names no host");
    }
    if authority.contains('@') {
        return refused("it has a user or a password, which would be kept in clear");
    }
    if url.contains('#') {
        return refused("it has a fragment, which is not sent");
    }
    Ok(())
}

/// A secret as receivers are given it.
fn shown(secret: &[u8]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(secret))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::engine::NewTenant;
    use crate::rules::Status;

    const LEASE: Duration = Duration::from_mins(2);

    fn engine() -> (Engine, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_ms(1_780_000_000_000)));
        let engine = Engine::in_memory().clock(clock.clone()).open().unwrap();
        engine.load_catalog(&crate::Catalog::parse("", "catalog.toml").unwrap()).unwrap();
        engine.create_tenant(&NewTenant::new("acme")).unwrap();
        (engine, clock)
    }

    /// Something happens to `acme`.
    fn happen(engine: &Engine) {
        let tenant = engine.report("acme").unwrap();
        let status =
            if tenant.status == Status::Active { Status::Suspended } else { Status::Active };
        engine.set_status("acme", status, "test", true).unwrap();
    }

    fn taken(engine: &Engine) -> Vec<OutgoingEvent> {
        let batches = engine.webhooks().take_due(8, LEASE).unwrap();
        batches.into_iter().flat_map(|it| it.deliveries).collect()
    }

    #[test]
    fn a_webhook_gets_what_happens_after_it_was_added_also_where_the_host_acknowledges_it() {
        let (engine, _) = engine();
        happen(&engine);
        let issued = engine.webhooks().add("https://example.com/hooks").unwrap();
        assert!(issued.secret.starts_with("whsec_") && issued.secret.len() == 50);
        happen(&engine);
        let last = engine.events(0, 100).unwrap().pop().unwrap();
        engine.acknowledge_events(last.sequence).unwrap();
        assert_eq!(engine.webhooks().list().unwrap()[0].waiting, 1);
        let first = taken(&engine);
        assert_eq!(first.iter().map(|it| &it.event).collect::<Vec<_>>(), [&last]);
        assert_eq!(taken(&engine), [], "it is taken");
        engine.webhooks().report(&[(first[0].clone(), Attempt::Delivered)]).unwrap();
        assert_eq!(engine.webhooks().list().unwrap()[0].waiting, 0);
        let shown = format!("{issued:?} {:?}", engine.audit_trail(None, 100).unwrap());
        assert!(!shown.contains(&issued.secret));
    }

    #[test]
    fn what_a_sender_that_ended_had_claimed_is_sent_again() {
        let (engine, clock) = engine();
        engine.webhooks().add("https://example.com/hooks").unwrap();
        happen(&engine);
        assert_eq!(taken(&engine).len(), 1);
        clock.advance_ms(LEASE.as_millis() as i64 - 1);
        assert_eq!(taken(&engine), []);
        clock.advance_ms(1);
        let again = taken(&engine);
        assert_eq!(again[0].attempt, 2);
        engine.webhooks().report(&[(again[0].clone(), Attempt::NotTried)]).unwrap();
        assert_eq!(taken(&engine)[0].attempt, 2, "it was not tried");
    }

    #[test]
    fn what_fails_is_tried_later_each_time_and_is_a_dead_letter_at_last() {
        let (engine, clock) = engine();
        let webhook = engine.webhooks().add("https://example.com/hooks").unwrap().id;
        happen(&engine);
        for wait in WAITS_MS {
            let now = taken(&engine);
            assert_eq!(now.len(), 1, "{wait}");
            engine.webhooks().report(&[(now[0].clone(), Attempt::Failed("503".into()))]).unwrap();
            clock.advance_ms(wait - 1);
            assert_eq!(taken(&engine), [], "{wait}");
            clock.advance_ms(1);
        }
        let last = taken(&engine);
        engine.webhooks().report(&[(last[0].clone(), Attempt::Failed("503".into()))]).unwrap();
        clock.advance_ms(400 * 24 * HOUR_MS);
        assert_eq!(taken(&engine), []);
        let dead = engine.webhooks().dead(Some(webhook), 10).unwrap();
        assert_eq!((dead[0].attempts, dead[0].failure.as_str()), (9, "503"));
        let listed = &engine.webhooks().list().unwrap()[0];
        assert_eq!((listed.dead, listed.failure.as_deref()), (1, Some("503")));
        assert_eq!(engine.webhooks().resend(webhook, Some(dead[0].event.sequence)).unwrap(), 1);
        assert_eq!(taken(&engine)[0].attempt, 1);
        assert_eq!(engine.webhooks().dead(None, 10).unwrap(), []);
    }

    #[test]
    fn nothing_of_an_erased_tenant_is_sent_but_that_it_is_gone() {
        let (engine, _) = engine();
        engine.webhooks().add("https://example.com/hooks").unwrap();
        happen(&engine);
        assert_eq!(taken(&engine).len(), 1);
        engine.set_status("acme", Status::Cancelled, "left", true).unwrap();
        engine.erase("acme", true).unwrap();
        let left = taken(&engine);
        let kinds: Vec<_> = left.iter().map(|it| it.event.kind.code()).collect();
        assert_eq!(kinds, ["erased"]);
        assert_eq!(left[0].event.tenant, "acme");
    }

    #[test]
    fn each_webhook_has_its_own_deliveries_and_a_removed_one_has_none() {
        let (engine, _) = engine();
        let webhooks = engine.webhooks();
        let first = webhooks.add("https://example.com/a").unwrap().id;
        webhooks.add("https://example.com/b").unwrap();
        assert_eq!(webhooks.add("https://example.com/b").unwrap_err().code(), 406);
        happen(&engine);
        let batches = webhooks.take_due(8, LEASE).unwrap();
        assert_eq!(batches.len(), 2);
        assert_ne!(batches[0].secret, batches[1].secret);
        let old = batches[0].secret.clone();
        assert!(webhooks.rotate(first).unwrap().is_some());
        assert!(webhooks.remove(first).unwrap());
        assert!(!webhooks.remove(first).unwrap());
        assert_eq!(webhooks.rotate(first).unwrap(), None);
        assert_eq!(webhooks.resend(first, None).unwrap(), 0);
        assert_eq!(webhooks.list().unwrap().len(), 1);
        assert_eq!(old.len(), SECRET_BYTES);
    }

    #[test]
    fn addresses_that_lead_nowhere_are_refused() {
        let (engine, _) = engine();
        let long = format!("https://example.com/{}", "x".repeat(URL_BYTES_MAX));
        for url in [
            "",
            "example.com",
            "ftp://example.com",
            "https://",
            "https:///x",
            "https://:80/",
            "https://user:secret@example.com/",
            "https://example.com/#top",
            "https://example.com/a b",
            "https://exämple.com/",
            "https://example.com/\r\nHost: x",
            long.as_str(),
        ] {
            let error = engine.webhooks().add(url).unwrap_err();
            assert_eq!(error.code(), 406, "{url}");
            assert!(!error.to_string().contains("secret@"), "{error}");
        }
        assert_eq!(engine.webhooks().list().unwrap(), []);
    }
}

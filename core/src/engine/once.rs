//! Administrative operations under an idempotency key: what each did, and what it answered, is kept
//! in its own transaction. A caller who got no answer asks again.

use std::fmt::Debug;
use std::hash::Hasher;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::admin_tx::AdminTx;
use super::administer::DURABLE;
use super::{Engine, Shared, check_key};
use crate::error::Error;
use crate::live::Hash128;
use crate::store::Done;

/// An operation that is to take effect once.
pub(super) struct Operation<'a> {
    name: &'static str,
    arguments: Encoded,
    key: Option<&'a str>,
}

impl<'a> Operation<'a> {
    pub(super) fn new(
        name: &'static str,
        key: Option<&'a str>,
        arguments: &(impl Debug + Serialize),
    ) -> Self {
        Operation { name, arguments: Encoded::new(arguments), key }
    }
}

/// All that an operation's outcome depends on, in texts that are never shown. Keys are kept for
/// ever, and so is each encoding: a new one is added beside those before it.
pub(super) struct Encoded {
    /// Encoding 2: JSON, by the names of fields. A field that is added is left out where it says
    /// what was always so.
    json: String,
    /// Encoding 1: how Rust shows the arguments. Nothing is stored under it any more.
    shown: String,
}

/// What the hash of encoding 2 begins with; encoding 1 had nothing there.
const ENCODING_2: &str = "encoding 2";

impl Encoded {
    pub(super) fn new(arguments: &(impl Debug + Serialize)) -> Encoded {
        // Maps have texts as keys and floats are not used: it cannot fail.
        let json = serde_json::to_string(arguments).unwrap_or_default();
        Encoded { json, shown: format!("{arguments:?}") }
    }
}

impl Shared {
    /// What distinguishes an operation from others that are done under a key.
    pub(super) fn fingerprint(&self, row: i64, name: &str, arguments: &Encoded) -> Hash128 {
        self.admin_hash(row, &[ENCODING_2, name, &arguments.json])
    }

    /// Whether it is what was done under a key, whichever encoding was in use then.
    pub(super) fn is_done(&self, done: &Done, row: i64, name: &str, arguments: &Encoded) -> bool {
        done.is_of(self.fingerprint(row, name, arguments))
            || done.is_of(self.admin_hash(row, &[name, &arguments.shown]))
    }
}

/// What an operation answered, and whether it did so before.
pub(super) struct Answer<T> {
    pub(super) value: T,
    pub(super) replayed: bool,
}

impl Engine {
    /// The same engine, whose administrative operations take effect at most once per tenant and
    /// `key`: the same key with the same arguments gives the answer that was kept and changes
    /// nothing; with others it is an error. An operation that failed may be tried again. Keys are
    /// kept for ever.
    ///
    /// Decisions have keys of their own, see [`Tenant::once`](crate::Tenant::once).
    #[must_use]
    pub fn once(&self, key: &str) -> Engine {
        Engine { key: Some(Arc::from(key)), ..self.clone() }
    }

    /// Changes a tenant, once under the operation's key or else this engine's.
    pub(super) fn change_once<T: Serialize + DeserializeOwned>(
        &self,
        tenant: &str,
        operation: &Operation<'_>,
        tx: impl FnOnce(&mut AdminTx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.answer_once(tenant, operation, tx).map(|answer| answer.value)
    }

    /// As [`change_once`](Self::change_once), saying whether it was done before.
    pub(super) fn answer_once<T: Serialize + DeserializeOwned>(
        &self,
        tenant: &str,
        operation: &Operation<'_>,
        tx: impl FnOnce(&mut AdminTx<'_>) -> Result<T, Error>,
    ) -> Result<Answer<T>, Error> {
        let key = operation.key.or(self.key.as_deref());
        key.map_or(Ok(()), |key| check_key("idempotency key", key))?;
        self.change(tenant, DURABLE, |under_way| {
            let Some(key) = key else {
                return tx(under_way).map(|value| Answer { value, replayed: false });
            };
            let row = under_way.loaded.row;
            let key = self.shared.admin_hash(row, &[key]);
            let Operation { name, arguments, .. } = operation;
            if let Some(done) = under_way.write.done_under(key)? {
                if !self.shared.is_done(&done, row, name, arguments) {
                    return Err(Error::IdempotencyConflict);
                }
                return replay(done.answer.as_deref());
            }
            let value = tx(under_way)?;
            let answer = serde_json::to_string(&value).map_err(|error| unkept(&error))?;
            let fingerprint = self.shared.fingerprint(row, name, arguments);
            under_way.write.keep_answer(key, fingerprint, under_way.now, &answer)?;
            Ok(Answer { value, replayed: false })
        })
    }
}

impl Shared {
    /// A keyed hash: neither keys nor arguments are stored.
    pub(super) fn admin_hash(&self, row: i64, parts: &[&str]) -> Hash128 {
        self.live.hash(|hasher| {
            hasher.write_u64(row as u64);
            for part in parts {
                hasher.write_u64(part.len() as u64);
                hasher.write(part.as_bytes());
            }
        })
    }
}

/// The answer that was kept; a database of before answers were kept has none.
fn replay<T: DeserializeOwned>(answer: Option<&str>) -> Result<Answer<T>, Error> {
    let value = serde_json::from_str(answer.unwrap_or("null")).map_err(|error| unkept(&error))?;
    Ok(Answer { value, replayed: true })
}

fn unkept(error: &serde_json::Error) -> Error {
    let why = format!("what the operation answered cannot be kept or given again: {error}");
    Error::InvalidArgument { what: "idempotency key", why }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::engine::{Extra, NewGrant, NewTenant, Terms};
    use crate::rules::Source;
    use crate::store::{Sync, Write};
    use crate::{Catalog, Limit, Maintenance};

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 6, day).expect("a date")
    }

    /// Both encodings are kept for ever: a change here makes stored keys conflict.
    #[test]
    fn encodings_are_what_they_always_were() {
        let terms = Terms::new("full", day(20), true);
        let extras = [Extra { resource: "sms", units: 5, expires_at: None }];
        let tenant = NewTenant { plan: Some(terms), extras: &extras, ..NewTenant::new("acme") };
        for (encoded, shown, json) in [
            (Encoded::new(&()), "()", "null"),
            (Encoded::new(&("sms_pack", 10_u64)), r#"("sms_pack", 10)"#, r#"["sms_pack",10]"#),
            (
                Encoded::new(&("sms", &NewGrant::new(Source::Extra, 5))),
                "(\"sms\", NewGrant { source: Extra, units: 5, priority: None, starts_at: None, \
                 expires_at: None })",
                concat!(
                    r#"["sms",{"source":"extra","units":5,"priority":null,"#,
                    r#""starts_at":null,"expires_at":null}]"#
                ),
            ),
            (
                Encoded::new(&terms),
                "Terms { plan: \"full\", first_due: 2026-06-20, auto_renew: true }",
                r#"{"plan":"full","first_due":"2026-06-20","anchor_day":null,"auto_renew":true}"#,
            ),
            (
                Encoded::new(&("sms", Some(Limit::Finite(3)))),
                "(\"sms\", Some(Finite(3)))",
                r#"["sms",{"finite":3}]"#,
            ),
            (Encoded::new(&(7_i64, Some(day(1)))), "(7, Some(2026-06-01))", r#"[7,"2026-06-01"]"#),
        ] {
            assert_eq!((&*encoded.shown, &*encoded.json), (shown, json));
        }
        let creation = Encoded::new(&tenant).json;
        let begins = r#"{"name":"acme","status":"active","time_zone":null,"created_at":null,"#;
        assert!(creation.starts_with(begins), "{creation}");
    }

    const CATALOG: &str = "[resources.sms]\nkind = \"allowance\"\n[plans.full]\ntitle = \"Full\"\n\
                           price = \"1.00\"\nlimits = { sms = 10 }\n";

    #[test]
    fn a_key_of_the_first_encoding_is_known_still() {
        let engine = Engine::in_memory().maintenance(Maintenance::External).open().expect("opens");
        let catalog = Catalog::parse(CATALOG, "c.toml").expect("is valid");
        engine.load_catalog(&catalog).expect("loads");
        engine.create_tenant(&NewTenant::new("acme")).expect("is created");
        let row = engine.row_of("acme").expect("exists");
        let shared = &engine.shared;
        let grant = NewGrant::new(Source::Extra, 5);
        let encoded = Encoded::new(&("sms", &grant));
        shared
            .store
            .with(|connection| {
                let mut write = Write::begin(connection, &shared.live, Sync::Full)?;
                let old = shared.admin_hash(row, &["grant", &encoded.shown]);
                write.keep_answer(shared.admin_hash(row, &["k"]), old, engine.now(), "null")?;
                write.commit()
            })
            .expect("is written");
        engine.grant_as("acme", "sms", &grant, Some("k")).expect("was done");
        let other = engine.grant_as("acme", "sms", &NewGrant::new(Source::Extra, 6), Some("k"));
        assert_eq!(other.expect_err("is another").code(), 407);
        assert_eq!(engine.report("acme").expect("reports").grants.len(), 0, "nothing was given");
        // What is written from now on is of the second.
        engine.grant_as("acme", "sms", &grant, Some("new")).expect("is given");
        engine.grant_as("acme", "sms", &grant, Some("new")).expect("was done");
        assert_eq!(engine.report("acme").expect("reports").grants.len(), 1);
    }
}

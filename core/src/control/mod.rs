//! The control plane, described once: every operation that administers, reads or maintains, with
//! its name, its arguments and its result as JSON. C, Python, the command line's `--json` and REST
//! call it by name; `docs/operations.md` is made of the same table.
//!
//! Decisions are not among the operations: they are typed calls, because a decision takes less time
//! than reading JSON.

mod arguments;
mod maintenance;
mod money;
mod plans;
mod reports;
mod tenants;
#[cfg(test)]
mod tests;
mod webhooks;

use serde::Serialize;
use serde_json::Value;

pub use arguments::{Argument, ArgumentType, Presence};

pub use crate::twice::twice;

use crate::engine::Engine;
use crate::error::Error;
use crate::form::FORMS_BYTES_MAX;
use crate::unknown::UnknownName;
use arguments::Arguments;

/// An operation of the control plane.
#[derive(Debug)]
pub struct Operation {
    /// Its name, the same in every language.
    pub name: &'static str,
    /// What it does, in a sentence or two.
    pub summary: &'static str,
    /// What it takes: the members of one JSON object.
    pub arguments: &'static [Argument],
    /// What its result is.
    pub result: &'static str,
    /// What it does to the database.
    pub effect: Effect,
    /// What it may wait for.
    pub blocks: Blocks,
    run: fn(&Engine, &Arguments<'_>) -> Result<Value, Error>,
}

/// What an operation does to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changes nothing.
    Reads,
    /// It changes something, and has the same effect when it is called again.
    Changes,
    /// It changes something, and takes effect once under an idempotency key.
    ChangesOnce,
    /// It writes a file of this machine: not to be offered to callers on another one.
    WritesFile,
}

/// What an operation may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    /// Nothing.
    Never,
    /// It reads SQLite.
    ReadsStore,
    /// It waits until other administrative changes are done.
    OtherChanges,
    /// It waits until its change is on the disk.
    Disk,
}

/// Every operation, by subject: tenants, plans, money, reports, webhooks, maintenance.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    subjects().into_iter().flat_map(|(_, operations)| operations)
}

/// The operations of each subject.
#[must_use]
pub fn subjects() -> [(&'static str, &'static [Operation]); 6] {
    [
        ("Tenants", tenants::OPERATIONS),
        ("Plans", plans::OPERATIONS),
        ("Money", money::OPERATIONS),
        ("Reports", reports::OPERATIONS),
        ("Webhooks", webhooks::OPERATIONS),
        ("Maintenance", maintenance::OPERATIONS),
    ]
}

/// The operation with this name.
pub fn operation(name: &str) -> Result<&'static Operation, Error> {
    operations().find(|it| it.name == name).ok_or_else(|| {
        let unknown = UnknownName::among(name, operations().map(|it| it.name));
        Error::InvalidArgument { what: "operation", why: format!("unknown operation {unknown}") }
    })
}

impl Operation {
    /// Whether it takes an idempotency key.
    #[must_use]
    pub fn takes_key(&self) -> bool {
        self.effect == Effect::ChangesOnce
    }

    fn check_key(&self, key: Option<&str>) -> Result<(), Error> {
        if key.is_none() || self.takes_key() {
            return Ok(());
        }
        let why = match self.effect {
            Effect::Reads => "changes nothing",
            _ => "has the same effect when it is called again",
        };
        let why = format!("{} takes none, because it {why}; leave the key out", self.name);
        Err(Error::InvalidArgument { what: "idempotency key", why })
    }
}

impl Engine {
    /// Calls an operation of the [control plane](crate::control) by its name, with its arguments as
    /// the members of a JSON object (`null`: it has none). With `key`, it takes effect at most once
    /// per tenant and key, as by [`once`](Self::once); an operation that takes no key refuses one.
    ///
    /// [`Operation::blocks`] says what it may wait for.
    ///
    /// ```
    /// # let engine = cotas::Engine::in_memory().open()?;
    /// let form = serde_json::json!({ "form": { "name": "padaria-aurora" } });
    /// engine.call("create_tenant", &form, Some("order-77"))?;
    /// let tenants = engine.call("tenants", &serde_json::Value::Null, None)?;
    /// assert_eq!(tenants, serde_json::json!(["padaria-aurora"]));
    /// # Ok::<(), cotas::Error>(())
    /// ```
    pub fn call(
        &self,
        operation: &str,
        arguments: &Value,
        key: Option<&str>,
    ) -> Result<Value, Error> {
        let operation = self::operation(operation)?;
        operation.check_key(key)?;
        let arguments = Arguments::of(operation, arguments)?;
        match key {
            None => (operation.run)(self, &arguments),
            Some(key) => (operation.run)(&self.once(key), &arguments),
        }
    }

    /// As [`call`](Self::call), from JSON text to JSON text. The empty text has no arguments; a
    /// member that stands twice in an object is refused, since either could be meant.
    pub fn call_json(
        &self,
        operation: &str,
        arguments: &str,
        key: Option<&str>,
    ) -> Result<String, Error> {
        let arguments = read(arguments)?;
        self.call(operation, &arguments, key).map(|result| result.to_string())
    }
}

/// Arguments from text; the empty text has none.
fn read(text: &str) -> Result<Value, Error> {
    let wrong = |why| Error::InvalidArgument { what: "arguments", why };
    if text.len() > FORMS_BYTES_MAX {
        let bytes = text.len();
        return Err(wrong(format!("{bytes} bytes; {FORMS_BYTES_MAX} at most are allowed")));
    }
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let arguments = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        wrong(format!("it is not JSON (line {line}, column {column}); it must be a JSON object"))
    })?;
    match twice(text.as_bytes()).first() {
        None => Ok(arguments),
        Some(key) => Err(wrong(format!("{key}: it is given twice"))),
    }
}

/// A result as JSON.
fn json(result: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(result)
        .map_err(|error| Error::InvalidArgument { what: "result", why: error.to_string() })
}

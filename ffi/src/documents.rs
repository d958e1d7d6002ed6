//! Reports, as JSON text in the caller's buffer.

use std::ffi::c_char;

use cotas_core::{Engine, Interval, Language, Role, Timestamp};
use serde::Serialize;

use crate::call::{Call, call};
use crate::engine::cotas_engine;
use crate::error::cotas_error;
use crate::failure::Failure;

/// A value as a JSON document.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::argument("document", format!("it cannot be written: {error}")))
}

impl Call {
    /// Writes what `report` gives of a tenant into the caller's buffer.
    fn report(
        &self,
        (engine, tenant, tenant_len): (*const cotas_engine, *const c_char, usize),
        (buffer, capacity, needed): (*mut c_char, usize, *mut usize),
        report: impl FnOnce(&Engine, &str) -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        self.put_text(buffer, capacity, needed, || {
            let engine = self.engine(engine)?;
            report(&engine.engine, self.text(tenant, tenant_len, "tenant")?)
        })
    }
}

fn role(code: &str) -> Result<Role, Failure> {
    let unknown = || Failure::argument("role", "agent, manager or administrator".to_owned());
    Role::from_code(code).ok_or_else(unknown)
}

fn language(code: &str) -> Result<Language, Failure> {
    match code {
        "en" => Ok(Language::English),
        "pt" => Ok(Language::Portuguese),
        _ => Err(Failure::argument("language", "en or pt".to_owned())),
    }
}

fn interval(code: &str) -> Result<Interval, Failure> {
    let unknown = || Failure::argument("interval", "hour, day or month".to_owned());
    Interval::from_code(code).ok_or_else(unknown)
}

/// An end of a span of time that is open where it is 0.
fn end(at_ms: i64) -> Option<Timestamp> {
    (at_ms != 0).then(|| Timestamp::from_ms(at_ms))
}

/// A tenant as it stands now, as a JSON document: status, subscription, balances by resource,
/// grants.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_report(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| json(&engine.report(tenant)?))
    })
}

/// What a tenant subscribed to, has left and owes ("Minha assinatura"), as a JSON document.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_statement(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| {
            json(&engine.statement(tenant)?.to_json())
        })
    })
}

/// As cotas_statement, as a page of text to read, in a language: "en" or "pt".
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_statement_page(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    language: *const c_char,
    language_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| {
            let language = self::language(call.text(language, language_len, "language")?)?;
            Ok(engine.statement(tenant)?.to_page(language))
        })
    })
}

/// What a tenant has left of what it uses up, as a JSON document.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_balances(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| {
            json(&engine.balances(tenant)?.to_json())
        })
    })
}

/// A tenant's plan, limits and current usage, as a JSON document (plan, status, max_...,
/// ..._enabled, usage). role says who asks: "agent", "manager" or "administrator"; an agent is
/// COTAS_E_ROLE_TOO_LOW.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_plan_report(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    role: *const c_char,
    role_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| {
            let role = self::role(call.text(role, role_len, "role")?)?;
            json(&engine.plan_report(tenant, role)?.to_json())
        })
    })
}

/// The channels of a tenant, as a JSON document: who holds a seat of a resource or of one within
/// it, the next due date, and what will be charged then.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_channels(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    resource: *const c_char,
    resource_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| {
            let resource = call.text(resource, resource_len, "resource")?;
            json(&engine.channels(tenant, resource)?.to_json())
        })
    })
}

/// The subscriptions of a tenant, the latest first, as a JSON document.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_subscriptions(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| {
            json(&engine.subscriptions(tenant)?)
        })
    })
}

/// The closed periods of a tenant, oldest first, as a JSON document.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_periods(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| json(&engine.periods(tenant)?))
    })
}

/// The invoices of a tenant, by due date, as a JSON document.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_invoices(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| {
            json(&engine.invoices(tenant)?)
        })
    })
}

/// Whose account a tenant is, as a JSON document; null: nobody said so. It is personal.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_profile(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| json(&engine.profile(tenant)?))
    })
}

/// What of a tenant's seats, leases and meters would be over its limit on another plan, as a JSON
/// document: [{"resource", "used", "limit"}].
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_what_if(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    plan: *const c_char,
    plan_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| {
            let plan = call.text(plan, plan_len, "plan")?;
            json(&engine.what_if(tenant, plan)?)
        })
    })
}

/// The usage of a tenant by "hour", "day" or "month" of its zone, as a JSON document: of the hours
/// that begin from from_ms on and before to_ms (0: open).
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_usage(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    interval: *const c_char,
    interval_len: usize,
    from_ms: i64,
    to_ms: i64,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| {
            let interval = self::interval(call.text(interval, interval_len, "interval")?)?;
            json(&engine.usage_by(tenant, interval, end(from_ms), end(to_ms))?.to_json())
        })
    })
}

/// The names of all tenants, sorted, as a JSON document.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_tenants(
    engine: *const cotas_engine,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || json(&call.engine(engine)?.engine.tenants()?))
    })
}

/// The catalog in force, as a JSON document: {"version", "catalog"}.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_catalog(
    engine: *const cotas_engine,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let (version, catalog) = call.engine(engine)?.engine.catalog()?;
            json(&serde_json::json!({ "version": version, "catalog": catalog }))
        })
    })
}

/// Events after the one with the number after (0: from the first), at most max (1 to 10,000),
/// oldest first, as a JSON document. They stay until cotas_acknowledge_events.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_events(
    engine: *const cotas_engine,
    after: u64,
    max: u32,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            json(&call.engine(engine)?.engine.events(after, max)?)
        })
    })
}

/// How the live file was found when this process opened it, as a JSON document: {"origin"
/// ("adopted", "joined" or "rebuilt"), "why", "may_miss_consumption"}.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_opening(
    engine: *const cotas_engine,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || json(call.engine(engine)?.engine.opening()))
    })
}

/// Whether the books add up, as a JSON document: [{"tenant", "what"}], empty where they do. It
/// looks at every tenant.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_verify(
    engine: *const cotas_engine,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || json(&call.engine(engine)?.engine.verify()?))
    })
}

/// The latest administrative changes, at most max (1 to 10,000), the latest first, as a JSON
/// document: of a tenant, or of all (NULL). [{"id", "at", "tenant", "what", "detail"}].
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_audit_trail(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    max: u32,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let engine = call.engine(engine)?;
            let tenant = call.text_or_none(tenant, tenant_len, "tenant")?;
            json(&engine.engine.audit_trail(tenant, max)?)
        })
    })
}

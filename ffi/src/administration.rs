//! Administration: everything that changes what a tenant may do. Each call is one transaction that
//! survives a power cut, and is seen by every process at its next decision.

use std::ffi::c_char;

use cotas_core::catalog::Feature;
use cotas_core::{Limit, NewGrant, Source, Status, Timestamp, UnknownName};

use crate::call::call;
use crate::code::cotas_code;
use crate::engine::cotas_engine;
use crate::error::cotas_error;
use crate::failure::Failure;

/// The value with a code, as documents have it.
pub(crate) fn coded<T: Copy>(
    what: &'static str,
    text: &str,
    all: &[T],
    code: impl Fn(T) -> &'static str,
) -> Result<T, Failure> {
    all.iter().copied().find(|&value| code(value) == text).ok_or_else(|| {
        let unknown = UnknownName::among(text, all.iter().map(|&value| code(value)));
        Failure::new(cotas_code::COTAS_E_INVALID_ARGUMENT, format!("unknown {what} {unknown}"))
    })
}

/// A date such as 2026-05-20.
pub(crate) fn date(text: &str, what: &'static str) -> Result<chrono::NaiveDate, Failure> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(64).collect();
        Failure::argument(what, format!("{shown:?} is not a date (expected YYYY-MM-DD)"))
    })
}

/// An instant that need not be: 0 is none.
pub(crate) fn instant(at_ms: i64) -> Option<Timestamp> {
    (at_ms != 0).then(|| Timestamp::from_ms(at_ms))
}

fn limit(text: &str) -> Result<Limit, Failure> {
    match text {
        "unlimited" => Ok(Limit::Unlimited),
        "disabled" => Ok(Limit::Disabled),
        units => units.parse().map(Limit::Finite).map_err(|_| {
            let shown: String = units.chars().take(64).collect();
            let allowed = "unlimited, disabled or a whole number of units";
            Failure::argument("limit", format!("{shown:?} is not a limit (expected {allowed})"))
        }),
    }
}

/// Gives a tenant units on top of its plan's, which survive renewal: from starts_at_ms (0: now)
/// until expires_at_ms (0: when they are used up). source says why: "extra", "package" or "manual".
/// Lower priorities are used first: the plan's units have 0, extras usually 10; from -1,000 to
/// 1,000. Under a key (NULL: none) it takes effect once.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_grant(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    resource: *const c_char,
    resource_len: usize,
    source: *const c_char,
    source_len: usize,
    units: u64,
    priority: i64,
    starts_at_ms: i64,
    expires_at_ms: i64,
    key: *const c_char,
    key_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        let resource = call.text(resource, resource_len, "resource")?;
        let source = call.text(source, source_len, "source")?;
        let source = coded("source", source, &Source::ALL, Source::code)?;
        let new = NewGrant {
            priority: Some(priority),
            starts_at: instant(starts_at_ms),
            expires_at: instant(expires_at_ms),
            ..NewGrant::new(source, units)
        };
        let key = call.text_or_none(key, key_len, "key")?;
        Ok(engine.engine.grant_as(tenant, resource, &new, key)?)
    })
}

/// Changes the number of a tenant's plan for a resource: limit is a number, "unlimited" or
/// "disabled". Lowering takes back only units of the plan that are not used; extras stay.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_set_limit(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    resource: *const c_char,
    resource_len: usize,
    limit: *const c_char,
    limit_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        let resource = call.text(resource, resource_len, "resource")?;
        let limit = self::limit(call.text(limit, limit_len, "limit")?)?;
        Ok(engine.engine.set_limit(tenant, resource, limit)?)
    })
}

/// Moves a tenant to another status: "demo", "onboarding", "active", "past_due", "suspended" or
/// "cancelled", for a reason. A move that the rules do not have is COTAS_E_TRANSITION, unless
/// as_operator is 1; it is audited then.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_set_status(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    status: *const c_char,
    status_len: usize,
    reason: *const c_char,
    reason_len: usize,
    as_operator: i32,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        let status = call.text(status, status_len, "status")?;
        let status = coded("status", status, &Status::ALL, Status::code)?;
        let reason = call.text(reason, reason_len, "reason")?;
        Ok(engine.engine.set_status(tenant, status, reason, as_operator != 0)?)
    })
}

/// Gives a tenant a feature of its own, whatever its plan says: feature_json is true, false, or a
/// level as JSON text ("full"); NULL: as its plan says.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_set_feature(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    name: *const c_char,
    name_len: usize,
    feature_json: *const c_char,
    feature_json_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        let name = call.text(name, name_len, "feature")?;
        let feature = call.text_or_none(feature_json, feature_json_len, "feature")?;
        let feature = feature.map(Feature::parse).transpose()?;
        Ok(engine.engine.set_feature(tenant, name, feature.as_ref())?)
    })
}

/// Settles a tenant at the clock's now: what its next decision would do first.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_settle(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        Ok(engine.engine.settle(call.text(tenant, tenant_len, "tenant")?)?)
    })
}

/// Believes a clock that shows more than 400 days past all that the tenant has seen
/// (COTAS_E_CLOCK_JUMP), and settles it there.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_confirm_clock(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        Ok(engine.engine.confirm_clock(call.text(tenant, tenant_len, "tenant")?)?)
    })
}

/// Gives a tenant a limit of its own, whatever plan it is on or joins later: limit as in
/// cotas_set_limit; NULL: as its plan says.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_set_own_limit(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    resource: *const c_char,
    resource_len: usize,
    limit: *const c_char,
    limit_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        let resource = call.text(resource, resource_len, "resource")?;
        let limit = call.text_or_none(limit, limit_len, "limit")?.map(self::limit).transpose()?;
        Ok(engine.engine.set_own_limit(tenant, resource, limit)?)
    })
}

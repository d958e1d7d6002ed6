//! Reports: what a tenant has and what is left of it, to be shown to people.

use std::ffi::c_char;

use cotas_core::{Language, Role};

use crate::administration::coded;
use crate::call::call;
use crate::documents::json;
use crate::engine::cotas_engine;
use crate::error::cotas_error;
use crate::failure::Failure;

fn role(code: &str) -> Result<Role, Failure> {
    coded("role", code, &Role::ALL, Role::code)
}

fn language(code: &str) -> Result<Language, Failure> {
    coded("language", code, &Language::ALL, Language::code)
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

/// As cotas_balances, as a page of text to read, in a language: "en" or "pt".
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_balances_page(
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
            Ok(engine.balances(tenant)?.to_page(language))
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

/// As cotas_plan_report, as a page of text to read, in a language: "en" or "pt".
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_plan_report_page(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    role: *const c_char,
    role_len: usize,
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
            let role = self::role(call.text(role, role_len, "role")?)?;
            let language = self::language(call.text(language, language_len, "language")?)?;
            Ok(engine.plan_report(tenant, role)?.to_page(language))
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

/// As cotas_channels, as a page of text to read, in a language: "en" or "pt".
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_channels_page(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    resource: *const c_char,
    resource_len: usize,
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
            let resource = call.text(resource, resource_len, "resource")?;
            let language = self::language(call.text(language, language_len, "language")?)?;
            Ok(engine.channels(tenant, resource)?.to_page(language))
        })
    })
}

//! Tenants: creating them, and handles for many calls.

use std::ffi::c_char;
use std::time::Duration;

use cotas_core::{Engine, LIFETIME_MS_MAX, Once, Tenant, TenantForm};

use crate::call::{self, Call, call};
use crate::engine::cotas_engine;
use crate::error::cotas_error;
use crate::failure::Failure;
use crate::table::{Handled, Object, Used};

/// A tenant, found once and used many times. It stays valid over changes of plan and of the
/// catalog.
///
/// Threads: any, also at once. Fork: as cotas_engine. Made by cotas_tenant_open; closed by
/// cotas_tenant_close. It keeps its database open, also when the engine that it was opened from is
/// closed.
pub struct cotas_tenant {
    _opaque: [u8; 0],
}

/// What a `cotas_tenant` names.
pub(crate) struct TenantHandle {
    pub(crate) tenant: Tenant,
    /// What it was opened from.
    pub(crate) engine: Engine,
    /// How long its idempotency keys are kept, where that was said.
    key_lifetime: Option<Duration>,
}

impl TenantHandle {
    /// The tenant's operations under a key.
    #[inline]
    pub(crate) fn once<'a>(&'a self, key: &'a str) -> Once<'a> {
        let once = self.tenant.once(key);
        self.key_lifetime.map_or(once, |lifetime| once.kept_for(lifetime))
    }
}

impl Handled for TenantHandle {
    const NAME: &'static str = "cotas_tenant";

    #[inline]
    fn of(object: &Object) -> Option<&TenantHandle> {
        match object {
            Object::Tenant(tenant) => Some(tenant),
            _ => None,
        }
    }
}

impl Call {
    /// The tenant that a handle names.
    #[inline]
    pub(crate) fn tenant(
        &self,
        handle: *const cotas_tenant,
    ) -> Result<Used<TenantHandle>, Failure> {
        self.get(handle)
    }
}

/// Creates a tenant, with its plan, extras, account holder, limits and features, as a JSON document
/// says them (docs/c-api.md): all or nothing. *created, unless NULL, becomes 1, or 0 if there is a
/// tenant of that name already, which is left as it is and is no error.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_ensure_tenant(
    engine: *const cotas_engine,
    json: *const c_char,
    json_len: usize,
    created: *mut i32,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(created, 0);
        let engine = call.engine(engine)?;
        let form = TenantForm::parse(call.text(json, json_len, "tenant document")?)?;
        call.put(created, form.with(|new| engine.engine.ensure_tenant(new))?.into());
        Ok(())
    })
}

/// As cotas_ensure_tenant, for a JSON list of such documents, of at most 64 MiB: many in one
/// transaction, which is how thousands are imported. *created, unless NULL, becomes how many were
/// not there already. Where it fails some may have been created: calling it again goes on.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_ensure_tenants(
    engine: *const cotas_engine,
    json: *const c_char,
    json_len: usize,
    created: *mut u64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(created, 0);
        let engine = call.engine(engine)?;
        let forms = TenantForm::parse_all(call.text(json, json_len, "tenant documents")?)?;
        let made = TenantForm::with_all(&forms, |all| engine.engine.ensure_tenants(all))?;
        call.put(created, made as u64);
        Ok(())
    })
}

/// As cotas_ensure_tenant, but a tenant that exists already is COTAS_E_TENANT_EXISTS.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_create_tenant(
    engine: *const cotas_engine,
    json: *const c_char,
    json_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let form = TenantForm::parse(call.text(json, json_len, "tenant document")?)?;
        Ok(form.with(|new| engine.engine.create_tenant(new))?)
    })
}

/// Registers an account, for hosts that do not keep their own users: as cotas_create_tenant, but
/// the holder is mandatory, and with it the administrator, who becomes the first user and takes a
/// seat. COTAS_E_INVALID_FORM names every field that is wrong.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_register(
    engine: *const cotas_engine,
    json: *const c_char,
    json_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        engine.engine.register_form(call.text(json, json_len, "account document")?)?;
        Ok(())
    })
}

/// Looks at the document of an account as cotas_register would, and changes nothing: a JSON
/// document with "problems", a list of {"field", "code", "message"} of everything that is wrong at
/// once, and "summary", what would be created, or null.
///
/// Threads: any. Blocks: waits for other administrative changes. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_validate(
    engine: *const cotas_engine,
    json: *const c_char,
    json_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let engine = call.engine(engine)?;
            let form = call.text(json, json_len, "account document")?;
            crate::documents::json(&engine.engine.validate_form(form)?)
        })
    })
}

/// Erases a cancelled tenant: account holder, contacts, keys, seats, tokens, usage and free text
/// are deleted at once, and its name is free again; only what its invoices say is kept, as long as
/// the catalog's fiscal_retention says. One that owes something is COTAS_E_OWES, unless cancel_debt
/// is
/// 1: then its open invoices are cancelled.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_erase(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    cancel_debt: i32,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        engine.engine.erase(call.text(tenant, tenant_len, "tenant")?, cancel_debt != 0)?;
        Ok(())
    })
}

/// What is kept of erased tenants, as a JSON list: those of one name, or all (tenant is NULL). It
/// is personal.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_erased_accounts(
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
        call.put_text(buffer, capacity, needed, || {
            let engine = call.engine(engine)?;
            let tenant = call.text_or_none(tenant, tenant_len, "tenant")?;
            crate::documents::json(&engine.engine.erased_accounts(tenant)?)
        })
    })
}

/// Everything that is stored of a tenant, for it to take along: one JSON document a line, each with
/// "kind" and "data". It is personal.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_export(
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
        call.report(of, (buffer, capacity, needed), |engine, tenant| Ok(engine.export(tenant)?))
    })
}

/// Finds a tenant by its name. *tenant is NULL unless it returns COTAS_OK.
///
/// Threads: any. Blocks: only where a process died while it was changing this tenant. Fork: as
/// cotas_engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_tenant_open(
    engine: *const cotas_engine,
    name: *const c_char,
    name_len: usize,
    tenant: *mut *mut cotas_tenant,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.open(tenant, || {
            let engine = call.engine(engine)?;
            let tenant = engine.engine.tenant(call.text(name, name_len, "tenant")?)?;
            let engine = engine.engine.clone();
            Ok(Object::Tenant(TenantHandle { tenant, engine, key_lifetime: None }))
        })
    })
}

/// Gives another handle to the same tenant, whose calls under an idempotency key keep it for
/// lifetime_ms milliseconds (1 to 400 days) instead of 7 days. Close both.
///
/// Threads: any. Blocks: never. Fork: as cotas_engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_tenant_with_key_lifetime(
    tenant: *const cotas_tenant,
    lifetime_ms: u64,
    other: *mut *mut cotas_tenant,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.open(other, || {
            let from = call.tenant(tenant)?;
            if !(1..=LIFETIME_MS_MAX as u64).contains(&lifetime_ms) {
                let why = format!("{lifetime_ms} ms is not between 1 ms and 400 days");
                return Err(Failure::argument("lifetime", why));
            }
            Ok(Object::Tenant(TenantHandle {
                tenant: from.tenant.clone(),
                engine: from.engine.clone(),
                key_lifetime: Some(Duration::from_millis(lifetime_ms)),
            }))
        })
    })
}

/// Closes a tenant's handle; the tenant stays. NULL is no error, and does nothing.
///
/// Threads: any; calls that are using it are finished first, by their own threads. Blocks: the last
/// handle of a database writes what is not in SQLite yet, unless the engine is kept open. Fork:
/// closes this process's only.
#[unsafe(no_mangle)]
pub extern "C" fn cotas_tenant_close(tenant: *mut cotas_tenant) -> i32 {
    call::close::<TenantHandle, _>(tenant)
}

//! Tenants: creating them, and handles for many calls.

use std::ffi::c_char;
use std::time::Duration;

use cotas_core::{Engine, LIFETIME_MS_MAX, Once, Tenant};

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

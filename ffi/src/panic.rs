//! For the tests of the boundary alone: the feature `test-panic` is never on in production.

use crate::call::call;
use crate::error::cotas_error;
use crate::tenant::cotas_tenant;

/// Panics inside a call that uses a tenant's handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_test_panic(
    tenant: *const cotas_tenant,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let tenant = call.tenant(tenant)?;
        panic!("as a test, with {}", tenant.tenant.name().len());
    })
}

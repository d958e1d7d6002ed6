//! Plans: joining one now, when it is paid, or when the period ends.

use std::ffi::c_char;

use cotas_core::billing::PaymentMethod;
use cotas_core::{Engine, Terms};

use crate::administration::{coded, date};
use crate::call::{Call, call};
use crate::documents::json;
use crate::engine::cotas_engine;
use crate::error::cotas_error;
use crate::failure::Failure;

impl Call {
    /// A plan, and until when and how it goes; a negative `auto_renew`: as now.
    pub(crate) fn terms(
        &self,
        (engine, tenant): (&Engine, &str),
        plan: (*const c_char, usize),
        first_due: (*const c_char, usize),
        auto_renew: i32,
    ) -> Result<Terms<'_>, Failure> {
        let first_due = self.text(first_due.0, first_due.1, "first due date")?;
        let auto_renew = match auto_renew {
            ..0 => engine.report(tenant)?.subscription.is_some_and(|present| present.auto_renew),
            given => given != 0,
        };
        Ok(Terms {
            plan: self.text(plan.0, plan.1, "plan")?,
            first_due: date(first_due, "first due date")?,
            auto_renew,
        })
    }
}

/// Puts a tenant on a plan now: the period ends, is billed in full, and a new one begins with the
/// plan's units; extras stay. For operators: a customer's own page calls cotas_choose_plan, and
/// cotas_carry_plan leaves the period alone. first_due is a date, YYYY-MM-DD, whose day is the day
/// of all later ones; auto_renew (1 or 0) says whether units are restored the day after each; -1:
/// as now. Under a key (NULL: none) it takes effect once.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_change_plan(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    plan: *const c_char,
    plan_len: usize,
    first_due: *const c_char,
    first_due_len: usize,
    auto_renew: i32,
    key: *const c_char,
    key_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        let of = (&engine.engine, tenant);
        let terms = call.terms(of, (plan, plan_len), (first_due, first_due_len), auto_renew)?;
        Ok(engine.engine.change_plan(tenant, &terms, call.text_or_none(key, key_len, "key")?)?)
    })
}

/// Chooses another plan that begins when its first invoice is paid; until then the present one goes
/// on. *invoice, unless NULL, becomes the number of that invoice; 0: the plan costs nothing and has
/// begun. Arguments as in cotas_change_plan; payment_type is an opaque label ("Manual", "Asaas"
/// ...).
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_choose_plan(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    plan: *const c_char,
    plan_len: usize,
    first_due: *const c_char,
    first_due_len: usize,
    auto_renew: i32,
    payment_type: *const c_char,
    payment_type_len: usize,
    key: *const c_char,
    key_len: usize,
    invoice: *mut i64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(invoice, 0);
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        let of = (&engine.engine, tenant);
        let terms = call.terms(of, (plan, plan_len), (first_due, first_due_len), auto_renew)?;
        let payment_type = call.text(payment_type, payment_type_len, "payment type")?;
        let key = call.text_or_none(key, key_len, "key")?;
        let chosen = engine.engine.choose_plan(tenant, &terms, payment_type, key)?;
        call.put(invoice, chosen.unwrap_or(0));
        Ok::<(), Failure>(())
    })
}

/// Switches automatic renewal of a tenant's subscription on (1) or off (0); the present period goes
/// on to its end. *changed, unless NULL, becomes 1, or 0 if it was so already.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_set_auto_renew(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    auto_renew: i32,
    changed: *mut i32,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(changed, 0);
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        call.put(changed, engine.engine.set_auto_renew(tenant, auto_renew != 0)?.into());
        Ok::<(), Failure>(())
    })
}

/// Sets the due date of the period that follows the present one, YYYY-MM-DD: later than the present
/// due date, at most two periods after it. Its day is the day of all later ones. *amount_cents,
/// unless NULL, becomes what that period costs: one full price. Under a key (NULL: none) it takes
/// effect once.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_set_due_date(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    next_due: *const c_char,
    next_due_len: usize,
    key: *const c_char,
    key_len: usize,
    amount_cents: *mut i64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(amount_cents, 0);
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        let next_due = date(call.text(next_due, next_due_len, "due date")?, "due date")?;
        let key = call.text_or_none(key, key_len, "key")?;
        let next = engine.engine.set_due_date(tenant, next_due, key)?;
        call.put(amount_cents, next.amount.get());
        Ok::<(), Failure>(())
    })
}

/// Pauses a tenant's subscription when its running period ends: no units, periods or invoices until
/// cotas_resume_subscription; decisions are denied for COTAS_REASON_PAUSED.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_pause_subscription(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        Ok(engine.engine.pause_subscription(tenant).map(|_| ())?)
    })
}

/// Resumes a subscription that pauses: a period begins now, due on first_due (YYYY-MM-DD; NULL: on
/// the same day of the month one period later). Before its running period has ended, that goes on,
/// and first_due must be NULL.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_resume_subscription(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    first_due: *const c_char,
    first_due_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        let first_due = call.text_or_none(first_due, first_due_len, "first due date")?;
        let first_due = first_due.map(|day| date(day, "first due date")).transpose()?;
        Ok(engine.engine.resume_subscription(tenant, first_due).map(|_| ())?)
    })
}

/// Has a tenant join another plan when its present period ends. Under a key (NULL: none) it takes
/// effect once.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_schedule_plan(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    plan: *const c_char,
    plan_len: usize,
    key: *const c_char,
    key_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        let plan = call.text(plan, plan_len, "plan")?;
        engine.engine.schedule_plan(tenant, plan, call.text_or_none(key, key_len, "key")?)?;
        Ok(())
    })
}

/// Takes back what cotas_schedule_plan did: the present plan goes on. *cancelled, unless NULL,
/// becomes 1, or 0 if no plan was scheduled.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_cancel_scheduled_plan(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    cancelled: *mut i32,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(cancelled, 0);
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        call.put(cancelled, engine.engine.cancel_scheduled_plan(tenant)?.into());
        Ok::<(), Failure>(())
    })
}

/// Moves a tenant to its plan as the catalog in force has it: until then it keeps the version that
/// it joined. *moved, unless NULL, becomes 1, or 0 if it was on that version already.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_move_to_newest_version(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    moved: *mut i32,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(moved, 0);
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        call.put(moved, engine.engine.move_to_newest_version(tenant)?.into());
        Ok::<(), Failure>(())
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

/// Changes how the next invoices of a tenant are paid, and what the gateway calls the subscription
/// (gateway_id; NULL: nothing).
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_set_payment_form(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    payment_type: *const c_char,
    payment_type_len: usize,
    gateway_id: *const c_char,
    gateway_id_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        let payment_type = call.text(payment_type, payment_type_len, "payment type")?;
        let gateway_id = call.text_or_none(gateway_id, gateway_id_len, "gateway id")?;
        Ok(engine.engine.set_payment_form(tenant, payment_type, gateway_id)?)
    })
}

/// Changes how the next invoices of a tenant are paid at the gateway: "boleto", "card", "pix",
/// "cash", "transfer" or "other". Invoices that exist and are not paid follow.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_set_payment_method(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    method: *const c_char,
    method_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        let method = call.text(method, method_len, "payment method")?;
        let method = coded("payment method", method, &PaymentMethod::ALL, PaymentMethod::code)?;
        Ok(engine.engine.set_payment_method(tenant, method)?)
    })
}

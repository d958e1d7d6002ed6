//! Invoices and prices that an operator writes, and what a change of plan would cost.

use std::ffi::c_char;

use cotas_core::billing::Cents;
use cotas_core::{InvoiceLineForm, PlanChange};

use crate::administration::date;
use crate::call::call;
use crate::documents::json;
use crate::engine::cotas_engine;
use crate::error::cotas_error;
use crate::failure::Failure;

/// Puts a tenant on a plan now and leaves period, due date and usage as they are: only limits and
/// features change. In arrears the period is billed once, at the highest price in force during it;
/// in advance an upgrade bills the difference in full today. Under a key (NULL: none) it takes
/// effect once.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_carry_plan(
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
        Ok(engine.engine.carry_plan(tenant, plan, call.text_or_none(key, key_len, "key")?)?)
    })
}

/// What a change of plan would cost, as a JSON document: {"billing", "due_now_cents", "invoices":
/// [{"due", "amount_cents", "currency", "lines"}], "withdrawn": [numbers]}. Changes nothing. Of
/// cotas_change_plan with the same first_due and auto_renew; with first_due NULL of
/// cotas_carry_plan.
///
/// Threads: any. Blocks: waits for other changes. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_quote_plan_change(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    plan: *const c_char,
    plan_len: usize,
    first_due: *const c_char,
    first_due_len: usize,
    auto_renew: i32,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let of = (engine, tenant, tenant_len);
        call.report(of, (buffer, capacity, needed), |engine, tenant| {
            let begins = call.text_or_none(first_due, first_due_len, "first due date")?.is_some();
            let change = if begins {
                let (plan, first_due) = ((plan, plan_len), (first_due, first_due_len));
                PlanChange::Restart(call.terms((engine, tenant), plan, first_due, auto_renew)?)
            } else {
                PlanChange::Carry { plan: call.text(plan, plan_len, "plan")? }
            };
            json(&engine.quote_plan_change(tenant, &change)?)
        })
    })
}

/// Gives a tenant a price of its own for a period of a plan, in cents; a negative one: as the
/// catalog says. It holds at once on invoices that are not due yet and have no charge.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_set_own_price(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    plan: *const c_char,
    plan_len: usize,
    price_cents: i64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let tenant = call.text(tenant, tenant_len, "tenant")?;
        let plan = call.text(plan, plan_len, "plan")?;
        let own = (price_cents >= 0).then(|| Cents::new(price_cents)).transpose();
        let own = own.map_err(|error| Failure::argument("price", error.to_string()))?;
        Ok(engine.engine.set_own_price(tenant, plan, own)?)
    })
}

/// Writes an invoice manually, due on a day YYYY-MM-DD, today or later. lines_json is a JSON
/// document of 1 to 100 lines: [{"title", "amount_cents", "from", "to"}]; the days that a line pays
/// may be left out. *invoice, unless NULL, becomes its number. Under a key (NULL: none) it takes
/// effect once.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_create_invoice(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    due: *const c_char,
    due_len: usize,
    lines_json: *const c_char,
    lines_json_len: usize,
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
        let due = date(call.text(due, due_len, "due date")?, "due date")?;
        let lines = call.text(lines_json, lines_json_len, "invoice lines")?;
        let lines = InvoiceLineForm::parse_all(lines)?;
        let lines: Vec<_> = lines.iter().map(InvoiceLineForm::line).collect();
        let key = call.text_or_none(key, key_len, "key")?;
        call.put(invoice, engine.engine.create_invoice(tenant, due, &lines, key)?);
        Ok::<(), Failure>(())
    })
}

/// Adds a line to an invoice, as in cotas_create_invoice: {"title", "amount_cents", "from", "to"}.
/// Where the invoice has a charge already, or is paid, the line goes to a further one with the same
/// due date. *number, unless NULL, becomes that of the invoice that has it. Under a key (NULL:
/// none) it takes effect once.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_add_invoice_line(
    engine: *const cotas_engine,
    invoice: i64,
    line_json: *const c_char,
    line_json_len: usize,
    key: *const c_char,
    key_len: usize,
    number: *mut i64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(number, 0);
        let engine = call.engine(engine)?;
        let line = call.text(line_json, line_json_len, "invoice line")?;
        let line = InvoiceLineForm::parse(line)?;
        let key = call.text_or_none(key, key_len, "key")?;
        call.put(number, engine.engine.add_invoice_line(invoice, &line.line(), key)?);
        Ok::<(), Failure>(())
    })
}

/// The invoice that will be written when the running period ends, as a JSON document: {"due",
/// "amount_cents", "currency", "lines"}; null: there is none.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_preview_invoice(
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
            json(&engine.preview_invoice(tenant)?)
        })
    })
}

//! Money: packages, invoices, payment events.

use std::ffi::c_char;

use cotas_core::billing::{DocumentType, Gateway, PaymentEvent};
use cotas_core::{IgnoredBecause, InvoiceStatus, PaymentOutcome, Purchase};

use crate::administration::{coded, date};
use crate::call::{Call, call};
use crate::documents::json;
use crate::engine::cotas_engine;
use crate::error::cotas_error;
use crate::failure::Failure;
use crate::pointers::Sized32;

/// What came of a payment event.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum cotas_outcome {
    /// It was applied to the invoice.
    COTAS_OUTCOME_APPLIED = 1,
    /// It was seen before.
    COTAS_OUTCOME_DUPLICATE = 2,
    /// Acknowledge it: it reports something that has no effect on quotas.
    COTAS_OUTCOME_UNKNOWN_EVENT = 3,
    /// Acknowledge it: no invoice is known for that charge, and no money came.
    COTAS_OUTCOME_UNKNOWN_PAYMENT = 4,
    /// Acknowledge it: the invoice stands that way already, or cannot any more.
    COTAS_OUTCOME_NOTHING_TO_DO = 5,
    /// The token is wrong: nothing was read, nothing was changed.
    COTAS_OUTCOME_REFUSED = 6,
    /// The gateway charges no more: the subscription ends with its period.
    COTAS_OUTCOME_SUBSCRIPTION_ENDED = 7,
    /// Acknowledge it: the money pays nothing yet. It is kept, and listed by
    /// cotas_unmatched_payments.
    COTAS_OUTCOME_UNMATCHED = 8,
    /// Acknowledge it: the invoice had been paid by another charge. The payment is kept and listed.
    COTAS_OUTCOME_PAID_AGAIN = 9,
}

/// How an invoice stands.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum cotas_invoice_status {
    /// The outcome is about no invoice.
    COTAS_INVOICE_NONE = 0,
    /// It waits to be paid.
    COTAS_INVOICE_PENDING = 1,
    /// It is paid.
    COTAS_INVOICE_PAID = 2,
    /// Its due date has passed.
    COTAS_INVOICE_OVERDUE = 3,
    /// It will not be paid any more.
    COTAS_INVOICE_CANCELLED = 4,
    /// It was paid, and taken back.
    COTAS_INVOICE_REFUNDED = 5,
}

/// What came of a payment event. The caller's own; set struct_size to sizeof(cotas_payment) before
/// the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cotas_payment {
    /// sizeof(cotas_payment), set by the caller.
    pub struct_size: u32,
    /// What came of it: a cotas_outcome.
    pub outcome: i32,
    /// The number of the invoice that it was applied to; 0: none.
    pub invoice: i64,
    /// The number of the subscription that ends; 0: none.
    pub subscription: i64,
    /// How the invoice stands now: a cotas_invoice_status.
    pub invoice_status: i32,
    /// 0.
    pub reserved: u32,
}

/// What a purchase comes to. The caller's own; set struct_size to sizeof(cotas_purchase) before the
/// call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cotas_purchase {
    /// sizeof(cotas_purchase), set by the caller.
    pub struct_size: u32,
    /// 1: it was bought under the same key before, and nothing was changed.
    pub replayed: u32,
    /// The number of the invoice that is due at once, in full: nothing is prorated.
    pub invoice: i64,
    /// Its amount in cents.
    pub amount_cents: i64,
    /// All that will be charged on the next due date, in cents.
    pub next_total_cents: i64,
    /// When it is charged again, in full, as YYYY-MM-DD, ended by NUL. Empty: never.
    pub next_due: [c_char; 16],
}

// SAFETY: `repr(C)`, a `u32` first, numbers.
unsafe impl Sized32 for cotas_payment {
    const FIRST_BYTES: u32 = 32;
}

// SAFETY: `repr(C)`, a `u32` first, numbers and bytes.
unsafe impl Sized32 for cotas_purchase {
    const FIRST_BYTES: u32 = 48;
}

impl cotas_payment {
    fn of(outcome: &PaymentOutcome) -> cotas_payment {
        let mut payment = cotas_payment {
            struct_size: 0,
            outcome: number(outcome) as i32,
            invoice: 0,
            subscription: 0,
            invoice_status: cotas_invoice_status::COTAS_INVOICE_NONE as i32,
            reserved: 0,
        };
        match *outcome {
            PaymentOutcome::Applied { invoice, status } => {
                payment.invoice = invoice;
                payment.invoice_status = invoice_status(status) as i32;
            }
            PaymentOutcome::SubscriptionEnded { subscription } => {
                payment.subscription = subscription;
            }
            PaymentOutcome::PaidAgain { invoice } => {
                payment.invoice = invoice;
                payment.invoice_status = cotas_invoice_status::COTAS_INVOICE_PAID as i32;
            }
            PaymentOutcome::Unmatched
            | PaymentOutcome::Duplicate
            | PaymentOutcome::Ignored(_)
            | PaymentOutcome::Refused => {}
        }
        payment
    }
}

fn number(outcome: &PaymentOutcome) -> cotas_outcome {
    use IgnoredBecause::{NothingToDo, UnknownEvent, UnknownPayment};
    match outcome {
        PaymentOutcome::Applied { .. } => cotas_outcome::COTAS_OUTCOME_APPLIED,
        PaymentOutcome::SubscriptionEnded { .. } => cotas_outcome::COTAS_OUTCOME_SUBSCRIPTION_ENDED,
        PaymentOutcome::Unmatched => cotas_outcome::COTAS_OUTCOME_UNMATCHED,
        PaymentOutcome::PaidAgain { .. } => cotas_outcome::COTAS_OUTCOME_PAID_AGAIN,
        PaymentOutcome::Duplicate => cotas_outcome::COTAS_OUTCOME_DUPLICATE,
        PaymentOutcome::Refused => cotas_outcome::COTAS_OUTCOME_REFUSED,
        PaymentOutcome::Ignored(UnknownEvent) => cotas_outcome::COTAS_OUTCOME_UNKNOWN_EVENT,
        PaymentOutcome::Ignored(UnknownPayment) => cotas_outcome::COTAS_OUTCOME_UNKNOWN_PAYMENT,
        PaymentOutcome::Ignored(NothingToDo) => cotas_outcome::COTAS_OUTCOME_NOTHING_TO_DO,
    }
}

fn invoice_status(status: InvoiceStatus) -> cotas_invoice_status {
    match status {
        InvoiceStatus::Pending => cotas_invoice_status::COTAS_INVOICE_PENDING,
        InvoiceStatus::Paid => cotas_invoice_status::COTAS_INVOICE_PAID,
        InvoiceStatus::Overdue => cotas_invoice_status::COTAS_INVOICE_OVERDUE,
        InvoiceStatus::Cancelled => cotas_invoice_status::COTAS_INVOICE_CANCELLED,
        InvoiceStatus::Refunded => cotas_invoice_status::COTAS_INVOICE_REFUNDED,
    }
}

impl cotas_purchase {
    fn of(purchase: &Purchase) -> cotas_purchase {
        let due = purchase.next_due.map(|due| due.to_string());
        let mut next_due = [0; 16];
        // The last one stays NUL.
        let space = next_due.iter_mut().take(15);
        space.zip(due.unwrap_or_default().bytes()).for_each(|(to, byte)| *to = byte as c_char);
        cotas_purchase {
            struct_size: 0,
            replayed: purchase.replayed.into(),
            invoice: purchase.invoice,
            amount_cents: purchase.quote.cents.get(),
            next_total_cents: purchase.next_total.get(),
            next_due,
        }
    }
}

impl Call {
    fn gateway(&self, from: *const c_char, len: usize) -> Result<Gateway, Failure> {
        let code = self.text(from, len, "gateway")?;
        coded("gateway", code, &Gateway::ALL, Gateway::code)
    }
}

/// What a quantity of a package costs, as a JSON document: {"amount_cents", "packages": [[size,
/// count]], "hint" (a larger quantity that costs less): {"quantity", "amount_cents"}}.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_quote_package(
    engine: *const cotas_engine,
    package: *const c_char,
    package_len: usize,
    quantity: u64,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let engine = call.engine(engine)?;
            let package = call.text(package, package_len, "package")?;
            json(&engine.engine.quote_package(package, quantity)?)
        })
    })
}

/// Buys on top of a plan: an invoice over the full price is due at once, and what was bought is
/// given when it is paid. Under a key (NULL: none) it takes effect once.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_buy(
    engine: *const cotas_engine,
    tenant: *const c_char,
    tenant_len: usize,
    package: *const c_char,
    package_len: usize,
    quantity: u64,
    key: *const c_char,
    key_len: usize,
    purchase: *mut cotas_purchase,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.fill(purchase, "the purchase", || {
            let engine = call.engine(engine)?;
            let tenant = call.text(tenant, tenant_len, "tenant")?;
            let package = call.text(package, package_len, "package")?;
            let key = call.text_or_none(key, key_len, "key")?;
            Ok(cotas_purchase::of(&engine.engine.buy(tenant, package, quantity, key)?))
        })
    })
}

/// Settles an invoice that was paid manually, on a day YYYY-MM-DD (NULL: today). Paid already, it
/// changes nothing.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_mark_paid(
    engine: *const cotas_engine,
    invoice: i64,
    paid_on: *const c_char,
    paid_on_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let paid_on = call.text_or_none(paid_on, paid_on_len, "day of payment")?;
        let paid_on = paid_on.map(|day| date(day, "day of payment")).transpose()?;
        Ok(engine.engine.mark_paid(invoice, paid_on)?)
    })
}

/// Cancels an invoice that was not paid.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_cancel_invoice(
    engine: *const cotas_engine,
    invoice: i64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| Ok(call.engine(engine)?.engine.cancel_invoice(invoice)?))
}

/// Ends what is charged again with every due date: that which an invoice of a purchase paid for, or
/// was to pay for. What was paid for stays to the end of its period (cotas_statement: until when),
/// and is charged no more. Ended before, it changes nothing.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_end_purchase(
    engine: *const cotas_engine,
    invoice: i64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.engine(engine)?.engine.end_purchase(invoice)?;
        Ok(())
    })
}

/// Sets the token that a gateway ("asaas" or "pagarme") sends with its events. Only its keyed hash
/// is kept.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_set_webhook_token(
    engine: *const cotas_engine,
    gateway: *const c_char,
    gateway_len: usize,
    token: *const c_char,
    token_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let gateway = call.gateway(gateway, gateway_len)?;
        Ok(engine
            .engine
            .set_webhook_token(gateway, call.text(token, token_len, "webhook token")?)?)
    })
}

/// Takes a payment event as it came to the host's web handler: the body, and the token that came
/// with it. Whatever COTAS_OK says of it may be acknowledged, except COTAS_OUTCOME_REFUSED. An
/// event is applied once, however often it comes.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_payment_event(
    engine: *const cotas_engine,
    gateway: *const c_char,
    gateway_len: usize,
    body: *const u8,
    body_len: usize,
    token: *const c_char,
    token_len: usize,
    payment: *mut cotas_payment,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.fill(payment, "the payment", || {
            let engine = call.engine(engine)?;
            let gateway = call.gateway(gateway, gateway_len)?;
            let body = call.bytes(body, body_len, "body")?;
            let token = call.text(token, token_len, "webhook token")?;
            Ok(cotas_payment::of(&engine.engine.payment_event(gateway, body, token)?))
        })
    })
}

/// As cotas_payment_event, for an event that the host has read itself, from a queue or a poll, and
/// of whose sender it has made sure: a JSON document (docs/c-api.md).
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_apply_payment(
    engine: *const cotas_engine,
    event_json: *const c_char,
    event_json_len: usize,
    payment: *mut cotas_payment,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.fill(payment, "the payment", || {
            let engine = call.engine(engine)?;
            let event = call.text(event_json, event_json_len, "payment event")?;
            let event = PaymentEvent::parse(event)?;
            Ok(cotas_payment::of(&engine.engine.apply_payment(&event)?))
        })
    })
}

/// All charges at gateways that are known of a tenant, the latest first, as a JSON document.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_payments(
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
            json(&engine.payments(tenant)?)
        })
    })
}

/// Money that came and pays nothing, of a tenant (NULL: of all, and of none), the latest first,
/// as a JSON document: its invoice is not written yet, was cancelled, or had been paid before.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_unmatched_payments(
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
            json(&engine.engine.unmatched_payments(tenant)?)
        })
    })
}

/// Has money that pays nothing, by the gateway's id of its charge, pay an invoice, whatever the
/// amount; one that was cancelled is paid as well. Assigned before, it changes nothing.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_assign_payment(
    engine: *const cotas_engine,
    gateway: *const c_char,
    gateway_len: usize,
    payment: *const c_char,
    payment_len: usize,
    invoice: i64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let gateway = call.gateway(gateway, gateway_len)?;
        let payment = call.text(payment, payment_len, "payment")?;
        Ok(engine.engine.assign_payment(gateway, payment, invoice)?)
    })
}

/// Whether a document, of the type "cpf" or "cnpj", is well-formed, its check digits are right, and
/// no tenant has it: COTAS_OK, COTAS_E_DOCUMENT or COTAS_E_DOCUMENT_IN_USE. Writes it in its normal
/// form, as text.
///
/// Threads: any. Blocks: reads SQLite. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_validate_document(
    engine: *const cotas_engine,
    document: *const c_char,
    document_len: usize,
    document_type: *const c_char,
    document_type_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let engine = call.engine(engine)?;
            let kind = call.text(document_type, document_type_len, "document type")?;
            let kind = coded("document type", kind, &DocumentType::ALL, DocumentType::code)?;
            let document = call.text(document, document_len, "document")?;
            Ok(engine.engine.validate_document(document, kind)?.as_str().to_owned())
        })
    })
}

/// Has the invoice of a purchase, or of joining a plan, be paid in so many monthly instalments (2
/// to 24); what it pays for is given with the first. cotas_invoices lists them.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_split_invoice(
    engine: *const cotas_engine,
    invoice: i64,
    parts: u32,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.engine(engine)?.engine.split_invoice(invoice, parts)?;
        Ok(())
    })
}

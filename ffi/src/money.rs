//! Payment events, as their webhooks bring them.

use std::ffi::c_char;

use cotas_core::billing::Gateway;
use cotas_core::{IgnoredBecause, InvoiceStatus, PaymentOutcome, UnknownName};

use crate::call::{Call, call};
use crate::code::cotas_code;
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
    /// Acknowledge it: the money pays nothing yet. It is kept, and listed by unmatched_payments.
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

// SAFETY: `repr(C)`, a `u32` first, numbers.
unsafe impl Sized32 for cotas_payment {
    const FIRST_BYTES: u32 = 32;
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

impl Call {
    fn gateway(&self, from: *const c_char, len: usize) -> Result<Gateway, Failure> {
        let code = self.text(from, len, "gateway")?;
        let known = Gateway::ALL.map(Gateway::code);
        let unknown = || {
            let name = UnknownName::among(code, known);
            Failure::new(cotas_code::COTAS_E_INVALID_ARGUMENT, format!("unknown gateway {name}"))
        };
        Gateway::from_code(code).ok_or_else(unknown)
    }
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

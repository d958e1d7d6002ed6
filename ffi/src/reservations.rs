//! Reservations, and what is given back.

use std::ffi::c_char;
use std::time::Duration;

use cotas_core::{Delivery, DeliveryOutcome, Receipt, ReservationId, UnitsForm};
use serde::Serialize;

use crate::call::{Call, call};
use crate::decision::cotas_decision;
use crate::documents::json;
use crate::error::cotas_error;
use crate::failure::Failure;
use crate::tenant::cotas_tenant;

impl Call {
    /// Units by resource, as a JSON document says them.
    fn units(&self, from: *const c_char, len: usize) -> Result<UnitsForm, Failure> {
        Ok(UnitsForm::parse(self.text(from, len, "units")?)?)
    }

    fn reservation(&self, from: *const c_char, len: usize) -> Result<ReservationId, Failure> {
        Ok(self.text(from, len, "reservation id")?.parse()?)
    }

    fn receipt(&self, from: *const c_char, len: usize) -> Result<Receipt, Failure> {
        Ok(self.text(from, len, "receipt")?.parse()?)
    }
}

/// Units that came from one source, in a document.
#[derive(Serialize)]
struct ChargeJson<'a> {
    resource: &'a str,
    source: Option<&'static str>,
    units: u64,
}

/// Sets units of several resources aside for ttl_ms milliseconds, all or none: units_json is a
/// document such as {"sms": 3, "credits": 1}. The decision names the reservation. Unless it is
/// committed in time the units go back. Under a key (NULL: none) it takes effect once.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_reserve(
    tenant: *const cotas_tenant,
    units_json: *const c_char,
    units_json_len: usize,
    ttl_ms: u64,
    key: *const c_char,
    key_len: usize,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.decide(tenant, decision, |tenant| {
            let units = call.units(units_json, units_json_len)?;
            let (units, ttl) = (units.pairs(), Duration::from_millis(ttl_ms));
            Ok(match call.text_or_none(key, key_len, "key")? {
                None => tenant.tenant.reserve(&units, ttl),
                Some(key) => tenant.once(key).reserve(&units, ttl),
            }?)
        })
    })
}

/// As cotas_reserve, what an action charges; details_json as in cotas_perform_with. An action that
/// opens a session is a send: it is waited for 30 days at most what is reported of it by
/// cotas_report_delivery, and then it is committed. One that takes a lease cannot be set aside.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_reserve_action(
    tenant: *const cotas_tenant,
    action: *const c_char,
    action_len: usize,
    details_json: *const c_char,
    details_json_len: usize,
    ttl_ms: u64,
    key: *const c_char,
    key_len: usize,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.decide(tenant, decision, |tenant| {
            let action = call.text(action, action_len, "action")?;
            let details = call.details(details_json, details_json_len)?;
            let (details, ttl) = (details.details(), Duration::from_millis(ttl_ms));
            Ok(match call.text_or_none(key, key_len, "key")? {
                None => tenant.tenant.reserve_action(action, &details, ttl),
                Some(key) => tenant.once(key).reserve_action(action, &details, ttl),
            }?)
        })
    })
}

/// What a channel reports of a message.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum cotas_delivery {
    /// It has left: that changes nothing.
    COTAS_DELIVERY_SENT = 1,
    /// It has arrived.
    COTAS_DELIVERY_DELIVERED = 2,
    /// It was read, whether or not its arrival was reported.
    COTAS_DELIVERY_READ = 3,
    /// It will not arrive.
    COTAS_DELIVERY_FAILED = 4,
}

/// What came of a report.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum cotas_delivery_outcome {
    /// The send is paid for good.
    COTAS_DELIVERY_COMMITTED = 1,
    /// What the send charged is given back; its session too, unless something else uses it.
    COTAS_DELIVERY_RELEASED = 2,
    /// Nothing: the outcome was known, or the report says nothing of it.
    COTAS_DELIVERY_UNCHANGED = 3,
    /// No send is known by this message.
    COTAS_DELIVERY_UNKNOWN = 4,
}

fn delivery(number: i32) -> Result<Delivery, Failure> {
    let all = [
        (cotas_delivery::COTAS_DELIVERY_SENT, Delivery::Sent),
        (cotas_delivery::COTAS_DELIVERY_DELIVERED, Delivery::Delivered),
        (cotas_delivery::COTAS_DELIVERY_READ, Delivery::Read),
        (cotas_delivery::COTAS_DELIVERY_FAILED, Delivery::Failed),
    ];
    let found = all.into_iter().find(|&(it, _)| it as i32 == number);
    found.map(|(_, report)| report).ok_or_else(|| {
        Failure::argument(
            "report",
            format!(
                "unknown number {number} (expected 1, sent, 2, delivered, 3, read, or 4, failed)"
            ),
        )
    })
}

fn delivery_outcome(from: DeliveryOutcome) -> cotas_delivery_outcome {
    match from {
        DeliveryOutcome::Committed => cotas_delivery_outcome::COTAS_DELIVERY_COMMITTED,
        DeliveryOutcome::Released => cotas_delivery_outcome::COTAS_DELIVERY_RELEASED,
        DeliveryOutcome::Unchanged => cotas_delivery_outcome::COTAS_DELIVERY_UNCHANGED,
        DeliveryOutcome::Unknown => cotas_delivery_outcome::COTAS_DELIVERY_UNKNOWN,
    }
}

/// Gives a reserved send the id that the channel gave its message, where details_json did not say
/// it: cotas_report_delivery finds the send by it. Doing it again changes nothing.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_sent(
    tenant: *const cotas_tenant,
    reservation: *const c_char,
    reservation_len: usize,
    message: *const c_char,
    message_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let tenant = call.tenant(tenant)?;
        let reservation = call.reservation(reservation, reservation_len)?;
        Ok(tenant.tenant.sent(&reservation, call.text(message, message_len, "message")?)?)
    })
}

/// What a channel reports of a message: report is a cotas_delivery, *outcome is set to a
/// cotas_delivery_outcome. Reports may come in any order, more than once, and of messages that were
/// never reserved.
///
/// Threads: any. Blocks: as cotas_release. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_report_delivery(
    tenant: *const cotas_tenant,
    message: *const c_char,
    message_len: usize,
    report: i32,
    outcome: *mut i32,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(outcome, 0);
        let tenant = call.tenant(tenant)?;
        let message = call.text(message, message_len, "message")?;
        let came = tenant.tenant.report_delivery(message, delivery(report)?)?;
        call.put(outcome, delivery_outcome(came) as i32);
        Ok(())
    })
}

/// Uses what a reservation holds. A reservation is resolved once: afterwards it is
/// COTAS_E_ALREADY_RESOLVED, and the message says how it was.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_commit(
    tenant: *const cotas_tenant,
    reservation: *const c_char,
    reservation_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let tenant = call.tenant(tenant)?;
        Ok(tenant.tenant.commit(&call.reservation(reservation, reservation_len)?)?)
    })
}

/// Uses so much of what a reservation holds (units_json as in cotas_reserve) and gives the rest
/// back.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_commit_part(
    tenant: *const cotas_tenant,
    reservation: *const c_char,
    reservation_len: usize,
    units_json: *const c_char,
    units_json_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let tenant = call.tenant(tenant)?;
        let reservation = call.reservation(reservation, reservation_len)?;
        let units = call.units(units_json, units_json_len)?;
        Ok(tenant.tenant.commit_part(&reservation, &units.pairs())?)
    })
}

/// Gives back what a reservation holds, to the grants that it came from, if they still live.
///
/// Threads: any. Blocks: as cotas_consume; what a closed period has used waits for the disk. Fork:
/// no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_release(
    tenant: *const cotas_tenant,
    reservation: *const c_char,
    reservation_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let tenant = call.tenant(tenant)?;
        Ok(tenant.tenant.release(&call.reservation(reservation, reservation_len)?)?)
    })
}

/// Gives back what the decision with this receipt charged, to the same grants, if they still live.
/// A session that it opened is closed if nothing else used it; a lease is released by itself. Once
/// per receipt.
///
/// Threads: any. Blocks: as cotas_release. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_refund(
    tenant: *const cotas_tenant,
    receipt: *const c_char,
    receipt_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let tenant = call.tenant(tenant)?;
        Ok(tenant.tenant.refund(&call.receipt(receipt, receipt_len)?)?)
    })
}

/// Everything that the decision with this receipt charged, by resource and source, as a JSON
/// document: [{"resource", "source" (null: no grant), "units"}].
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_charges_of(
    tenant: *const cotas_tenant,
    receipt: *const c_char,
    receipt_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let tenant = call.tenant(tenant)?;
            let charges = tenant.tenant.charges_of(&call.receipt(receipt, receipt_len)?)?;
            let charges = charges.iter().map(|charge| ChargeJson {
                resource: tenant.engine.resource_name(charge.resource).unwrap_or_default(),
                source: charge.source.map(cotas_core::Source::code),
                units: charge.units,
            });
            json(&charges.collect::<Vec<_>>())
        })
    })
}

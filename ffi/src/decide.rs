//! The operations that decide. Each takes flat arguments and fills the caller's decision.

use std::ffi::c_char;

use cotas_core::{Decision, Details, Direction, Error, Reason, ResourceId, Timestamp};

use crate::call::{Call, call};
use crate::decision::cotas_decision;
use crate::engine::resource_id;
use crate::error::cotas_error;
use crate::failure::Failure;
use crate::pointers::Out;
use crate::tenant::{TenantHandle, cotas_tenant};

/// Which way a message goes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum cotas_direction {
    /// From the contact: it opens a session or moves the end of the open one.
    COTAS_DIRECTION_INBOUND = 1,
    /// To the contact: it opens a session where there is none, and moves no end.
    COTAS_DIRECTION_OUTBOUND = 2,
}

fn direction(number: i32) -> Result<Direction, Failure> {
    const INBOUND: i32 = cotas_direction::COTAS_DIRECTION_INBOUND as i32;
    const OUTBOUND: i32 = cotas_direction::COTAS_DIRECTION_OUTBOUND as i32;
    match number {
        INBOUND => Ok(Direction::Inbound),
        OUTBOUND => Ok(Direction::Outbound),
        _ => Err(Failure::argument(
            "direction",
            format!(
                "unknown number {number} (expected {INBOUND}, inbound, or {OUTBOUND}, outbound)"
            ),
        )),
    }
}

/// Reports a decision to the caller where the engine made it: moving one takes longer than making
/// it.
#[inline(always)]
fn report(out: &mut Out<cotas_decision>, made: &Result<Decision, Error>) -> Result<(), Failure> {
    match made {
        Ok(decision) => {
            out.fill(|to| to.say(decision));
            Ok(())
        }
        Err(error) => Err(Failure::of(error)),
    }
}

/// As [`report`], of a resource by number: that no resource has it is no answer of a plan.
#[inline(always)]
fn report_of(
    tenant: &TenantHandle,
    resource: ResourceId,
    out: &mut Out<cotas_decision>,
    decision: &Decision,
) -> Result<(), Failure> {
    let is_in_doubt = decision.reasons.contains(Reason::NotInPlan);
    if is_in_doubt && tenant.engine.resource_name(resource).is_none() {
        return Err(Error::UnknownResource(resource.number().to_string().as_str().into()).into());
    }
    out.fill(|to| to.say(decision));
    Ok(())
}

impl Call {
    /// Has `ask` decide about a tenant, and report to the caller.
    #[inline(always)]
    fn answer(
        &self,
        tenant: *const cotas_tenant,
        decision: *mut cotas_decision,
        ask: impl FnOnce(&TenantHandle, &mut Out<cotas_decision>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut out = self.out(decision, "the decision")?;
        let reported = self.tenant(tenant).and_then(|tenant| ask(&tenant, &mut out));
        if reported.is_err() {
            out.clear();
        }
        reported
    }

    /// As [`answer`](Self::answer), for what is not asked for all the time.
    pub(crate) fn decide(
        &self,
        tenant: *const cotas_tenant,
        decision: *mut cotas_decision,
        ask: impl FnOnce(&TenantHandle) -> Result<Decision, Failure>,
    ) -> Result<(), Failure> {
        self.answer(tenant, decision, |tenant, out| report(out, &Ok(ask(tenant)?)))
    }
}

/// An instant that need not be: 0 is none.
fn instant(at_ms: i64) -> Option<Timestamp> {
    (at_ms != 0).then(|| Timestamp::from_ms(at_ms))
}

/// May this tenant use units of a resource now? If so, they are used up. Counts as something other
/// than receiving: a suspended tenant is denied. Under a key (NULL: none) it takes effect once: the
/// same key with the same arguments gives the stored decision.
///
/// Threads: any. Blocks: never, except to settle a boundary that has passed, or with
/// COTAS_DURABILITY_DISK. Without a key it makes no system call and allocates nothing. Fork: no
/// matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_consume(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    units: u64,
    key: *const c_char,
    key_len: usize,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.answer(tenant, decision, |tenant, out| {
            let resource = call.text(resource, resource_len, "resource")?;
            match call.text_or_none(key, key_len, "key")? {
                None => {
                    let report = |made: &Decision| out.fill(|to| to.say(made));
                    Ok(tenant.tenant.consume_then(resource, units, report)?)
                }
                Some(key) => report(out, &tenant.once(key).consume(resource, units)),
            }
        })
    })
}

/// As cotas_consume without a key, of the resource with the number that cotas_resource gave: the
/// fastest way to a decision.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_consume_id(
    tenant: *const cotas_tenant,
    resource: u32,
    units: u64,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.answer(tenant, decision, |tenant, out| {
            let resource = resource_id(resource);
            let report = |made: &Decision| report_of(tenant, resource, out, made);
            tenant.tenant.consume_then(resource, units, report)?
        })
    })
}

/// What cotas_consume would answer. Changes nothing.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_check(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    units: u64,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.answer(tenant, decision, |tenant, out| {
            let resource = call.text(resource, resource_len, "resource")?;
            let report = |made: &Decision| out.fill(|to| to.say(made));
            Ok(tenant.tenant.check_then(resource, units, report)?)
        })
    })
}

/// What cotas_consume_id would answer. Changes nothing.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_check_id(
    tenant: *const cotas_tenant,
    resource: u32,
    units: u64,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.answer(tenant, decision, |tenant, out| {
            let resource = resource_id(resource);
            let report = |made: &Decision| report_of(tenant, resource, out, made);
            tenant.tenant.check_then(resource, units, report)?
        })
    })
}

/// May this tenant's contact have a session of a resource? A message opens one where there is
/// none, and one from the contact moves the end of an open one; while it is open nothing more is
/// charged. direction is a cotas_direction. at_ms is when the message was sent, in milliseconds
/// since 1970 in UTC, 0 for now: it decides about the session and nothing else. Under a key (NULL:
/// none) it takes effect once.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_admit(
    tenant: *const cotas_tenant,
    resource: *const c_char,
    resource_len: usize,
    direction: i32,
    channel: *const c_char,
    channel_len: usize,
    contact: *const c_char,
    contact_len: usize,
    at_ms: i64,
    key: *const c_char,
    key_len: usize,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.answer(tenant, decision, |tenant, out| {
            let resource = call.text(resource, resource_len, "resource")?;
            let direction = self::direction(direction)?;
            let details = Details {
                channel: call.text(channel, channel_len, "channel")?,
                contact: call.text(contact, contact_len, "contact")?,
                at: instant(at_ms),
                ..Details::default()
            };
            match call.text_or_none(key, key_len, "key")? {
                None => report(out, &tenant.tenant.admit(resource, direction, &details)),
                Some(key) => report(out, &tenant.once(key).admit(resource, direction, &details)),
            }
        })
    })
}

/// May this tenant do an action of the catalog now? If so, its session is opened or continued, its
/// lease is taken, its rate and its charges are used up: all or nothing. channel and contact say
/// what the message is about, quantity how many units it charges where the action charges by
/// quantity, at_ms when the message was sent (milliseconds since 1970 in UTC, 0 for now). What the
/// action does not look at is ignored. Under a key (NULL: none) it takes effect once. An action
/// that takes a lease, or one by categories, needs cotas_perform_with.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_perform(
    tenant: *const cotas_tenant,
    action: *const c_char,
    action_len: usize,
    channel: *const c_char,
    channel_len: usize,
    contact: *const c_char,
    contact_len: usize,
    quantity: u64,
    at_ms: i64,
    key: *const c_char,
    key_len: usize,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.answer(tenant, decision, |tenant, out| {
            let action = call.text(action, action_len, "action")?;
            let details = Details {
                channel: call.text(channel, channel_len, "channel")?,
                contact: call.text(contact, contact_len, "contact")?,
                quantity: Some(quantity),
                at: instant(at_ms),
                ..Details::default()
            };
            match call.text_or_none(key, key_len, "key")? {
                None => report(out, &tenant.tenant.perform(action, &details)),
                Some(key) => report(out, &tenant.once(key).perform(action, &details)),
            }
        })
    })
}

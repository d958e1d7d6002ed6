//! Actions of the catalog: quoted, tried, and done with all that they may look at.

use std::ffi::c_char;

use cotas_core::{ContactsForm, DetailsForm};

use crate::call::{Call, call};
use crate::decision::cotas_decision;
use crate::documents::json;
use crate::error::cotas_error;
use crate::failure::Failure;
use crate::tenant::cotas_tenant;

impl Call {
    /// The details that a JSON document says; the empty text says none.
    pub(crate) fn details(
        &self,
        from: *const c_char,
        len: usize,
    ) -> Result<DetailsForm<'_>, Failure> {
        Ok(DetailsForm::parse(self.text(from, len, "details")?)?)
    }
}

/// As cotas_perform, with all that an action may look at, as a JSON document: { "channel",
/// "contact", "also" (a second id of the same contact: both are linked), "category" (of a
/// template), "holder" (who takes the lease: a call's id), "quantity", "at" (RFC 3339), "tariff"
/// (that was quoted: another one in force is COTAS_E_TARIFF_CHANGED), "campaign" (the reservation
/// of sessions that a send draws from), "message" (of a send that is reserved: its message's id)
/// }, each of which may be left out. Under a key (NULL: none) it takes effect once.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_perform_with(
    tenant: *const cotas_tenant,
    action: *const c_char,
    action_len: usize,
    details_json: *const c_char,
    details_json_len: usize,
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
            let key = call.text_or_none(key, key_len, "key")?;
            Ok(match key {
                None => tenant.tenant.perform(action, &details.details()),
                Some(key) => tenant.once(key).perform(action, &details.details()),
            }?)
        })
    })
}

/// What cotas_perform_with would answer. Changes nothing.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_check_action(
    tenant: *const cotas_tenant,
    action: *const c_char,
    action_len: usize,
    details_json: *const c_char,
    details_json_len: usize,
    decision: *mut cotas_decision,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.decide(tenant, decision, |tenant| {
            let action = call.text(action, action_len, "action")?;
            let details = call.details(details_json, details_json_len)?;
            Ok(tenant.tenant.check_action(action, &details.details())?)
        })
    })
}

/// What an action would cost of each balance, and by which tariff, as a JSON document. Changes
/// nothing. details_json as in cotas_perform_with.
///
/// Threads: any. Blocks: reads SQLite where a boundary has passed that is not settled yet.
/// Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_quote(
    tenant: *const cotas_tenant,
    action: *const c_char,
    action_len: usize,
    details_json: *const c_char,
    details_json_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let tenant = call.tenant(tenant)?;
            let action = call.text(action, action_len, "action")?;
            let details = call.details(details_json, details_json_len)?;
            json(&tenant.tenant.quote(action, &details.details())?)
        })
    })
}

/// What a campaign would cost, a send of an action to each of many contacts, as a JSON document:
/// contacts_json is a list of texts, details_json as in cotas_perform_with. It says how many
/// sessions the campaign would open, how many are available, and how many would remain: reserve
/// them by cotas_reserve. Changes nothing.
///
/// Threads: any. Blocks: as cotas_quote. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_quote_contacts(
    tenant: *const cotas_tenant,
    action: *const c_char,
    action_len: usize,
    contacts_json: *const c_char,
    contacts_json_len: usize,
    details_json: *const c_char,
    details_json_len: usize,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let tenant = call.tenant(tenant)?;
            let action = call.text(action, action_len, "action")?;
            let contacts = call.text(contacts_json, contacts_json_len, "contacts")?;
            let contacts = ContactsForm::parse(contacts)?;
            let details = call.details(details_json, details_json_len)?;
            json(&tenant.tenant.quote_contacts(action, &contacts.contacts(), &details.details())?)
        })
    })
}

/// Makes two names one contact, on all channels: a session that is open under either goes on under
/// both. A contact has at most eight names. Doing it again changes nothing.
///
/// Threads: any. Blocks: as cotas_consume. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_link_contact(
    tenant: *const cotas_tenant,
    one: *const c_char,
    one_len: usize,
    other: *const c_char,
    other_len: usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let tenant = call.tenant(tenant)?;
        let one = call.text(one, one_len, "contact")?;
        let other = call.text(other, other_len, "contact")?;
        Ok(tenant.tenant.link_contact(one, other)?)
    })
}

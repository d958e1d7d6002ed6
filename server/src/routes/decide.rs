//! Decisions. A denial is an answer with status 200 and `"allowed": false`: it is no failure of the
//! request, and says which rule, which numbers, and when it may succeed.

use cotas::{AccessRole, Decision, Details, Direction, ReservationId};
use serde_json::json;

use super::{Answer, Call, Method, Route};
use crate::access::Needs;
use crate::fields::{Field, Kind, optional, required};
use crate::problem::Problem;

pub(super) const RESOURCE: Field = required("resource", Kind::Text, "The resource");
pub(super) const UNITS: Field = required("units", Kind::Units, "How many units of it");
const ACTION: Field = required("action", Kind::Text, "The action of the catalog");

const MANAGER: Needs = Needs::Tenant(AccessRole::Manager);
const VIEWER: Needs = Needs::Tenant(AccessRole::Viewer);

/// What an action may need; what it does not look at is ignored.
macro_rules! action_fields {
    ($($more:expr),*) => {
        &[
            ACTION,
            optional("contact", Kind::Text, "The contact; only its keyed hash is kept"),
            optional("also", Kind::Text, "Another id of the same contact"),
            optional("channel", Kind::Text, "The channel that a message passes through"),
            optional("category", Kind::Text, "The category of a template"),
            optional("at", Kind::Instant, "When the message was sent; without it, now"),
            optional("quantity", Kind::Units, "How many units it charges by quantity"),
            optional("holder", Kind::Text, "Who takes the lease"),
            optional("campaign", Kind::Text, "The reservation that a campaign's send draws from"),
            optional("tariff", Kind::Units, "The tariff that was quoted"),
            $($more),*
        ]
    };
}

pub(super) const ROUTES: &[Route] = &[
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/check",
        "Say whether units of a resource could be used up; changes nothing",
        |call| {
            let units = call.fields.units("units").unwrap_or_default();
            decided(call, &call.tenant()?.check(call.fields.text("resource"), units)?)
        },
    )
    .taking(&[RESOURCE, UNITS])
    .for_those(VIEWER),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/consume",
        "Use up units of a resource, if there are so many",
        consume,
    )
    .taking(&[RESOURCE, UNITS])
    .for_those(MANAGER)
    .once(),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/check-action",
        "Say whether an action of the catalog would be allowed; changes nothing",
        |call| {
            let tenant = call.tenant()?;
            decided(call, &tenant.check_action(call.fields.text("action"), &details(call)?)?)
        },
    )
    .taking(action_fields!())
    .for_those(VIEWER),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/perform",
        "Do an action of the catalog, if it is allowed",
        perform,
    )
    .taking(action_fields!())
    .for_those(MANAGER)
    .once(),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/quote",
        "Say what an action would cost now; changes nothing",
        |call| {
            let tenant = call.tenant()?;
            let quote = tenant.quote(call.fields.text("action"), &details(call)?)?;
            Ok(Answer::json(&json!(quote)))
        },
    )
    .taking(action_fields!())
    .for_those(VIEWER),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/admit",
        "Admit a message to a contact's session, without an action",
        admit,
    )
    .taking(&[
        RESOURCE,
        required("direction", Kind::OneOf(&["inbound", "outbound"]), "Which way it goes"),
        required("contact", Kind::Text, "The contact; only its keyed hash is kept"),
        optional("also", Kind::Text, "Another id of the same contact"),
        optional("channel", Kind::Text, "The channel that it passes through"),
        optional("at", Kind::Instant, "When it was sent; without it, now"),
    ])
    .for_those(MANAGER)
    .once(),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/reserve-action",
        "Set aside what an action charges, until its outcome is reported",
        |call| {
            let tenant = call.tenant()?;
            let action = call.fields.text("action");
            let ttl = match call.fields.seconds("ttl_seconds") {
                Some(ttl) => ttl,
                None => tenant.ttl_of_action(action)?,
            };
            let details = details(call)?;
            let decision = match call.key {
                None => tenant.reserve_action(action, &details, ttl)?,
                Some(key) => tenant.once(key).reserve_action(action, &details, ttl)?,
            };
            decided(call, &decision)
        },
    )
    .taking(action_fields!(
        optional("message", Kind::Text, "The id that the channel gave the message"),
        optional("ttl_seconds", Kind::Seconds, "How long it is set aside")
    ))
    .for_those(MANAGER)
    .once(),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/refund",
        "Give back what a decision under an idempotency key charged",
        |call| {
            call.tenant()?.refund(&call.fields.text("receipt").parse()?)?;
            Ok(Answer::done())
        },
    )
    .taking(&[required("receipt", Kind::Text, "The receipt of the decision")])
    .for_those(MANAGER),
];

fn consume(call: &Call<'_>) -> Result<Answer, Problem> {
    let tenant = call.tenant()?;
    let resource = call.fields.text("resource");
    let units = call.fields.units("units").unwrap_or_default();
    let decision = match call.key {
        None => tenant.consume(resource, units)?,
        Some(key) => tenant.once(key).consume(resource, units)?,
    };
    decided(call, &decision)
}

fn perform(call: &Call<'_>) -> Result<Answer, Problem> {
    let tenant = call.tenant()?;
    let (action, details) = (call.fields.text("action"), details(call)?);
    let decision = match call.key {
        None => tenant.perform(action, &details)?,
        Some(key) => tenant.once(key).perform(action, &details)?,
    };
    decided(call, &decision)
}

fn admit(call: &Call<'_>) -> Result<Answer, Problem> {
    let tenant = call.tenant()?;
    let direction = match call.fields.text("direction") {
        "inbound" => Direction::Inbound,
        _ => Direction::Outbound,
    };
    let resource = call.fields.text("resource");
    let details = details(call)?;
    let decision = match call.key {
        None => tenant.admit(resource, direction, &details)?,
        Some(key) => tenant.once(key).admit(resource, direction, &details)?,
    };
    decided(call, &decision)
}

fn details<'a>(call: &'a Call<'_>) -> Result<Details<'a>, Problem> {
    let fields = &call.fields;
    let campaign = fields.text_or_none("campaign").map(str::parse::<ReservationId>).transpose()?;
    Ok(Details {
        channel: fields.text("channel"),
        contact: fields.text("contact"),
        also: fields.text("also"),
        category: fields.text("category"),
        message: fields.text("message"),
        campaign,
        at: fields.instant("at"),
        quantity: fields.units("quantity"),
        holder: fields.text("holder"),
        tariff: fields.units("tariff"),
    })
}

/// The answer that a decision is.
#[allow(clippy::unnecessary_wraps)] // Every route ends with it.
pub(super) fn decided(call: &Call<'_>, decision: &Decision) -> Result<Answer, Problem> {
    call.counters.decided(call.path, decision);
    Ok(Answer::json(&call.engine.decision_document(decision)))
}

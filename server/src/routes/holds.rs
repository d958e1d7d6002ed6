//! What is held: reservations, leases, seats, meters, rates, and what channels report of sends.

use cotas::{AccessRole, Delivery, Occupancy, ReservationId};
use serde_json::json;

use super::decide::{RESOURCE, UNITS, decided};
use super::{Answer, Call, Method, Route};
use crate::access::Needs;
use crate::fields::{Field, Kind, optional, required};
use crate::problem::Problem;

const MANAGER: Needs = Needs::Tenant(AccessRole::Manager);
const RESERVATION: Field = required("reservation", Kind::Text, "The id of the reservation");
const HOLDER: Field = required("holder", Kind::Text, "Who holds it");
const FENCING: Field = required("fencing", Kind::Units, "The lease's fencing number");
const TTL: Field = optional("ttl_seconds", Kind::Seconds, "For how long");

pub(super) const ROUTES: &[Route] = &[
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/reserve",
        "Set units aside; of sessions for a campaign",
        reserve,
    )
    .taking(&[required("units", Kind::UnitsByResource, "Units by resource"), TTL])
    .for_those(MANAGER)
    .once(),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/commit",
        "Use what a reservation holds, all or in part",
        |call| {
            let (tenant, id) = (call.tenant()?, reservation(call)?);
            match call.fields.units_by_resource("units").as_slice() {
                [] => tenant.commit(&id)?,
                units => tenant.commit_part(&id, units)?,
            }
            Ok(Answer::done())
        },
    )
    .taking(&[RESERVATION, optional("units", Kind::UnitsByResource, "The part that is used")])
    .for_those(MANAGER),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/release",
        "Give back what a reservation holds",
        |call| {
            call.tenant()?.release(&reservation(call)?)?;
            Ok(Answer::done())
        },
    )
    .taking(&[RESERVATION])
    .for_those(MANAGER),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/sent",
        "Give a reserved send the id of its message",
        |call| {
            call.tenant()?.sent(&reservation(call)?, call.fields.text("message"))?;
            Ok(Answer::done())
        },
    )
    .taking(&[RESERVATION, required("message", Kind::Text, "The message's id")])
    .for_those(MANAGER),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/report-delivery",
        "Report what became of a message",
        |call| {
            let report = Delivery::from_code(call.fields.text("report"));
            let report = report.unwrap_or(Delivery::Sent);
            let outcome = call.tenant()?.report_delivery(call.fields.text("message"), report)?;
            Ok(Answer::json(&json!({ "outcome": outcome })))
        },
    )
    .taking(&[
        required("message", Kind::Text, "The message's id"),
        required("report", Kind::OneOf(&["sent", "delivered", "read", "failed"]), "The report"),
    ])
    .for_those(MANAGER),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/leases/acquire",
        "Take a lease, or prolong the holder's own",
        |call| {
            let (tenant, fields) = (call.tenant()?, &call.fields);
            let leases = tenant.leases(fields.text("resource"))?;
            let ttl = fields.seconds("ttl_seconds");
            decided(call, &leases.acquire(fields.text("holder"), ttl)?)
        },
    )
    .taking(&[RESOURCE, HOLDER, TTL])
    .for_those(MANAGER),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/leases/renew",
        "Prolong a lease",
        |call| {
            let (tenant, fields) = (call.tenant()?, &call.fields);
            let leases = tenant.leases(fields.text("resource"))?;
            let fencing = fields.units("fencing").unwrap_or_default();
            let ttl = fields.seconds("ttl_seconds");
            let lease = leases.renew(fields.text("holder"), fencing, ttl)?;
            Ok(Answer::json(&json!(lease)))
        },
    )
    .taking(&[RESOURCE, HOLDER, FENCING, TTL])
    .for_those(MANAGER),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/leases/release",
        "Give a lease back",
        |call| {
            let (tenant, fields) = (call.tenant()?, &call.fields);
            let fencing = fields.units("fencing").unwrap_or_default();
            tenant.leases(fields.text("resource"))?.release(fields.text("holder"), fencing)?;
            Ok(Answer::done())
        },
    )
    .taking(&[RESOURCE, HOLDER, FENCING])
    .for_those(MANAGER),
    Route::public(
        Method::Get,
        "/api/v1/tenants/{tenant}/seats",
        "List who holds the seats of a resource",
        |call| {
            let tenant = call.tenant()?;
            Ok(Answer::json(&json!(tenant.seats(call.fields.text("resource"))?.list()?)))
        },
    )
    .taking(&[RESOURCE])
    .for_those(MANAGER)
    .tagged(),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/seats/occupy",
        "Take a seat; a holder who has one keeps it",
        |call| {
            let (tenant, fields) = (call.tenant()?, &call.fields);
            let token = fields.text_or_none("token");
            let how = Occupancy { pending: fields.flag("pending"), token };
            let seats = tenant.seats(fields.text("resource"))?;
            decided(call, &seats.occupy_as(fields.text("holder"), &how)?)
        },
    )
    .taking(&[
        RESOURCE,
        HOLDER,
        optional("pending", Kind::Flag, "Invited, and not there yet"),
        optional("token", Kind::Text, "A token that opens the seat; only its keyed hash is kept"),
    ])
    .for_those(MANAGER),
    Route::public(Method::Post, "/api/v1/tenants/{tenant}/seats/release", "Free a seat", |call| {
        let (tenant, fields) = (call.tenant()?, &call.fields);
        let released = tenant.seats(fields.text("resource"))?.release(fields.text("holder"))?;
        Ok(Answer::json(&json!({ "released": released })))
    })
    .taking(&[RESOURCE, HOLDER])
    .for_those(MANAGER),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/seats/replace",
        "Give a seat to another holder",
        |call| {
            let (tenant, fields) = (call.tenant()?, &call.fields);
            let (old, new) = (fields.text("holder"), fields.text("new_holder"));
            tenant.seats(fields.text("resource"))?.replace(old, new)?;
            Ok(Answer::done())
        },
    )
    .taking(&[RESOURCE, HOLDER, required("new_holder", Kind::Text, "Who holds it from now on")])
    .for_those(MANAGER),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/meters/add",
        "Add to a meter, if its limit allows it",
        meter,
    )
    .taking(&[RESOURCE, UNITS])
    .for_those(MANAGER)
    .once(),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/meters/subtract",
        "Subtract from a meter",
        |call| {
            let (tenant, fields) = (call.tenant()?, &call.fields);
            let (resource, units) = (fields.text("resource"), fields.units("units").unwrap_or(0));
            let decision = match call.key {
                None => tenant.meter(resource)?.subtract(units)?,
                Some(key) => tenant.once(key).meter(resource)?.subtract(units)?,
            };
            decided(call, &decision)
        },
    )
    .taking(&[RESOURCE, UNITS])
    .for_those(MANAGER)
    .once(),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/meters/set",
        "Set a meter to what was measured",
        |call| {
            let (tenant, fields) = (call.tenant()?, &call.fields);
            let value = fields.units("units").unwrap_or(0);
            decided(call, &tenant.meter(fields.text("resource"))?.set(value)?)
        },
    )
    .taking(&[RESOURCE, UNITS])
    .for_those(MANAGER),
    Route::public(
        Method::Post,
        "/api/v1/tenants/{tenant}/rates/pass",
        "Pass a rate, if it is not exceeded",
        |call| {
            let (tenant, fields) = (call.tenant()?, &call.fields);
            let (key, units) = (fields.text("key"), fields.units("units").unwrap_or(0));
            decided(call, &tenant.rate(fields.text("resource"))?.pass(key, units)?)
        },
    )
    .taking(&[RESOURCE, required("key", Kind::Text, "What the rate counts apart"), UNITS])
    .for_those(MANAGER),
];

fn reserve(call: &Call<'_>) -> Result<Answer, Problem> {
    let tenant = call.tenant()?;
    let units = call.fields.units_by_resource("units");
    let ttl = match call.fields.seconds("ttl_seconds") {
        Some(ttl) => ttl,
        None => tenant.ttl_of_units(&units)?,
    };
    let decision = match call.key {
        None => tenant.reserve(&units, ttl)?,
        Some(key) => tenant.once(key).reserve(&units, ttl)?,
    };
    decided(call, &decision)
}

fn meter(call: &Call<'_>) -> Result<Answer, Problem> {
    let tenant = call.tenant()?;
    let (resource, units) = (call.fields.text("resource"), call.fields.units("units").unwrap_or(0));
    let decision = match call.key {
        None => tenant.meter(resource)?.add(units)?,
        Some(key) => tenant.once(key).meter(resource)?.add(units)?,
    };
    decided(call, &decision)
}

fn reservation(call: &Call<'_>) -> Result<ReservationId, Problem> {
    Ok(call.fields.text("reservation").parse()?)
}

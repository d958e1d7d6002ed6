//! The control plane: every operation of [`cotas::control`] that may be called from another
//! machine, at `POST /api/v1/operations/<name>`. Names, arguments and results are the table's; only
//! who may call what is said here.

use cotas::control::{self, Effect, Operation};
use cotas::{AccessRole, Engine};
use serde_json::Value;

use super::{Answer, Call, Method, Route};
use crate::access::Needs;
use crate::problem::Problem;

/// Where the operations are.
const PATH: &str = "/api/v1/operations/";

/// What a viewer may read: what a tenant has left.
const FOR_VIEWERS: [&str; 4] = ["balances", "feature", "report", "usage"];

/// What a tenant's manager may change: what it buys, and how it pays (docs/sources.md, LiveChat
/// 360).
const FOR_MANAGERS: [&str; 2] = ["buy", "set_payment_method"];

/// What only the platform may do: what concerns every tenant at once, or how payments come in.
const FOR_THE_PLATFORM: [&str; 19] = [
    "acknowledge_events",
    "add_webhook",
    "apply_payment",
    "catalog_losses",
    "checkpoint",
    "confirm_clock",
    "dead_deliveries",
    "erase",
    "erased_accounts",
    "export",
    "load_catalog",
    "maintain",
    "purge_demo",
    "remove_ended_trials",
    "remove_webhook",
    "resend_deliveries",
    "rotate_webhook",
    "set_webhook_token",
    "webhooks",
];

/// What names an invoice, and money that may be another tenant's.
const OF_ANY_MONEY: &str = "assign_payment";

/// What is not offered: it names files of this machine, or has a route of its own.
const NOT_OFFERED: [&str; 4] = ["live_path", "opening", "payment_event", "verify_token"];

/// The operations that are offered.
fn operations() -> impl Iterator<Item = &'static Operation> {
    let offered =
        |it: &&Operation| it.effect != Effect::WritesFile && !NOT_OFFERED.contains(&it.name);
    control::operations().filter(offered)
}

/// A route for each of them. Paths are made once for the life of the process.
pub(super) fn routes() -> impl Iterator<Item = Route> {
    operations().map(|operation| {
        let path = format!("{PATH}{}", operation.name).leak();
        let route = Route::public(Method::Post, path, operation.summary, run);
        Route {
            needs: needs(operation),
            takes_key: operation.takes_key(),
            operation: Some(operation),
            ..route
        }
    })
}

fn run(call: &Call<'_>) -> Result<Answer, Problem> {
    let name = call.operation.map_or("", |it| it.name);
    Ok(Answer::json(&call.engine.call(name, call.arguments, call.key)?))
}

/// Who may call an operation. One that names a tenant, or an invoice, may be called with a token
/// for that tenant, or the invoice's; any other concerns every tenant.
fn needs(operation: &Operation) -> Needs {
    let role = if FOR_THE_PLATFORM.contains(&operation.name) {
        AccessRole::Platform
    } else if FOR_VIEWERS.contains(&operation.name) {
        AccessRole::Viewer
    } else if operation.effect == Effect::Reads || FOR_MANAGERS.contains(&operation.name) {
        AccessRole::Manager
    } else {
        AccessRole::Reseller
    };
    let names = |name| operation.arguments.iter().any(|it| is_required(it, name));
    if names("tenant") {
        Needs::Tenant(role)
    } else if names("invoice") && operation.name != OF_ANY_MONEY {
        Needs::Invoice(role)
    } else {
        Needs::EveryTenant(role)
    }
}

fn is_required(argument: &control::Argument, name: &str) -> bool {
    argument.name == name && argument.presence == control::Presence::Required
}

/// Who may call the operation with this name; `None`: no caller on another machine may.
pub(crate) fn needs_of(name: &str) -> Option<Needs> {
    operations().find(|it| it.name == name).map(needs)
}

/// The tenant that the arguments of an operation name, itself or by an invoice.
pub(crate) fn tenant_of(
    engine: &Engine,
    needs: Needs,
    arguments: &Value,
) -> Result<Option<String>, Problem> {
    match (needs, arguments.get("invoice").and_then(Value::as_i64)) {
        (Needs::Invoice(_), Some(invoice)) => Ok(engine.tenant_of_invoice(invoice)?),
        _ => Ok(arguments.get("tenant").and_then(Value::as_str).map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_an_operations() {
        let named = FOR_VIEWERS.iter().chain(&FOR_MANAGERS).chain(&FOR_THE_PLATFORM);
        let named = named.chain(&NOT_OFFERED).chain([&OF_ANY_MONEY]);
        let unknown: Vec<_> = named.filter(|it| control::operation(it).is_err()).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

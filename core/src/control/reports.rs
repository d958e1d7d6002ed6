//! Operations that report: what a tenant has, what was counted, what has happened.

use serde_json::Value;

use super::arguments::{Argument, ArgumentType as Type, Arguments};
use super::tenants::{RESOURCE, TENANT};
use super::{Blocks, Effect, Operation, json};
use crate::Engine;
use crate::error::Error;
use crate::language::Language;
use crate::report::{Interval, Role};

const ROLE: Argument = Argument::optional(
    "role",
    Type::Code(|| Role::ALL.map(Role::code).to_vec()),
    "Who asks: the plan report is for managers and above. manager unless given.",
);
const INTERVAL: Argument = Argument::required(
    "interval",
    Type::Code(|| Interval::ALL.map(Interval::code).to_vec()),
    "How much time is summed up.",
);
/// The resource whose seats are channels, unless another is named.
const CHANNELS: &str = "channels";
/// Entries of a list, unless another number is given.
const MOST: u32 = 1_000;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "report",
        summary: "Returns a tenant as it stands now.",
        arguments: &[TENANT],
        result: "its status, subscription, balances by resource, and grants",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| json(&engine.report(given.text("tenant")?)?),
    },
    Operation {
        name: "statement",
        summary: "Returns what a tenant subscribed to, has left and owes (\"Minha assinatura\").",
        arguments: &[TENANT],
        result: "the statement",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| Ok(engine.statement(given.text("tenant")?)?.to_json()),
    },
    Operation {
        name: "balances",
        summary: "Returns what a tenant has left of what it uses up.",
        arguments: &[TENANT],
        result: "its balances by resource",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| Ok(engine.balances(given.text("tenant")?)?.to_json()),
    },
    Operation {
        name: "plan_report",
        summary: "Returns a tenant's plan, its limits and what is in use.",
        arguments: &[TENANT, ROLE],
        result: "{\"data\": {\"plan\", \"status\", \"max_...\", \"..._enabled\", \"usage\"}}",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| Ok(engine.plan_report(given.text("tenant")?, role(given)?)?.to_json()),
    },
    Operation {
        name: "channels",
        summary: "Returns who holds a seat of a resource or of one within it, the next due date, \
                  and what will be charged then.",
        arguments: &[TENANT, RESOURCE],
        result: "the channels",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| {
            Ok(engine.channels(given.text("tenant")?, given.text("resource")?)?.to_json())
        },
    },
    Operation {
        name: "page",
        summary: "Returns a report as a page of text that people read.",
        arguments: &[
            TENANT,
            Argument::required(
                "what",
                Type::Code(|| vec!["statement", "balances", "plan", "channels"]),
                "Which report.",
            ),
            Argument::required(
                "language",
                Type::Code(|| Language::ALL.map(Language::code).to_vec()),
                "In which language.",
            ),
            Argument::optional(
                "resource",
                Type::Text,
                "Of channels: the resource. channels unless given.",
            ),
            ROLE,
        ],
        result: "text",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: page,
    },
    Operation {
        name: "usage",
        summary: "Returns what was counted, by hour, day or month of the tenant's zone.",
        arguments: &[
            TENANT,
            INTERVAL,
            Argument::optional("since", Type::Instant, "From the hour that begins then on."),
            Argument::optional("until", Type::Instant, "Up to the hour that begins then."),
        ],
        result: "the usage, by interval",
        effect: Effect::Reads,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let interval = given.code("interval", Interval::from_code)?;
            let (since, until) = (given.instant_or_none("since")?, given.instant_or_none("until")?);
            Ok(engine.usage_by(given.text("tenant")?, interval, since, until)?.to_json())
        },
    },
    Operation {
        name: "refusals",
        summary: "Returns what was denied to all tenants together, by hour, day or month of the \
                  catalog's zone.",
        arguments: &[
            INTERVAL,
            Argument::optional("since", Type::Instant, "From the hour that begins then on."),
            Argument::optional("until", Type::Instant, "Up to the hour that begins then."),
        ],
        result: "the refusals, by interval, as of usage",
        effect: Effect::Reads,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let interval = given.code("interval", Interval::from_code)?;
            let (since, until) = (given.instant_or_none("since")?, given.instant_or_none("until")?);
            Ok(engine.refusals(interval, since, until)?.to_json())
        },
    },
    Operation {
        name: "events",
        summary: "Lists what has happened to tenants, the oldest first. Events stay until \
                  acknowledge_events.",
        arguments: &[
            Argument::optional(
                "after",
                Type::Units,
                "The number of the last event that was seen. From the first unless given.",
            ),
            Argument::optional(
                "most",
                Type::Units,
                "How many at most: 1 to 10,000; 1,000 unless given.",
            ),
        ],
        result: "a list of events, each with its number",
        effect: Effect::Reads,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let after = given.units_or_none("after")?.unwrap_or_default();
            json(&engine.events(after, given.count_or_none("most")?.unwrap_or(MOST))?)
        },
    },
    Operation {
        name: "acknowledge_events",
        summary: "Forgets all events up to and including the one with this number.",
        arguments: &[Argument::required("up_to", Type::Units, "The number of the last one.")],
        result: "how many were forgotten",
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.acknowledge_events(given.units("up_to")?)?),
    },
    Operation {
        name: "metrics",
        summary: "Returns figures for monitoring: of all tenants together, without naming one, and \
                  of this process.",
        arguments: &[],
        result: "{\"tenants\", \"used\", \"returned\" ([{\"resource\", \"units\"}]), \"denied\", \
                 \"shadowed\" ([{\"reason\", \"resource\", \"decisions\"}]), \"settled_periods\", \
                 \"live_file_bytes\", \"live_file_used_bytes\", \"process\": {\"lock_waits\", \
                 \"lock_wait_us\", \"checkpoint_rows\"}}",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, _| json(&engine.metrics()?),
    },
    Operation {
        name: "audit_trail",
        summary: "Lists the latest administrative changes, the latest first.",
        arguments: &[
            Argument::optional("tenant", Type::Text, "Of this tenant; else of all."),
            Argument::optional(
                "most",
                Type::Units,
                "How many at most: 1 to 10,000; 1,000 unless given.",
            ),
        ],
        result: "[{\"id\", \"at\", \"tenant\", \"what\", \"detail\"}]",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| {
            let most = given.count_or_none("most")?.unwrap_or(MOST);
            json(&engine.audit_trail(given.text_or_none("tenant")?, most)?)
        },
    },
];

fn role(given: &Arguments<'_>) -> Result<Role, Error> {
    Ok(given.code_or_none("role", Role::from_code)?.unwrap_or(Role::Manager))
}

/// Writes a report as a page: of a tenant and a resource, for a role, in a language.
type Write = fn(&Engine, &str, &str, Role, Language) -> Result<String, Error>;

fn page(engine: &Engine, given: &Arguments<'_>) -> Result<Value, Error> {
    let (tenant, language) = (given.text("tenant")?, given.code("language", Language::from_code)?);
    let (resource, role) = (given.text_or_none("resource")?, role(given)?);
    let write = given.code("what", |code| {
        let write: Write = match code {
            "statement" => |it, tenant, _, _, say| Ok(it.statement(tenant)?.to_page(say)),
            "balances" => |it, tenant, _, _, say| Ok(it.balances(tenant)?.to_page(say)),
            "plan" => |it, tenant, _, role, say| Ok(it.plan_report(tenant, role)?.to_page(say)),
            "channels" => {
                |it, tenant, resource, _, say| Ok(it.channels(tenant, resource)?.to_page(say))
            }
            _ => return None,
        };
        Some(write)
    })?;
    write(engine, tenant, resource.unwrap_or(CHANNELS), role, language).map(Value::from)
}

//! Operations on tenants: creating them, and changing what they may do.

use std::collections::BTreeMap;

use serde_json::Value;

use super::arguments::{Argument, ArgumentType as Type, Arguments};
use super::{Blocks, Effect, Operation, json};
use crate::TenantForm;
use crate::billing::DocumentType;
use crate::engine::{NewGrant, TenantFilter, TenantSearch};
use crate::error::Error;
use crate::rules::{Source, Status};

/// Tenants of a list, unless another number is given.
const FOUND: u32 = 100;

pub(super) const TENANT: Argument =
    Argument::required("tenant", Type::Text, "The name of the tenant.");
pub(super) const RESOURCE: Argument =
    Argument::required("resource", Type::Text, "The resource, as the catalog names it.");
const FORM: Argument =
    Argument::required("form", Type::Object("tenant form"), "What the tenant is to be.");
const CODES_OF_SOURCES: Type = Type::Code(|| {
    Source::ALL.into_iter().filter(|it| *it != Source::Plan).map(Source::code).collect()
});

/// Names of a page, unless another number is given.
const PAGE: u32 = 1_000;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "tenants",
        summary: "Lists the names of tenants, sorted: all of them, or page by page.",
        arguments: &[
            Argument::optional("after", Type::Text, "Only names after this one: a page's last."),
            Argument::optional(
                "most",
                Type::Units,
                "How many at most: 1 to 10,000. Without `after` all unless given, else 1,000.",
            ),
        ],
        result: "a list of texts",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| {
            let (after, most) = (given.text_or_none("after")?, given.count_or_none("most")?);
            match (after, most) {
                (None, None) => json(&engine.tenants()?),
                (after, most) => {
                    let most = most.unwrap_or(PAGE);
                    json(&engine.tenants_after(after.unwrap_or_default(), most)?)
                }
            }
        },
    },
    Operation {
        name: "find_tenants",
        summary: "Lists tenants by name, as of the last checkpoint: those whose name, or whose \
                  account holder's, has a text, and that a filter lets through.",
        arguments: &[
            Argument::optional("text", Type::Text, "A part of a name. Any unless given."),
            Argument::optional(
                "filter",
                Type::Code(|| TenantFilter::ALL.map(TenantFilter::code).to_vec()),
                "A status; nearly_used_up: nine tenths of something; over_limit. All unless given.",
            ),
            Argument::optional(
                "after",
                Type::Text,
                "The last name of the page before. From the first unless given.",
            ),
            Argument::optional(
                "most",
                Type::Units,
                "How many at most: 1 to 1,000; 100 unless given.",
            ),
        ],
        result: "[{\"name\", \"status\", \"trade_name\", \"plan\"}]",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| {
            let search = TenantSearch {
                text: given.text_or_none("text")?.unwrap_or_default(),
                filter: given.code_or_none("filter", TenantFilter::from_code)?,
                after: given.text_or_none("after")?.unwrap_or_default(),
            };
            json(&engine.find_tenants(&search, given.count_or_none("most")?.unwrap_or(FOUND))?)
        },
    },
    Operation {
        name: "count_tenants",
        summary: "Counts tenants by status, and by plan.",
        arguments: &[],
        result: "{\"by_status\": {status: count}, \"by_plan\": {plan: count}}",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, _| {
            let statuses = engine.count_tenants()?;
            let by_status: BTreeMap<_, _> =
                statuses.into_iter().map(|(status, count)| (status.code(), count)).collect();
            let by_plan: BTreeMap<_, _> = engine.tenants_on_plans()?.into_iter().collect();
            json(&serde_json::json!({ "by_status": by_status, "by_plan": by_plan }))
        },
    },
    Operation {
        name: "create_tenant",
        summary: "Creates a tenant with its plan, extras, account holder, limits and features: all \
                  or nothing. A tenant of that name that exists already is an error.",
        arguments: &[FORM],
        result: "null",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let form = TenantForm::parse(&given.object("form")?)?;
            json(&form.with(|new| engine.create_tenant(new))?)
        },
    },
    Operation {
        name: "ensure_tenant",
        summary: "As create_tenant, but a tenant of that name that exists already is left as it \
                  is, and is no error.",
        arguments: &[FORM],
        result: "true, or false where there was such a tenant",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let form = TenantForm::parse(&given.object("form")?)?;
            json(&form.with(|new| engine.ensure_tenant(new))?)
        },
    },
    Operation {
        name: "ensure_tenants",
        summary: "As ensure_tenant, for many, 200 in one transaction: this is how thousands are \
                  imported. Where it fails, some may have been created; calling it again goes on.",
        arguments: &[Argument::required("forms", Type::List("tenant form"), "The tenants.")],
        result: "how many were created",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let forms = TenantForm::parse_all(&given.list("forms")?)?;
            json(&TenantForm::with_all(&forms, |tenants| engine.ensure_tenants(tenants))?)
        },
    },
    Operation {
        name: "register",
        summary: "Registers an account, for hosts that do not keep their own users: as \
                  create_tenant, but the holder is mandatory, and with it the administrator, who \
                  becomes the first user and takes a seat. The error names every field that is \
                  wrong.",
        arguments: &[FORM],
        result: "the name of the tenant",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.register_form(&given.object("form")?)?),
    },
    Operation {
        name: "validate",
        summary: "Looks at an account as register would, and changes nothing.",
        arguments: &[FORM],
        result: "{\"problems\": [{\"field\", \"code\", \"message\"}] (everything that is wrong), \
                 \"summary\" (what would be created, or null)}",
        effect: Effect::Reads,
        blocks: Blocks::OtherChanges,
        run: |engine, given| json(&engine.validate_form(&given.object("form")?)?),
    },
    Operation {
        name: "validate_document",
        summary: "Checks that a CPF or CNPJ is well-formed, that its check digits are right, and \
                  that no tenant has it.",
        arguments: &[
            Argument::required("document", Type::Text, "The CPF or CNPJ, as a person writes it."),
            Argument::required(
                "type",
                Type::Code(|| DocumentType::ALL.map(DocumentType::code).to_vec()),
                "Which of them it is.",
            ),
        ],
        result: "the document in its normal form",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| {
            let kind = given.code("type", DocumentType::from_code)?;
            json(&engine.validate_document(given.text("document")?, kind)?.as_str())
        },
    },
    Operation {
        name: "account_holder",
        summary: "Returns whose account a tenant is. It is personal.",
        arguments: &[TENANT],
        result: "the account holder, or null where none is known",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| json(&engine.account_holder(given.text("tenant")?)?),
    },
    Operation {
        name: "set_status",
        summary: "Moves a tenant to another status. A move that the rules do not have is an error, \
                  unless an operator makes it; it is audited then.",
        arguments: &[
            TENANT,
            Argument::required(
                "status",
                Type::Code(|| Status::ALL.map(Status::code).to_vec()),
                "The new status.",
            ),
            Argument::optional("reason", Type::Text, "Why, for people. Empty unless given."),
            Argument::optional(
                "as_operator",
                Type::Flag,
                "Whether an operator makes a move that the rules do not have. False unless given.",
            ),
        ],
        result: "null",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let status = given.code("status", Status::from_code)?;
            let reason = given.text_or_none("reason")?.unwrap_or_default();
            let as_operator = given.flag_or_none("as_operator")?.unwrap_or_default();
            json(&engine.set_status(given.text("tenant")?, status, reason, as_operator)?)
        },
    },
    Operation {
        name: "set_limit",
        summary: "Changes the limit that a tenant's plan gives it. Lowering takes back only units \
                  of the plan that are not used; extras stay.",
        arguments: &[TENANT, RESOURCE, Argument::required("limit", Type::Limit, "The limit.")],
        result: "null",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let limit = given.limit("limit")?;
            json(&engine.set_limit(given.text("tenant")?, given.text("resource")?, limit)?)
        },
    },
    Operation {
        name: "set_own_limit",
        summary: "Overrides a limit for one tenant, on its present plan and on later ones.",
        arguments: &[
            TENANT,
            RESOURCE,
            Argument::nullable("limit", Type::Limit, "The limit. Null: as its plan says."),
        ],
        result: "null",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let limit = given.limit_or_none("limit")?;
            json(&engine.set_own_limit(given.text("tenant")?, given.text("resource")?, limit)?)
        },
    },
    Operation {
        name: "set_feature",
        summary: "Overrides a feature of the plan for one tenant.",
        arguments: &[
            TENANT,
            Argument::required("name", Type::Text, "The feature, as the catalog names it."),
            Argument::nullable("feature", Type::Feature, "How it is. Null: as its plan says."),
        ],
        result: "null",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let feature = given.feature_or_none("feature")?;
            let (tenant, name) = (given.text("tenant")?, given.text("name")?);
            json(&engine.set_feature(tenant, name, feature.as_ref())?)
        },
    },
    Operation {
        name: "feature",
        summary: "Returns a feature as the tenant has it, its plan's or its own.",
        arguments: &[
            TENANT,
            Argument::required("name", Type::Text, "The feature, as the catalog names it."),
        ],
        result: "true, false, or its level",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| {
            json(&engine.tenant(given.text("tenant")?)?.feature(given.text("name")?)?)
        },
    },
    Operation {
        name: "grant",
        summary: "Gives a tenant units on top of its plan's, which survive renewal.",
        arguments: &[
            TENANT,
            RESOURCE,
            Argument::required("units", Type::Units, "How many, at least 1."),
            Argument::optional(
                "source",
                CODES_OF_SOURCES,
                "Where they come from: extra unless given.",
            ),
            Argument::optional(
                "priority",
                Type::Number,
                "Units of a lower priority are used first: from -1,000 to 1,000, 10 unless given; \
                 the plan's have 0.",
            ),
            Argument::optional("starts_at", Type::Instant, "When they begin to count: now."),
            Argument::optional(
                "expires_at",
                Type::Instant,
                "When they cease to count: unless given, when they are used up.",
            ),
        ],
        result: "null",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: grant,
    },
    Operation {
        name: "seats",
        summary: "Lists who holds seats of a resource.",
        arguments: &[TENANT, RESOURCE],
        result: "[{\"holder\", \"since\", \"pending\", \"has_token\"}]",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| {
            let tenant = engine.tenant(given.text("tenant")?)?;
            json(&tenant.seats(given.text("resource")?)?.list()?)
        },
    },
    Operation {
        name: "verify_token",
        summary: "Finds the seat that a token opens. It takes the same time whether the token is \
                  nearly right or not.",
        arguments: &[Argument::required("token", Type::Text, "The token of a channel.")],
        result: "{\"tenant\", \"resource\", \"holder\"}, or null",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| json(&engine.verify_token(given.text("token")?)?),
    },
    Operation {
        name: "settle",
        summary: "Settles a tenant at the clock's now: what its next decision would do first.",
        arguments: &[TENANT],
        result: "null",
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.settle(given.text("tenant")?)?),
    },
    Operation {
        name: "confirm_clock",
        summary: "Believes a clock that ran more than a day ahead of the time since the boot, for \
                  all tenants, or that shows more than 400 days past all that the tenant has seen, \
                  and settles it there.",
        arguments: &[TENANT],
        result: "null",
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.confirm_clock(given.text("tenant")?)?),
    },
    Operation {
        name: "export",
        summary: "Returns everything that is stored of a tenant, for it to take along. It is \
                  personal.",
        arguments: &[TENANT],
        result: "text: one JSON document a line, each with \"kind\" and \"data\"",
        effect: Effect::Reads,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.export(given.text("tenant")?)?),
    },
    Operation {
        name: "erase",
        summary: "Erases a cancelled tenant: all that is personal is deleted at once, and its name \
                  is free again; only what its invoices say is kept, as long as the catalog's \
                  fiscal_retention says. A tenant that owes something is an error.",
        arguments: &[
            TENANT,
            Argument::optional(
                "cancel_debt",
                Type::Flag,
                "Whether its open invoices are cancelled. False unless given.",
            ),
        ],
        result: "how many invoices were cancelled",
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let cancel_debt = given.flag_or_none("cancel_debt")?.unwrap_or_default();
            json(&engine.erase(given.text("tenant")?, cancel_debt)?.len())
        },
    },
    Operation {
        name: "erased_accounts",
        summary: "Lists the invoice data that is kept of erased tenants. It is personal.",
        arguments: &[Argument::optional("name", Type::Text, "Of those of this name; else of all.")],
        result: "a list of what their invoices say",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| json(&engine.erased_accounts(given.text_or_none("name")?)?),
    },
    Operation {
        name: "ended_demos",
        summary: "Lists the demonstrations that have ended and can be purged.",
        arguments: &[],
        result: "a list of their names",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, _| json(&engine.ended_demos()?),
    },
    Operation {
        name: "purge_demo",
        summary: "Deletes a demonstration that has ended, with all that was stored of it. Any \
                  other tenant is refused.",
        arguments: &[TENANT],
        result: "null",
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.purge_demo(given.text("tenant")?)?),
    },
    Operation {
        name: "remove_ended_trials",
        summary: "Announces and removes demonstrations that have ended, as maintenance does, by \
                  the engine's clock.",
        arguments: &[],
        result: "how many were removed; the audit trail names them",
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, _| json(&engine.remove_ended_trials()?.len()),
    },
];

fn grant(engine: &crate::Engine, given: &Arguments<'_>) -> Result<Value, Error> {
    let source = given.code_or_none("source", Source::from_code)?.unwrap_or(Source::Extra);
    let new = NewGrant {
        priority: given.number_or_none("priority")?,
        starts_at: given.instant_or_none("starts_at")?,
        expires_at: given.instant_or_none("expires_at")?,
        ..NewGrant::new(source, given.units("units")?)
    };
    json(&engine.grant_as(given.text("tenant")?, given.text("resource")?, &new, None)?)
}

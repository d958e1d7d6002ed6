//! Operations on what tenants subscribe to.

use chrono::NaiveDate;

use super::arguments::{Argument, ArgumentType as Type, Arguments};
use super::tenants::TENANT;
use super::{Blocks, Effect, Operation, json};
use crate::Engine;
use crate::billing::PaymentMethod;
use crate::engine::{PlanChange, Terms};
use crate::error::Error;

const PLAN: Argument = Argument::required("plan", Type::Text, "The plan, as the catalog names it.");
const FIRST_DUE: &str = "The due date that ends the first period; its day is the day of all later \
                         ones.";
const AUTO_RENEW: Argument = Argument::optional(
    "auto_renew",
    Type::Flag,
    "Whether units are restored the day after each due date. As now unless given.",
);
/// What becomes of the running period, and all that depends on it.
const USAGE: Argument = Argument::optional(
    "usage",
    Type::Code(|| vec!["restart", "carry"]),
    "restart (unless given): the running period ends, is billed in full, and one begins that ends \
     on first_due. carry: period, due date and usage stay as they are.",
);
const FIRST_DUE_OF_CHANGE: Argument = Argument::optional("first_due", Type::Date, FIRST_DUE);
const ANCHOR_DAY: Argument = Argument::optional(
    "anchor_day",
    Type::Units,
    "The day of the month of all later due dates, 1 to 31. The first due date's unless given.",
);

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "change_plan",
        summary: "Puts a tenant on a plan now. For operators: a customer's own page calls \
                  choose_plan.",
        arguments: &[TENANT, PLAN, USAGE, FIRST_DUE_OF_CHANGE, ANCHOR_DAY, AUTO_RENEW],
        result: "null",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let tenant = given.text("tenant")?;
            json(&match change(engine, given)? {
                PlanChange::Restart(terms) => engine.change_plan(tenant, &terms, None),
                PlanChange::Carry { plan } => engine.carry_plan(tenant, plan, None),
            }?)
        },
    },
    Operation {
        name: "quote_plan_change",
        summary: "Returns what change_plan would cost with the same arguments. Changes nothing.",
        arguments: &[TENANT, PLAN, USAGE, FIRST_DUE_OF_CHANGE, ANCHOR_DAY, AUTO_RENEW],
        result: "{\"billing\", \"due_now_cents\", \"invoices\": [{\"due\", \"amount_cents\", \
                 \"currency\", \"lines\"}], \"withdrawn\" (numbers of invoices)}",
        effect: Effect::Reads,
        blocks: Blocks::OtherChanges,
        run: |engine, given| {
            let change = change(engine, given)?;
            json(&engine.quote_plan_change(given.text("tenant")?, &change)?)
        },
    },
    Operation {
        name: "choose_plan",
        summary: "Chooses a plan that begins when its first invoice is paid; until then the \
                  present one goes on.",
        arguments: &[
            TENANT,
            PLAN,
            Argument::optional(
                "first_due",
                Type::Date,
                "The due date that ends the first period. Unless given: one period after the \
                 payment.",
            ),
            ANCHOR_DAY,
            Argument::required(
                "payment_type",
                Type::Text,
                "How it is paid: a label of the host's own, such as Manual or Asaas.",
            ),
            AUTO_RENEW,
        ],
        result: "the number of that invoice, or null where the plan costs nothing and has begun",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let terms = terms(engine, given, given.date_or_none("first_due")?)?;
            let payment_type = given.text("payment_type")?;
            json(&engine.choose_plan(given.text("tenant")?, &terms, payment_type, None)?)
        },
    },
    Operation {
        name: "schedule_plan",
        summary: "Has a tenant join another plan when its present period ends.",
        arguments: &[TENANT, PLAN],
        result: "the due date on which it does",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            json(&engine.schedule_plan(given.text("tenant")?, given.text("plan")?, None)?)
        },
    },
    Operation {
        name: "cancel_scheduled_plan",
        summary: "Takes back what schedule_plan did: the present plan goes on.",
        arguments: &[TENANT],
        result: "whether a plan was scheduled",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.cancel_scheduled_plan(given.text("tenant")?)?),
    },
    Operation {
        name: "move_to_newest_version",
        summary: "Moves a tenant to its plan as the catalog in force has it: until then it keeps \
                  the version that it joined.",
        arguments: &[TENANT],
        result: "whether it was on an older version",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.move_to_newest_version(given.text("tenant")?)?),
    },
    Operation {
        name: "set_auto_renew",
        summary: "Switches automatic renewal on or off; the present period goes on to its end.",
        arguments: &[
            TENANT,
            Argument::required("auto_renew", Type::Flag, "Whether it renews by itself."),
        ],
        result: "whether it was otherwise before",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            json(&engine.set_auto_renew(given.text("tenant")?, given.flag("auto_renew")?)?)
        },
    },
    Operation {
        name: "set_due_date",
        summary: "Sets the due date of the period that follows the present one. Its day is the day \
                  of all later ones.",
        arguments: &[
            TENANT,
            Argument::required(
                "next_due",
                Type::Date,
                "Later than the present due date, and at most two periods after it.",
            ),
        ],
        result: "{\"from\", \"to\", \"amount_cents\" (one full price), \"currency\", \"due\"} of \
                 that period",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            json(&engine.set_due_date(given.text("tenant")?, given.date("next_due")?, None)?)
        },
    },
    Operation {
        name: "pause_subscription",
        summary: "Pauses a tenant's subscription when its running period ends: no units, periods \
                  or invoices until resume_subscription; decisions are denied.",
        arguments: &[TENANT],
        result: "the last day of the running period",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.pause_subscription(given.text("tenant")?)?),
    },
    Operation {
        name: "resume_subscription",
        summary: "Resumes a subscription that pauses: a period begins now. Before its running \
                  period has ended, that goes on.",
        arguments: &[
            TENANT,
            Argument::optional(
                "first_due",
                Type::Date,
                "When the period is due: unless given, on the same day of the month one period \
                 later. Left out where the running period goes on.",
            ),
        ],
        result: "the due date of the period that runs then",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let first_due = given.date_or_none("first_due")?;
            json(&engine.resume_subscription(given.text("tenant")?, first_due)?)
        },
    },
    Operation {
        name: "what_if",
        summary: "Lists what of a tenant's seats, leases and meters would be over its limit on \
                  another plan.",
        arguments: &[TENANT, PLAN],
        result: "[{\"resource\", \"used\", \"limit\"}]",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| json(&engine.what_if(given.text("tenant")?, given.text("plan")?)?),
    },
    Operation {
        name: "set_own_price",
        summary: "Overrides the price of a plan's period for one tenant. It applies at once to \
                  invoices that are not due yet and have no charge.",
        arguments: &[
            TENANT,
            PLAN,
            Argument::nullable("price_cents", Type::Cents, "Null: as the catalog says."),
        ],
        result: "null",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let price = given.cents_or_none("price_cents")?;
            json(&engine.set_own_price(given.text("tenant")?, given.text("plan")?, price)?)
        },
    },
    Operation {
        name: "set_payment_form",
        summary: "Changes how the next invoices are paid, and what the gateway calls the \
                  subscription.",
        arguments: &[
            TENANT,
            Argument::required(
                "payment_type",
                Type::Text,
                "How they are paid: a label of the host's own, such as Manual or Asaas.",
            ),
            Argument::optional(
                "gateway_id",
                Type::Text,
                "The subscription's id at the gateway. Unless given, it has none.",
            ),
        ],
        result: "null",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let (payment_type, id) =
                (given.text("payment_type")?, given.text_or_none("gateway_id")?);
            json(&engine.set_payment_form(given.text("tenant")?, payment_type, id)?)
        },
    },
    Operation {
        name: "set_payment_method",
        summary: "Changes by which method the next invoices are paid at the gateway. Invoices that \
                  exist and are not paid follow.",
        arguments: &[
            TENANT,
            Argument::required(
                "method",
                Type::Code(|| PaymentMethod::ALL.map(PaymentMethod::code).to_vec()),
                "The method.",
            ),
        ],
        result: "null",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let method = given.code("method", PaymentMethod::from_code)?;
            json(&engine.set_payment_method(given.text("tenant")?, method)?)
        },
    },
    Operation {
        name: "subscriptions",
        summary: "Lists the current and the past subscriptions of a tenant, the latest first.",
        arguments: &[TENANT],
        result: "a list of subscriptions",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| json(&engine.subscriptions(given.text("tenant")?)?),
    },
    Operation {
        name: "periods",
        summary: "Lists the closed periods of a tenant, the oldest first.",
        arguments: &[TENANT],
        result: "a list of periods",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| json(&engine.periods(given.text("tenant")?)?),
    },
];

/// What becomes of the running period.
fn change<'a>(engine: &Engine, given: &Arguments<'a>) -> Result<PlanChange<'a>, Error> {
    let wrong = |why: &str| match given.argument("first_due") {
        Ok(argument) => argument.error(why),
        Err(error) => error,
    };
    let carries = given.code_or_none("usage", |code| match code {
        "restart" => Some(false),
        "carry" => Some(true),
        _ => None,
    })?;
    match (carries.unwrap_or_default(), given.date_or_none("first_due")?) {
        (false, first_due @ Some(_)) => Ok(PlanChange::Restart(terms(engine, given, first_due)?)),
        (true, None) if given.flag_or_none("auto_renew")?.is_none() => {
            Ok(PlanChange::Carry { plan: given.text("plan")? })
        }
        (false, None) => Err(wrong("it is missing; a period that begins needs a date YYYY-MM-DD")),
        (true, Some(_)) => Err(wrong("the running period goes on; leave it out, or restart")),
        (true, None) => {
            let argument = given.argument("auto_renew")?;
            Err(argument.error("it stays as it is; leave it out, or call set_auto_renew"))
        }
    }
}

/// A plan, and until when and how it goes.
fn terms<'a>(
    engine: &Engine,
    given: &Arguments<'a>,
    first_due: Option<NaiveDate>,
) -> Result<Terms<'a>, Error> {
    let auto_renew = if let Some(auto_renew) = given.flag_or_none("auto_renew")? {
        auto_renew
    } else {
        let present = engine.report(given.text("tenant")?)?.subscription;
        present.is_some_and(|present| present.auto_renew)
    };
    let anchor_day = given.count_or_none("anchor_day")?;
    Ok(Terms { plan: given.text("plan")?, first_due, anchor_day, auto_renew })
}

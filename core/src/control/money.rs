//! Operations on purchases, invoices and payments.

use serde_json::Value;

use super::arguments::{Argument, ArgumentType as Type, Arguments};
use super::tenants::TENANT;
use super::{Blocks, Effect, Operation, json};
use crate::Engine;
use crate::billing::{Gateway, PaymentEvent};
use crate::error::Error;
use crate::form::InvoiceLineForm;

const PACKAGE: Argument =
    Argument::required("package", Type::Text, "The package, as the catalog names it.");
const QUANTITY: Argument = Argument::required("quantity", Type::Units, "How many units.");
const INVOICE: Argument = Argument::required("invoice", Type::Number, "Its number.");
const GATEWAY: Argument = Argument::required(
    "gateway",
    Type::Code(|| Gateway::ALL.map(Gateway::code).to_vec()),
    "The payment gateway.",
);
const OUTCOME: &str = "{\"outcome\" (applied, subscription_ended, unmatched, paid_again, \
                       duplicate, ignored or refused), \"invoice\", \"status\" (of the invoice \
                       now), \"subscription\", \"because\" (why it is ignored: unknown_event, \
                       unknown_payment or nothing_to_do)}. All but refused may be acknowledged.";

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "quote_package",
        summary: "Returns what a quantity of a package costs: the cheapest exact composition of \
                  sizes.",
        arguments: &[PACKAGE, QUANTITY],
        result: "{\"amount_cents\", \"packages\": [[size, count]], \"hint\" (a larger quantity \
                 that costs less): {\"quantity\", \"amount_cents\"}}",
        effect: Effect::Reads,
        blocks: Blocks::Never,
        run: |engine, given| {
            json(&engine.quote_package(given.text("package")?, given.units("quantity")?)?)
        },
    },
    Operation {
        name: "buy",
        summary: "Buys on top of a plan: an invoice over the full price is due at once, and what \
                  was bought is given when it is paid.",
        arguments: &[TENANT, PACKAGE, QUANTITY],
        result: "{\"invoice\", \"quote\" (as of quote_package), \"next_due\" (when it is charged \
                 again, or null), \"next_total_cents\" (all that is charged then), \"replayed\" \
                 (whether it was bought under the same key before)}",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: buy,
    },
    Operation {
        name: "end_purchase",
        summary: "Ends what is charged again with every due date, by an invoice of its purchase. \
                  What was paid for stays to the end of its period. Ended before, it changes \
                  nothing.",
        arguments: &[INVOICE],
        result: "the last day on which it counts, or null where nothing of it does",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.end_purchase(given.number("invoice")?)?),
    },
    Operation {
        name: "invoices",
        summary: "Lists the invoices of a tenant, by due date.",
        arguments: &[TENANT],
        result: "a list of invoices",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| json(&engine.invoices(given.text("tenant")?)?),
    },
    Operation {
        name: "tenant_of_invoice",
        summary: "Returns whose invoice it is.",
        arguments: &[INVOICE],
        result: "the name of the tenant, or null where there is no such invoice",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| json(&engine.tenant_of_invoice(given.number("invoice")?)?),
    },
    Operation {
        name: "preview_invoice",
        summary: "Returns the invoice that will be written when the running period ends.",
        arguments: &[TENANT],
        result: "{\"due\", \"amount_cents\", \"currency\", \"lines\"}, or null if no invoice \
                 follows",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| json(&engine.preview_invoice(given.text("tenant")?)?),
    },
    Operation {
        name: "create_invoice",
        summary: "Writes an invoice manually: it pays what its lines say and gives nothing.",
        arguments: &[
            TENANT,
            Argument::required("due", Type::Date, "Its due date: today or later."),
            Argument::required("lines", Type::List("invoice line"), "From 1 to 100 lines."),
        ],
        result: "its number",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let lines = InvoiceLineForm::parse_all(&given.list("lines")?)?;
            let lines: Vec<_> = lines.iter().map(InvoiceLineForm::line).collect();
            json(&engine.create_invoice(given.text("tenant")?, given.date("due")?, &lines, None)?)
        },
    },
    Operation {
        name: "add_invoice_line",
        summary: "Adds a line to an invoice. Where the invoice has a charge already, or is paid, \
                  the line goes to a further one with the same due date.",
        arguments: &[
            INVOICE,
            Argument::required("line", Type::Object("invoice line"), "The line."),
        ],
        result: "the number of the invoice that has it",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let line = InvoiceLineForm::parse(&given.object("line")?)?;
            json(&engine.add_invoice_line(given.number("invoice")?, &line.line(), None)?)
        },
    },
    Operation {
        name: "mark_paid",
        summary: "Pays an invoice that was paid manually. Paid already, it changes nothing.",
        arguments: &[
            INVOICE,
            Argument::optional("paid_on", Type::Date, "The day of payment. Today unless given."),
        ],
        result: "null",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            json(&engine.mark_paid(given.number("invoice")?, given.date_or_none("paid_on")?)?)
        },
    },
    Operation {
        name: "cancel_invoice",
        summary: "Cancels an invoice that was not paid.",
        arguments: &[INVOICE],
        result: "null",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.cancel_invoice(given.number("invoice")?)?),
    },
    Operation {
        name: "split_invoice",
        summary: "Has the invoice of a purchase, or of joining a plan, be paid in monthly \
                  instalments; what it pays for is given with the first.",
        arguments: &[
            INVOICE,
            Argument::required("parts", Type::Units, "How many instalments: 2 to 24."),
        ],
        result: "the numbers of the instalments",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let parts = given.count_or_none("parts")?.unwrap_or_default();
            json(&engine.split_invoice(given.number("invoice")?, parts)?)
        },
    },
    Operation {
        name: "set_webhook_token",
        summary: "Sets the token that a gateway sends with its events. Only its keyed hash is \
                  kept.",
        arguments: &[GATEWAY, Argument::required("token", Type::Text, "The token.")],
        result: "null",
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, given| {
            json(&engine.set_webhook_token(gateway(given)?, given.text("token")?)?)
        },
    },
    Operation {
        name: "payment_event",
        summary: "Takes a payment event as it came to the host's web handler. An event is applied \
                  once, however often it comes.",
        arguments: &[
            GATEWAY,
            Argument::required("body", Type::Text, "The body of the webhook, as it came."),
            Argument::required("token", Type::Text, "The token that came with it."),
        ],
        result: OUTCOME,
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let (body, token) = (given.text("body")?.as_bytes(), given.text("token")?);
            json(&engine.payment_event(gateway(given)?, body, token)?)
        },
    },
    Operation {
        name: "apply_payment",
        summary: "As payment_event, for an event that the host has read itself, from a queue or a \
                  poll, and of whose sender it has made sure.",
        arguments: &[Argument::required("event", Type::Object("payment event"), "The event.")],
        result: OUTCOME,
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let event = PaymentEvent::parse(&given.object("event")?)?;
            json(&engine.apply_payment(&event)?)
        },
    },
    Operation {
        name: "payments",
        summary: "Lists all charges at gateways that are known of a tenant, the latest first.",
        arguments: &[TENANT],
        result: "a list of charges",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| json(&engine.payments(given.text("tenant")?)?),
    },
    Operation {
        name: "unmatched_payments",
        summary: "Lists money that came and pays nothing, the latest first: its invoice is not \
                  written yet, was cancelled, or had been paid before.",
        arguments: &[Argument::optional(
            "tenant",
            Type::Text,
            "Of this tenant; else of all, and of none.",
        )],
        result: "a list of charges",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| json(&engine.unmatched_payments(given.text_or_none("tenant")?)?),
    },
    Operation {
        name: "assign_payment",
        summary: "Has money that pays nothing pay an invoice, whatever the amount; one that was \
                  cancelled is paid as well. Assigned before, it changes nothing.",
        arguments: &[
            GATEWAY,
            Argument::required("payment", Type::Text, "The charge's id at the gateway."),
            INVOICE,
        ],
        result: "null",
        effect: Effect::ChangesOnce,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let (payment, invoice) = (given.text("payment")?, given.number("invoice")?);
            json(&engine.assign_payment(gateway(given)?, payment, invoice)?)
        },
    },
];

fn gateway(given: &Arguments<'_>) -> Result<Gateway, Error> {
    given.code("gateway", Gateway::from_code)
}

fn buy(engine: &Engine, given: &Arguments<'_>) -> Result<Value, Error> {
    let (package, quantity) = (given.text("package")?, given.units("quantity")?);
    let purchase = engine.buy(given.text("tenant")?, package, quantity, None)?;
    let mut document = json(&purchase)?;
    if let Value::Object(members) = &mut document {
        members.insert("replayed".to_owned(), purchase.replayed.into());
    }
    Ok(document)
}

//! Operations on webhooks: where `cotas serve` sends events.

use serde_json::json as literal;

use super::arguments::{Argument, ArgumentType as Type};
use super::{Blocks, Effect, Operation, json};

const WEBHOOK: Argument = Argument::required("webhook", Type::Number, "Its number.");
/// Dead letters of a list, unless another number is given.
const MOST: u32 = 1_000;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "webhooks",
        summary: "Lists the webhooks: where cotas serve sends events.",
        arguments: &[],
        result: "[{\"id\", \"url\", \"created_at\", \"waiting\", \"dead\", \"dropped\" (events), \
                 \"failure\" (of the latest event that has not arrived)}]",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, _| json(&engine.webhooks().list()?),
    },
    Operation {
        name: "add_webhook",
        summary: "Adds a webhook, which gets every event from now on. An address that has one is \
                  an error.",
        arguments: &[Argument::required(
            "url",
            Type::Text,
            "The address of the receiver, such as https://example.com/hooks.",
        )],
        result: "{\"id\", \"secret\" (what deliveries are signed with, given this once)}",
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.webhooks().add(given.text("url")?)?),
    },
    Operation {
        name: "rotate_webhook",
        summary: "Gives a webhook another secret, with which its next delivery is signed.",
        arguments: &[WEBHOOK],
        result: "{\"id\", \"secret\" (given this once)}, or null where there is no such webhook",
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.webhooks().rotate(given.number("webhook")?)?),
    },
    Operation {
        name: "remove_webhook",
        summary: "Removes a webhook, with the events that it has not got yet.",
        arguments: &[WEBHOOK],
        result: "whether there was such a webhook",
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.webhooks().remove(given.number("webhook")?)?),
    },
    Operation {
        name: "dead_deliveries",
        summary: "Lists the dead letters: events that a receiver did not take in any attempt.",
        arguments: &[
            Argument::optional("webhook", Type::Number, "Of this webhook; else of all."),
            Argument::optional(
                "most",
                Type::Units,
                "How many at most: 1 to 10,000; 1,000 unless given.",
            ),
        ],
        result: "[{\"webhook\", \"attempts\", \"failure\" (of the last one), \"event\"}]",
        effect: Effect::Reads,
        blocks: Blocks::ReadsStore,
        run: |engine, given| {
            let most = given.count_or_none("most")?.unwrap_or(MOST);
            json(&engine.webhooks().dead(given.number_or_none("webhook")?, most)?)
        },
    },
    Operation {
        name: "resend_deliveries",
        summary: "Has dead letters of a webhook tried again.",
        arguments: &[
            WEBHOOK,
            Argument::optional("sequence", Type::Units, "Only the event of this number."),
        ],
        result: "{\"resent\"}: how many",
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let sequence = given.units_or_none("sequence")?;
            let resent = engine.webhooks().resend(given.number("webhook")?, sequence)?;
            json(&literal!({ "resent": resent }))
        },
    },
];

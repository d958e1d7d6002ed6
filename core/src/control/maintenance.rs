//! Operations on the database as a whole.

use serde_json::json as literal;

use super::arguments::{Argument, ArgumentType as Type};
use super::{Blocks, Effect, Operation, json};
use crate::Catalog;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "load_catalog",
        summary: "Puts a catalog in force, TOML or JSON. Tenants keep the version of their plan \
                  until they are moved. Refused if it takes something from tenants, unless that \
                  is confirmed.",
        arguments: &[
            Argument::required("text", Type::Text, "What the catalog says."),
            Argument::optional(
                "name",
                Type::Text,
                "What messages call it; one that ends in .json is JSON. catalog.toml unless given.",
            ),
            Argument::optional(
                "confirm",
                Type::Flag,
                "Load it also if it takes something from tenants.",
            ),
        ],
        result: "its version",
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, given| {
            let name = given.text_or_none("name")?.unwrap_or("catalog.toml");
            let catalog = Catalog::parse(given.text("text")?, name)?;
            if given.flag_or_none("confirm")?.unwrap_or(false) {
                json(&engine.load_catalog_confirmed(&catalog)?)
            } else {
                json(&engine.load_catalog(&catalog)?)
            }
        },
    },
    Operation {
        name: "catalog_losses",
        summary: "Reads a catalog, TOML or JSON, and returns what loading it would take from \
                  tenants.",
        arguments: &[
            Argument::required("text", Type::Text, "What the catalog says."),
            Argument::optional(
                "name",
                Type::Text,
                "What messages call it; one that ends in .json is JSON. catalog.toml unless given.",
            ),
        ],
        result: "[{\"what\" (resource, plan, action or currency), \"name\", \"tenants\", \
                 \"units\", \"why\"}], empty where it takes nothing",
        effect: Effect::Reads,
        blocks: Blocks::OtherChanges,
        run: |engine, given| {
            let name = given.text_or_none("name")?.unwrap_or("catalog.toml");
            json(&engine.catalog_losses(&Catalog::parse(given.text("text")?, name)?)?)
        },
    },
    Operation {
        name: "compare_catalog",
        summary: "Checks a catalog as load_catalog would, and lists what it changes beside the one \
                  in force. Changes nothing.",
        arguments: &[
            Argument::required("text", Type::Text, "What the catalog says."),
            Argument::optional(
                "name",
                Type::Text,
                "What messages call it; one that ends in .json is JSON. catalog.toml unless given.",
            ),
        ],
        result: "[{\"what\", \"before\", \"after\", \"takes\" (whether it takes something away)}]",
        effect: Effect::Reads,
        blocks: Blocks::Never,
        run: |engine, given| {
            let name = given.text_or_none("name")?.unwrap_or("catalog.toml");
            let (_, in_force) = engine.catalog()?;
            json(&Catalog::parse(given.text("text")?, name)?.changes_from(&in_force))
        },
    },
    Operation {
        name: "catalog",
        summary: "Returns the catalog in force.",
        arguments: &[],
        result: "{\"version\", \"catalog\"}",
        effect: Effect::Reads,
        blocks: Blocks::Never,
        run: |engine, _| {
            let (version, catalog) = engine.catalog()?;
            json(&literal!({ "version": version, "catalog": catalog }))
        },
    },
    Operation {
        name: "opening",
        summary: "Returns how the live file was found when this process opened it.",
        arguments: &[],
        result: "{\"origin\" (adopted, joined or rebuilt), \"why\", \"may_miss_consumption\", \
                 \"zone_rules\"}",
        effect: Effect::Reads,
        blocks: Blocks::Never,
        run: |engine, _| json(engine.opening()),
    },
    Operation {
        name: "live_path",
        summary: "Returns where the live file lies, which every process that decides has mapped.",
        arguments: &[],
        result: "a path, or null in memory",
        effect: Effect::Reads,
        blocks: Blocks::Never,
        run: |engine, _| json(&engine.live_path().map(|path| path.to_string_lossy())),
    },
    Operation {
        name: "verify",
        summary: "Proves that the ledger adds up: nothing was lost or invented. It looks at every \
                  tenant.",
        arguments: &[],
        result: "[{\"tenant\", \"what\"}], empty where it does",
        effect: Effect::Reads,
        blocks: Blocks::Disk,
        run: |engine, _| json(&engine.verify()?),
    },
    Operation {
        name: "maintain",
        summary: "Does now what maintenance does: writes what has changed to SQLite, and settles \
                  tenants whose time has come. Hosts that do it themselves call it every 100 ms or \
                  so.",
        arguments: &[],
        result: "{\"checkpointed\", \"settled\", \"removed\"}: how many tenants",
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, _| json(&engine.maintain()?),
    },
    Operation {
        name: "lag",
        summary: "Returns how far SQLite is behind what was decided: what a power cut would cost, \
                  and whether checkpoints fail.",
        arguments: &[],
        result: "{\"lag_ms\", \"failing_ms\" (null: the last checkpoint succeeded), \"failure\" \
                 (the code of the error), \"rounds_failed\", \"alarm\"}",
        effect: Effect::Reads,
        blocks: Blocks::Never,
        run: |engine, _| json(&engine.lag()),
    },
    Operation {
        name: "checkpoint",
        summary: "Writes everything that has changed to SQLite.",
        arguments: &[],
        result: "of how many tenants",
        effect: Effect::Changes,
        blocks: Blocks::Disk,
        run: |engine, _| json(&engine.checkpoint()?),
    },
    Operation {
        name: "backup",
        summary: "Copies the database, as of now, to a file that must not exist yet. The copy \
                  opens by itself anywhere.",
        arguments: &[Argument::required("target", Type::Text, "The path of that file.")],
        result: "null",
        effect: Effect::WritesFile,
        blocks: Blocks::Disk,
        run: |engine, given| json(&engine.backup(given.text("target")?)?),
    },
];

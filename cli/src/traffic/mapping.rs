//! What a file's own names mean: columns, actions, business numbers.

use std::collections::HashMap;

use chrono_tz::Tz;
use clap::Args;
use cotas::whatsapp::Kind;

use super::csv::COLUMNS;
use crate::values;

/// The value that an action is mapped to where its lines are not to be decided about.
const PASSED_OVER: &str = "-";

/// How the names of the traffic are read.
#[derive(Args, Clone, Debug, Default)]
pub struct Mapping {
    #[arg(
        long = "map",
        value_name = "WHAT=NAME",
        value_parser = mapped,
        help = "What a name of the file means: at=created_at (a column), \
            action:incoming=receive_message, action:note=- (pass over), \
            tenant:100000000000001=padaria (a number or an account); may be repeated"
    )]
    maps: Vec<Mapped>,
    /// Whose traffic it is, where the file does not say it
    #[arg(long = "tenant", value_name = "NAME")]
    pub tenant: Option<String>,
    /// What was done, where the file does not say it
    #[arg(long = "action", value_name = "NAME")]
    pub action: Option<String>,
    /// The zone of times that have none
    #[arg(long = "times-in", value_name = "ZONE", value_parser = values::time_zone)]
    pub times_in: Option<Tz>,
}

/// One name and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mapped {
    Column(&'static str, String),
    Action(String, String),
    Tenant(String, String),
}

/// Reads one `--map`.
fn mapped(text: &str) -> Result<Mapped, String> {
    let expected = || {
        format!(
            "expected COLUMN=NAME (columns: {}), action:VALUE=ACTION or tenant:NUMBER=TENANT",
            COLUMNS.join(", ")
        )
    };
    let (what, name) = text.split_once('=').ok_or_else(expected)?;
    let name = name.trim();
    if name.is_empty() {
        return Err(expected());
    }
    if let Some(value) = what.strip_prefix("action:") {
        return Ok(Mapped::Action(value.trim().to_owned(), name.to_owned()));
    }
    if let Some(value) = what.strip_prefix("tenant:") {
        return Ok(Mapped::Tenant(value.trim().to_owned(), name.to_owned()));
    }
    let column = COLUMNS.into_iter().find(|column| *column == what.trim());
    column.map(|column| Mapped::Column(column, name.to_owned())).ok_or_else(expected)
}

/// The same, ready to be looked up line by line.
#[derive(Clone, Debug, Default)]
pub struct Names {
    columns: HashMap<&'static str, String>,
    actions: HashMap<String, String>,
    tenants: HashMap<String, String>,
    /// Whose traffic it is, where the file does not say it.
    pub tenant: Option<String>,
    /// What was done, where the file does not say it.
    pub action: Option<String>,
    /// The zone of times that have none.
    pub times_in: Option<Tz>,
}

impl From<&Mapping> for Names {
    fn from(mapping: &Mapping) -> Names {
        let mut names = Names {
            tenant: mapping.tenant.clone(),
            action: mapping.action.clone(),
            times_in: mapping.times_in,
            ..Names::default()
        };
        for one in mapping.maps.iter().cloned() {
            match one {
                Mapped::Column(column, name) => drop(names.columns.insert(column, name)),
                Mapped::Action(value, action) => drop(names.actions.insert(value, action)),
                Mapped::Tenant(value, tenant) => drop(names.tenants.insert(value, tenant)),
            }
        }
        names
    }
}

impl Names {
    /// What a column is called in the file's header.
    pub fn column(&self, column: &'static str) -> &str {
        self.columns.get(column).map_or(column, String::as_str)
    }

    /// The action that a value means; `None`: lines of it are passed over.
    pub fn action_of(&self, value: &str) -> Option<String> {
        let action = self.actions.get(value).map_or(value, String::as_str);
        (action != PASSED_OVER).then(|| action.to_owned())
    }

    /// The action that a part of a webhook's body is; `None`: it is passed over.
    pub fn action_of_kind(&self, kind: Kind) -> Option<String> {
        let usual = match kind {
            Kind::Template => "send_message",
            _ => "receive_message",
        };
        let action = self.actions.get(kind.name()).map_or(usual, String::as_str);
        (kind.opens() && action != PASSED_OVER).then(|| action.to_owned())
    }

    /// The tenant that a number or an account is.
    pub fn tenant_of(&self, value: &str) -> String {
        self.tenants.get(value).map_or(value, String::as_str).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read_strictly() {
        let read = |text: &str| mapped(text).ok();
        assert_eq!(read("at=created at"), Some(Mapped::Column("at", "created at".into())));
        let action = Mapped::Action("incoming".into(), "receive_message".into());
        assert_eq!(read("action:incoming=receive_message"), Some(action));
        assert_eq!(read("tenant:1=padaria"), Some(Mapped::Tenant("1".into(), "padaria".into())));
        for wrong in ["", "at", "at=", "colour=red", "action:x", "tenant:1= "] {
            assert!(mapped(wrong).is_err(), "{wrong:?}");
        }
    }
}

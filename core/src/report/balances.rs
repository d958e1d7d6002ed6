//! What is contracted, used and left: the balances that a platform shows in its bar
//! (docs/sources.md, Assin).

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::figures::{limit, number};
use super::page::{Column, Page};
use crate::language::{Language, Wording};

/// What is contracted and available of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BalanceLine {
    /// The resource's name.
    pub resource: String,
    /// What people call it.
    #[serde(skip)]
    pub title: Wording,
    /// Its kind, as a catalog writes it.
    pub kind: &'static str,
    /// What is contracted: the plan's and what was bought on top; `None`: there is no limit.
    pub contracted: Option<u64>,
    /// What is used, or held.
    pub used: u64,
    /// What is left; `None`: there is no limit.
    pub available: Option<u64>,
    /// Whether more is in use than is contracted.
    pub over_limit: bool,
}

impl BalanceLine {
    /// "Conversas disponíveis: 900 de 1000": what is available of what is contracted.
    #[must_use]
    pub fn line(&self, language: Language) -> String {
        let title = self.title.text(language);
        let left = match (self.available, self.contracted) {
            (Some(available), Some(contracted)) => {
                let of = language.say("of", "de");
                format!("{} {of} {}", number(available, language), number(contracted, language))
            }
            _ => limit(None, language),
        };
        match language {
            Language::English => format!("{title} available: {left}"),
            Language::Portuguese => format!("{title} disponíveis: {left}"),
        }
    }
}

/// Adds balances to a page, in a table.
pub(super) fn tabulate(page: &mut Page, title: &str, lines: &[BalanceLine]) {
    let language = page.language;
    let header = [
        Column::Words(page.say("Resource", "Recurso")),
        Column::Numbers(page.say("Contracted", "Contratado")),
        Column::Numbers(page.say("Used", "Usado")),
        Column::Numbers(page.say("Available", "Disponível")),
        Column::Words(page.say("Remark", "Observação")),
    ];
    let over = page.say("over the limit", "acima do limite");
    // The remarks' column is there where there is one.
    let remarks = lines.iter().any(|line| line.over_limit);
    let shown = if remarks { header.len() } else { header.len() - 1 };
    let row = |line: &BalanceLine| {
        let mut row = vec![
            line.title.text(language).to_owned(),
            limit(line.contracted, language),
            number(line.used, language),
            limit(line.available, language),
            if line.over_limit { over.to_owned() } else { String::new() },
        ];
        row.truncate(shown);
        row
    };
    page.table(title, header.get(..shown).unwrap_or_default(), lines.iter().map(row).collect());
}

/// What a tenant has left of what it uses up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balances {
    /// The tenant.
    pub tenant: String,
    /// Balance by balance, in the order of the catalog.
    pub lines: Vec<BalanceLine>,
}

impl Balances {
    /// The balance of a resource.
    #[must_use]
    pub fn balance(&self, resource: &str) -> Option<&BalanceLine> {
        self.lines.iter().find(|line| line.resource == resource)
    }

    /// As JSON: balances by resource.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let balances = self.lines.iter().map(|line| {
            let mut balance = json!(line);
            if let Some(balance) = balance.as_object_mut() {
                balance.remove("resource");
            }
            (line.resource.clone(), balance)
        });
        json!({ "tenant": self.tenant, "balances": balances.collect::<Map<_, _>>() })
    }

    /// As a page to read.
    #[must_use]
    pub fn to_page(&self, language: Language) -> String {
        let title = language.say("Balances", "Saldos");
        let mut page = Page::new(language, &format!("{title}: {}", self.tenant));
        if self.lines.is_empty() {
            let none = page.say("There is nothing that is used up.", "Nada aqui se consome.");
            page.lines(&[none.to_owned()]);
        }
        page.lines(&self.lines.iter().map(|line| line.line(language)).collect::<Vec<_>>());
        page.end()
    }
}

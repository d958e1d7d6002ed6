//! The channels of a tenant (docs/sources.md, Whazing): who has one, since when, and what they cost
//! next. Tokens are never shown: nothing has them.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::balances::BalanceLine;
use super::figures::{date, day, money, yes_or_no};
use super::page::{Column, Page};
use crate::billing::Cents;
use crate::clock::Timestamp;
use crate::language::{Language, Wording};

/// The seats of a resource and of those within it, and what will be charged next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channels {
    /// The tenant.
    pub tenant: String,
    /// What is contracted, connected and available.
    pub balance: BalanceLine,
    /// Channel by channel.
    pub channels: Vec<Channel>,
    /// "Próximo vencimento"; `None`: there is no subscription that renews.
    pub next_due: Option<NaiveDate>,
    /// What will be charged then, each in full: nothing is prorated.
    pub charges: Vec<NextCharge>,
    /// All of it together.
    pub total: Cents,
    /// ISO 4217 code of the amounts.
    pub currency: String,
    /// The zone of the tenant's days.
    pub time_zone: Tz,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Who holds it: the host's name of the connection.
    pub holder: String,
    /// The resource, which says what kind of channel it is.
    pub resource: String,
    /// What people call that.
    pub title: Wording,
    /// Since when.
    pub since: Timestamp,
    /// Whether a token opens it. Which one is not known.
    pub has_token: bool,
    /// What its owner should know of channels of this kind.
    pub warning: Option<Wording>,
}

/// Something that will be charged with the next due date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextCharge {
    /// The plan's or the package's title.
    pub title: String,
    /// How much.
    pub amount: Cents,
}

impl Channels {
    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let channel = |it: &Channel| {
            json!({
                "holder": it.holder,
                "kind": it.resource,
                "since": it.since.to_string(),
                "has_token": it.has_token,
                "warning": it.warning,
            })
        };
        let charge =
            |it: &NextCharge| json!({ "title": it.title, "amount_cents": it.amount.get() });
        json!({
            "tenant": self.tenant,
            "balance": self.balance,
            "channels": self.channels.iter().map(channel).collect::<Vec<_>>(),
            "next_due": self.next_due.map(|day| day.to_string()),
            "charges": self.charges.iter().map(charge).collect::<Vec<_>>(),
            "total_cents": self.total.get(),
            "currency": self.currency,
        })
    }

    /// As a page to read.
    #[must_use]
    pub fn to_page(&self, language: Language) -> String {
        let title = self.balance.title.text(language);
        let mut page = Page::new(language, &format!("{title}: {}", self.tenant));
        page.lines(&[self.balance.line(language)]);
        let header = [
            Column::Words(page.say("Channel", "Canal")),
            Column::Words(page.say("Kind", "Tipo")),
            Column::Words(page.say("Since", "Desde")),
            Column::Words("Token"),
        ];
        let row = |it: &Channel| {
            vec![
                it.holder.clone(),
                it.title.text(language).to_owned(),
                day(it.since, self.time_zone, language),
                yes_or_no(it.has_token, language),
            ]
        };
        let connected = page.say("Connected", "Conectados");
        page.table(connected, &header, self.channels.iter().map(row).collect());
        page.lines(&self.warnings(language));
        self.next(&mut page);
        page.end()
    }

    /// `loja: prefer WhatsApp Business`.
    fn warnings(&self, language: Language) -> Vec<String> {
        let attention = language.say("Attention", "Atenção");
        let warning = |it: &Channel| {
            let warning = it.warning.as_ref()?.text(language);
            Some(format!("{attention}, {}: {warning}", it.holder))
        };
        self.channels.iter().filter_map(warning).collect()
    }

    fn next(&self, page: &mut Page) {
        let language = page.language;
        let amount = |cents| money(cents, &self.currency, language);
        let Some(due) = self.next_due else {
            page.lines(&[page.say("Nothing will be charged.", "Nada será cobrado.").to_owned()]);
            return;
        };
        let header = [
            Column::Words(page.say("What", "O quê")),
            Column::Numbers(page.say("Amount", "Valor")),
        ];
        let mut rows: Vec<_> =
            self.charges.iter().map(|it| vec![it.title.clone(), amount(it.amount)]).collect();
        if rows.len() > 1 {
            rows.push(vec!["Total".to_owned(), amount(self.total)]);
        }
        let when = page.say("Charged on the next due date,", "Cobrança no próximo vencimento,");
        if rows.is_empty() {
            let nothing = page.say("nothing", "nada");
            page.lines(&[format!("{when} {}: {nothing}", date(due, language))]);
            return;
        }
        page.table(&format!("{when} {}", date(due, language)), &header, rows);
        let rule = page.say(
            "Always the full price: days before the due date are not deducted.",
            "Sempre o valor cheio: os dias antes do vencimento não são descontados.",
        );
        page.lines(&[rule.to_owned()]);
    }
}

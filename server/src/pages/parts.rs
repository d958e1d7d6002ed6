//! Parts of pages: meters, badges, tables, notices and fields.

use cotas::{BalanceLine, InvoiceStatus, Status, words};
use maud::{Markup, html};

use super::visit::Visit;

/// How much of a limit is used, in percent; `None`: there is no limit.
pub(super) fn percent(line: &BalanceLine) -> Option<u64> {
    let contracted = line.contracted?;
    if contracted == 0 {
        return Some(if line.used == 0 { 0 } else { 100 });
    }
    let percent = u128::from(line.used) * 100 / u128::from(contracted);
    Some(u64::try_from(percent.min(100)).unwrap_or(100))
}

/// How full something is: calm, nearly full, full.
fn tone(line: &BalanceLine) -> &'static str {
    match percent(line) {
        _ if line.over_limit => "over",
        Some(100) => "over",
        Some(percent) if percent >= 80 => "near",
        _ => "calm",
    }
}

/// A bar of what is used. Browsers draw it without a style of its own: the policy permits none.
pub(super) fn meter(visit: &Visit<'_>, line: &BalanceLine) -> Markup {
    let title = line.title.text(visit.language);
    html! {
        @if let Some(percent) = percent(line) {
            progress class=(tone(line)) max="100" value=(percent) aria-label=(title) {
                (percent) "%"
            }
        } @else {
            div.unlimited aria-hidden="true" {}
        }
    }
}

/// A status as a badge.
pub(super) fn status(visit: &Visit<'_>, status: Status) -> Markup {
    let tone = match status {
        Status::Active => "good",
        Status::Demo | Status::Onboarding => "neutral",
        Status::PastDue => "near",
        Status::Suspended | Status::Cancelled => "over",
    };
    badge(tone, words::status(status.code(), visit.language))
}

/// How an invoice stands, as a badge.
pub(super) fn invoice_status(visit: &Visit<'_>, status: InvoiceStatus) -> Markup {
    let tone = match status {
        InvoiceStatus::Paid => "good",
        InvoiceStatus::Pending => "neutral",
        InvoiceStatus::Overdue => "over",
        InvoiceStatus::Cancelled | InvoiceStatus::Refunded => "quiet",
    };
    badge(tone, words::invoice_status(status, visit.language))
}

/// A word in a colour that says how it is meant.
pub(super) fn badge(tone: &str, word: &str) -> Markup {
    html! { span class={ "badge " (tone) } { (word) } }
}

/// Something that the reader should know, above everything else.
pub(super) fn notice(tone: &str, title: &str, text: &str) -> Markup {
    let role = if tone == "over" { "alert" } else { "status" };
    html! {
        div class={ "notice " (tone) } role=(role) {
            strong { (title) }
            @if !text.is_empty() { p { (text) } }
        }
    }
}

/// A table that moves sideways within itself on a narrow screen.
pub(super) fn table(label: &str, head: &[Column], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table {
                thead { tr {
                    @for column in head {
                        th.number[column.is_number] scope="col" { (column.name) }
                    }
                } }
                tbody {
                    @for row in rows { tr {
                        @for (cell, column) in row.iter().zip(head) {
                            td.number[column.is_number] { (cell) }
                        }
                    } }
                }
            }
        }
    }
}

/// A column of a table.
pub(super) struct Column {
    name: &'static str,
    is_number: bool,
}

/// A column of words.
pub(super) const fn words_of(name: &'static str) -> Column {
    Column { name, is_number: false }
}

/// A column of figures, which stand under one another.
pub(super) const fn numbers_of(name: &'static str) -> Column {
    Column { name, is_number: true }
}

/// A section with its heading.
pub(super) fn section(id: &str, title: &str, content: &Markup) -> Markup {
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            (content)
        }
    }
}

/// What stands where there is nothing.
pub(super) fn empty(text: &str) -> Markup {
    html! { p.empty { (text) } }
}

/// A text, or a dash where there is none.
pub(super) fn or_dash(text: &str) -> Markup {
    html! { @if text.is_empty() { span.dash { "–" } } @else { (text) } }
}

/// A field of a form.
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) label: &'a str,
    pub(super) value: &'a str,
    /// `text`, `date`, `email` and so on.
    pub(super) of: &'a str,
    pub(super) hint: &'a str,
    /// What is wrong with it; empty: nothing.
    pub(super) wrong: &'a str,
    pub(super) is_required: bool,
}

impl Default for Field<'_> {
    fn default() -> Self {
        let (name, label, value, of, hint, wrong) = ("", "", "", "text", "", "");
        Field { name, label, value, of, hint, wrong, is_required: false }
    }
}

impl Field<'_> {
    /// The field with its label, and what is wrong with it beside it.
    pub(super) fn show(&self) -> Markup {
        let id = self.id();
        let (hint_id, why_id) = (format!("{id}-hint"), format!("{id}-why"));
        let described = match (self.hint.is_empty(), self.wrong.is_empty()) {
            (true, true) => None,
            (false, true) => Some(hint_id.clone()),
            (_, false) => Some(why_id.clone()),
        };
        html! {
            div.field.wrong[!self.wrong.is_empty()] {
                label for=(id) {
                    (self.label)
                    @if self.is_required { span.needed aria-hidden="true" { " *" } }
                }
                input id=(id) type=(self.of) name=(self.name) value=(self.value)
                    aria-required=[self.is_required.then_some("true")]
                    aria-invalid=[(!self.wrong.is_empty()).then_some("true")]
                    aria-describedby=[described];
                @if !self.wrong.is_empty() {
                    p.why id=(why_id) { (self.wrong) }
                } @else if !self.hint.is_empty() {
                    p.hint id=(hint_id) { (self.hint) }
                }
            }
        }
    }

    /// The id of the field: links from a list of what is wrong lead there.
    pub(super) fn id(&self) -> String {
        format!("field-{}", self.name.replace(['.', ' '], "-"))
    }
}

/// A choice of some values, each with its name.
pub(super) fn select(
    name: &str,
    label: &str,
    chosen: &str,
    options: &[(String, String)],
) -> Markup {
    let id = format!("field-{}", name.replace('.', "-"));
    html! {
        div.field {
            label for=(id) { (label) }
            select id=(id) name=(name) {
                @for (value, text) in options {
                    option value=(value) selected[value == chosen] { (text) }
                }
            }
        }
    }
}

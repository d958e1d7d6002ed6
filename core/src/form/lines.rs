//! Lines of an invoice that an operator writes, as a JSON document says them.

use chrono::NaiveDate;

use super::fields::{self, Fields};
use crate::ManualLine;
use crate::billing::Cents;
use crate::error::Error;

/// A line of an invoice: [`ManualLine`] with text of its own. It has a `title` and an
/// `amount_cents`, and may have the days that it pays, `from` and `to`; a key that is not known is
/// an error.
pub struct InvoiceLineForm {
    title: String,
    amount: Cents,
    days: Option<(NaiveDate, NaiveDate)>,
}

impl InvoiceLineForm {
    /// Reads a JSON document of one line.
    pub fn parse(json: &str) -> Result<InvoiceLineForm, Error> {
        fields::parse("invoice line", json, line)
    }

    /// Reads a JSON list of lines.
    pub fn parse_all(json: &str) -> Result<Vec<InvoiceLineForm>, Error> {
        fields::parse_list("invoice lines", json, super::FORM_BYTES_MAX, line)
    }

    /// The line, as [`Engine::create_invoice`](crate::Engine::create_invoice) takes it.
    #[must_use]
    pub fn line(&self) -> ManualLine<'_> {
        ManualLine { title: &self.title, amount: self.amount, days: self.days }
    }
}

fn line(line: &mut Fields<'_>) -> InvoiceLineForm {
    let title = line.required("title", "text");
    let amount = line.required("amount_cents", "a whole number of cents");
    let from = line.optional("from", "a date YYYY-MM-DD");
    let to = line.optional("to", "a date YYYY-MM-DD");
    if from.is_some() != to.is_some() {
        let missing = if from.is_some() { "to" } else { "from" };
        line.note(missing, "it is missing; give both \"from\" and \"to\", or neither");
    }
    // What is missing has been noted, and is refused.
    InvoiceLineForm {
        title: title.unwrap_or_default(),
        amount: amount.unwrap_or(Cents::ZERO),
        days: from.zip(to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_and_without_days() {
        let json = r#"[{ "title": "Set-up", "amount_cents": 1000 },
            { "title": "June", "amount_cents": 5, "from": "2026-06-01", "to": "2026-06-30" }]"#;
        let read = InvoiceLineForm::parse_all(json).expect("is valid");
        let lines: Vec<_> = read.iter().map(InvoiceLineForm::line).collect();
        assert_eq!((lines[0].title, lines[0].amount.get(), lines[0].days), ("Set-up", 1000, None));
        let day = |day| NaiveDate::from_ymd_opt(2026, 6, day).expect("a day");
        assert_eq!(lines[1].days, Some((day(1), day(30))));
    }

    #[test]
    fn what_a_line_gets_wrong_is_named() {
        let complaint =
            |json: &str| InvoiceLineForm::parse_all(json).err().expect("refused").to_string();
        let one = |json: &str| InvoiceLineForm::parse(json).err().expect("refused").to_string();
        assert_eq!(
            complaint(r#"[{"title": "a", "amount_cents": 1}, {"title": 1, "amount_cents": -1}]"#),
            "invoice lines: 1.title: it must be text; \
             1.amount_cents: it must be a whole number of cents"
        );
        assert_eq!(
            one(r#"{"title": "a", "amount_cents": 1, "from": "2026-06-01"}"#),
            "invoice line: to: it is missing; give both \"from\" and \"to\", or neither"
        );
        assert!(complaint("{}").contains("it must be a list of JSON objects"));
    }
}

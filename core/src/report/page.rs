//! How pages are written: headings, tables, and figures as the reader's country writes them.

use chrono::NaiveDate;
use chrono_tz::Tz;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};

use crate::billing::Cents;
use crate::clock::Timestamp;
use crate::language::Language;
use crate::rules::calendar;

/// Digits from which a number is written in groups of three: "1000", but "10.000".
const GROUPED_FROM_DIGITS: usize = 5;

/// A page that is being written.
pub(super) struct Page {
    pub(super) language: Language,
    blocks: Vec<String>,
}

impl Page {
    pub(super) fn new(language: Language, title: &str) -> Page {
        Page { language, blocks: vec![plain(title)] }
    }

    /// The English or the Portuguese text.
    pub(super) const fn say(
        &self,
        english: &'static str,
        portuguese: &'static str,
    ) -> &'static str {
        self.language.say(english, portuguese)
    }

    /// Adds lines, after an empty one.
    pub(super) fn lines(&mut self, lines: &[String]) {
        if !lines.is_empty() {
            let lines: Vec<_> = lines.iter().map(|line| plain(line)).collect();
            self.blocks.push(lines.join("\n"));
        }
    }

    /// Adds names and what stands beside them, in two columns.
    pub(super) fn facts(&mut self, facts: &[(&str, String)]) {
        let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let line = |(name, value): &(&str, String)| {
            let blanks = " ".repeat(width - name.chars().count());
            format!("{name}:{blanks} {value}")
        };
        self.lines(&facts.iter().map(line).collect::<Vec<_>>());
    }

    /// Adds a table under its title; an empty one is left out.
    pub(super) fn table(&mut self, title: &str, header: &[Column], rows: Vec<Vec<String>>) {
        if rows.is_empty() {
            return;
        }
        let mut table = Table::new();
        let cells = |texts: Vec<String>| {
            let aligned = texts.into_iter().zip(header).map(|(text, column)| column.cell(&text));
            aligned.collect::<Vec<_>>()
        };
        let names = header.iter().map(|column| column.name().to_owned()).collect();
        table.load_style(UTF8_FULL_CONDENSED).set_header(cells(names));
        table.add_rows(rows.into_iter().map(cells));
        self.blocks.push(format!("{}\n{}", plain(title), table.trim_fmt()));
    }

    pub(super) fn end(self) -> String {
        self.blocks.join("\n\n")
    }
}

/// A column of a table, by what stands in it.
#[derive(Clone, Copy)]
pub(super) enum Column {
    Words(&'static str),
    Numbers(&'static str),
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Column::Words(name) | Column::Numbers(name) => name,
        }
    }

    fn cell(self, text: &str) -> Cell {
        let cell = Cell::new(plain(text));
        match self {
            Column::Words(_) => cell,
            Column::Numbers(_) => cell.set_alignment(CellAlignment::Right),
        }
    }
}

/// The text without what would move a terminal's cursor or begin another line.
fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// "Yes" or "no".
pub(super) fn yes_or_no(yes: bool, language: Language) -> String {
    if yes { language.say("Yes", "Sim") } else { language.say("No", "Não") }.to_owned()
}

/// A number; from five digits on in groups of three.
pub(super) fn number(number: u64, language: Language) -> String {
    let digits = number.to_string();
    if digits.len() < GROUPED_FROM_DIGITS {
        return digits;
    }
    grouped(&digits, language)
}

fn grouped(digits: &str, language: Language) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push_str(language.say(",", "."));
        }
        text.push(digit);
    }
    text
}

/// A number of units, or that there is no limit.
pub(super) fn limit(units: Option<u64>, language: Language) -> String {
    match units {
        Some(units) => number(units, language),
        None => language.say("unlimited", "sem limite").to_owned(),
    }
}

/// A date as people write it: `20/05/2026` in Brazil.
pub(super) fn date(date: NaiveDate, language: Language) -> String {
    date.format(language.say("%Y-%m-%d", "%d/%m/%Y")).to_string()
}

/// The date of an instant in a zone.
pub(super) fn day(at: Timestamp, zone: Tz, language: Language) -> String {
    date(calendar::date_of(at, zone), language)
}

/// An amount as people write it: `R$ 1.234,56` in Brazil.
pub(super) fn money(amount: Cents, currency: &str, language: Language) -> String {
    let text = amount.to_string();
    let (units, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let units = grouped(units, language);
    match (language, currency) {
        (Language::Portuguese, "BRL") => format!("R$ {units},{cents}"),
        (Language::Portuguese, _) => format!("{currency} {units},{cents}"),
        (Language::English, _) => format!("{currency} {units}.{cents}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PT: Language = Language::Portuguese;

    #[test]
    fn figures_are_written_as_the_country_writes_them() {
        let amount = Cents::new(123_456).expect("an amount");
        assert_eq!(money(amount, "BRL", PT), "R$ 1.234,56");
        assert_eq!(money(amount, "BRL", Language::English), "BRL 1,234.56");
        assert_eq!(money(Cents::ZERO, "USD", PT), "USD 0,00");
        assert_eq!([number(1_000, PT), number(10_000, PT)], ["1000", "10.000"]);
        assert_eq!(number(1_234_567, Language::English), "1,234,567");
        let due = NaiveDate::from_ymd_opt(2026, 5, 20).expect("a date");
        assert_eq!([date(due, PT), date(due, Language::English)], ["20/05/2026", "2026-05-20"]);
    }

    #[test]
    fn an_instant_is_on_the_day_of_its_zone() {
        let at = Timestamp::parse_rfc3339("2026-05-21T02:59:59Z").expect("a time");
        assert_eq!(day(at, Tz::America__Sao_Paulo, PT), "20/05/2026");
        assert_eq!(day(at, Tz::UTC, PT), "21/05/2026");
    }

    #[test]
    fn facts_stand_in_two_columns_and_nothing_moves_the_cursor() {
        let mut page = Page::new(PT, "Página\u{1b}[2J");
        page.facts(&[("Plano", "A\nB".to_owned()), ("Próximo vencimento", "x".to_owned())]);
        page.table("vazia", &[Column::Words("a")], Vec::new());
        assert_eq!(page.end(), "Página [2J\n\nPlano:              A B\nPróximo vencimento: x");
    }
}

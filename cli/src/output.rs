//! How answers and complaints are printed.

use std::fmt::Display;
use std::io::{self, Write};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};
use serde_json::Value;

use crate::failure::Failure;

/// Whether answers are for people or for programs.
#[derive(Clone, Copy)]
pub struct Output {
    /// For programs.
    pub json: bool,
}

impl Output {
    /// Prints an answer: `text` for people, `json` for programs.
    pub fn print(self, text: &str, json: &Value) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        if self.json {
            writeln!(stdout, "{json:#}")?;
        } else if !text.is_empty() {
            writeln!(stdout, "{}", text.trim_end())?;
        }
        stdout.flush()?;
        Ok(())
    }
}

/// Prints one line on standard error, whatever the message holds.
pub fn complain(message: &impl Display) {
    // Where not even this can be written no output is left to report to.
    let _ = writeln!(io::stderr(), "cotas: {}", printable(&message.to_string()));
}

/// A table for people.
pub fn table(header: Vec<Cell>, rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header).add_rows(rows);
    table.trim_fmt()
}

/// A cell of words.
pub fn words(text: impl Display) -> Cell {
    Cell::new(printable(&text.to_string()))
}

/// A cell over, or in, a column of numbers.
pub fn right(text: impl Display) -> Cell {
    words(text).set_alignment(CellAlignment::Right)
}

/// A cell with a number.
pub fn number(number: u64) -> Cell {
    right(grouped(number))
}

/// The number with its digits in groups of three: `12,995`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something: `1 event`, `2 events`.
pub fn counted(count: u64, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {one}{plural}", grouped(count))
}

/// The text without what would move a terminal's cursor or begin another line.
pub fn printable(text: &str) -> String {
    text.trim_end().replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")]
        {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn what_is_counted_has_its_plural() {
        let counts = [0, 1, 1_000].map(|count| counted(count, "event"));
        assert_eq!(counts, ["0 events", "1 event", "1,000 events"]);
    }

    #[test]
    fn what_is_printed_stays_on_its_line() {
        assert_eq!(printable("a\nb\u{1b}[2J\n"), "a b [2J");
    }
}

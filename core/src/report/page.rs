//! How pages are written: headings and tables.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};

use crate::language::Language;

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

#[cfg(test)]
mod tests {
    use super::*;

    const PT: Language = Language::Portuguese;

    #[test]
    fn facts_stand_in_two_columns_and_nothing_moves_the_cursor() {
        let mut page = Page::new(PT, "Página\u{1b}[2J");
        page.facts(&[("Plano", "A\nB".to_owned()), ("Próximo vencimento", "x".to_owned())]);
        page.table("vazia", &[Column::Words("a")], Vec::new());
        assert_eq!(page.end(), "Página [2J\n\nPlano:              A B\nPróximo vencimento: x");
    }
}

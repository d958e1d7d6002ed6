//! TOML into a tree.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use toml::de::{DeTable, DeValue};
use toml_parser::Source;
use toml_parser::lexer::TokenKind::{
    Comma, Dot, LeftCurlyBracket, LeftSquareBracket, Newline, RightCurlyBracket, RightSquareBracket,
};

use super::error::{CatalogError, Result};
use super::tree::{Lines, Location, MAX_NESTING, Node, Value, insert};

/// The tree of a TOML text.
pub(super) fn tree(text: &str, file: &Rc<Location>) -> Result<Node> {
    let lines = Lines::of(text);
    check_nesting(text, &lines, file)?;
    let document =
        DeTable::parse(text).map_err(|error| syntax_error(text, &lines, file, &error))?;
    let value = table(document.get_ref(), file, &lines)?;
    Ok(Node { location: Rc::clone(file), value })
}

/// Refuses what nests too deep before anything recurses into it.
///
/// The parser's own limits are 80 brackets and 80 keys in a row, which multiply: freeing such a
/// tree overflows the stack of a thread.
fn check_nesting(text: &str, lines: &Lines, file: &Location) -> Result<()> {
    let mut open = Vec::new();
    let (mut depth, mut dots) = (0, 0);
    for token in Source::new(text).lex() {
        let line = lines.at(token.span().start());
        match token.kind() {
            kind @ (LeftSquareBracket | LeftCurlyBracket) => {
                let closing =
                    if kind == LeftSquareBracket { RightSquareBracket } else { RightCurlyBracket };
                open.push((closing, depth));
                depth += dots + 1;
                dots = 0;
            }
            kind @ (RightSquareBracket | RightCurlyBracket) => {
                let closed = open.pop().filter(|(closing, _)| *closing == kind);
                let Some((_, outside)) = closed else {
                    return Err(file.error_on(line, format!("unmatched {}", kind.description())));
                };
                depth = outside;
                dots = 0;
            }
            Dot => dots += 1,
            Comma | Newline => dots = 0,
            _ => {}
        }
        if depth + dots > MAX_NESTING {
            return Err(file.too_deep(line));
        }
    }
    Ok(())
}

fn table(table: &DeTable, location: &Rc<Location>, lines: &Lines) -> Result<Value> {
    let mut entries = BTreeMap::new();
    for (key, value) in table {
        let location = location.key(key.get_ref(), lines.at(key.span().start))?;
        let value = node_value(value.get_ref(), &location, lines)?;
        insert(&mut entries, Node { location, value })?;
    }
    Ok(Value::Section(entries))
}

fn node_value(value: &DeValue, location: &Rc<Location>, lines: &Lines) -> Result<Value> {
    Ok(match value {
        DeValue::Table(inner) => table(inner, location, lines)?,
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(integer) => Value::integer(integer.as_str(), integer.radix(), location)?,
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Float(_) => Value::Float,
        DeValue::Array(values) => {
            let values = values.iter().map(|value| element(value.get_ref(), location, lines));
            Value::Array(values.collect::<Result<_>>()?)
        }
        DeValue::Datetime(_) => Value::Date,
    })
}

/// A value in the array at `place`.
fn element(value: &DeValue, location: &Rc<Location>, lines: &Lines) -> Result<Value> {
    match value {
        DeValue::Table(_) => Ok(Value::Section(BTreeMap::new())),
        DeValue::Array(_) => Ok(Value::Array(Vec::new())),
        plain => node_value(plain, location, lines),
    }
}

fn syntax_error(
    text: &str,
    lines: &Lines,
    file: &Rc<Location>,
    error: &toml::de::Error,
) -> CatalogError {
    let span = error.span().unwrap_or_default();
    let mut refusal = file.error_on(lines.at(span.start), error.message());
    if error.message() == "duplicate key" {
        refusal.path = path_of_duplicate(text, &span, file).unwrap_or_default();
    }
    refusal
}

/// The path of the key at `span`, which stands there a second time.
///
/// The parser gives only the position. Under another name the key would be no duplicate: so give
/// it one, and see where in the tree it comes to stand.
fn path_of_duplicate(text: &str, span: &Range<usize>, file: &Rc<Location>) -> Option<String> {
    let key = text.get(span.clone())?;
    let before = text.get(..span.start)?;
    let after = text.get(span.end..)?;
    let renamed = format!(r#"{before}"\u0000"{after}"#);
    let (document, _) = DeTable::parse_recoverable(&renamed);
    let around = table_of_key(document.get_ref(), span.start, file)?;
    let location = around.key(key.trim_matches(['"', '\'']), 1).ok()?;
    Some(location.error("").path)
}

/// The place of the table in which a key starts at `offset`.
fn table_of_key(table: &DeTable, offset: usize, location: &Rc<Location>) -> Option<Rc<Location>> {
    for (key, value) in table {
        if key.span().start == offset {
            return Some(Rc::clone(location));
        }
        if let DeValue::Table(inner) = value.get_ref() {
            let location = location.key(key.get_ref(), 1).ok()?;
            if let Some(found) = table_of_key(inner, offset, &location) {
                return Some(found);
            }
        }
    }
    None
}

//! Lines of a file as a message may show them: their form, and nothing of what they are about.

use serde_json::Value;

/// The longest part of a line that is shown, in characters.
const SHOWN_MAX: usize = 160;
/// Texts of JSON that are longer are no names of a format.
const NAME_LEN_MAX: usize = 32;
/// Members whose texts name a format, and no person.
const FORMAT_NAMES: [&str; 5] = ["object", "event", "field", "type", "messaging_product"];
/// Words that are longer are shown as a mark: they may be a token.
const WORD_LEN_MAX: usize = 12;

/// The line with its form alone.
pub fn masked(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let shown = match serde_json::from_str::<Value>(&text) {
        Ok(value) if value.is_object() || value.is_array() => json(&value, ""),
        _ => words(&text),
    };
    let mut cut: String = shown.chars().take(SHOWN_MAX).collect();
    if shown.chars().nth(SHOWN_MAX).is_some() {
        cut.push('…');
    }
    cut
}

/// Names of members, without their values.
fn json(value: &Value, name: &str) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                let shown = json(value, name);
                format!("\"{}\":{shown}", words(name))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(elements) => match elements.first() {
            Some(first) => format!("[{}]", json(first, name)),
            None => "[]".to_owned(),
        },
        Value::String(text) => format!("\"{}\"", format_name(text, name).unwrap_or("…")),
        Value::Number(_) => "#".to_owned(),
        Value::Bool(_) | Value::Null => value.to_string(),
    }
}

fn format_name<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let is_word = |c: char| c.is_ascii_lowercase() || c == '_' || c == '.';
    let is_name = FORMAT_NAMES.contains(&name) && text.len() <= NAME_LEN_MAX;
    (is_name && text.chars().all(is_word)).then_some(text)
}

/// Short words, with digits masked; addresses and what may be a token are masked whole.
fn words(text: &str) -> String {
    let mut shown = String::new();
    for word in text.split_inclusive(|c: char| " ,;\t|\"'<>=".contains(c)) {
        let bare = word.trim_end_matches(|c: char| " ,;\t|\"'<>=".contains(c));
        let end = word.strip_prefix(bare).unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_lowercase() || c == '_';
        if bare.contains('@') || (bare.len() > WORD_LEN_MAX && !bare.chars().all(is_plain)) {
            shown.push('…');
        } else {
            let masked = |c: char| if c.is_ascii_digit() { '#' } else { c };
            shown.extend(bare.chars().map(masked));
        }
        shown.push_str(end);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_its_form_and_no_personal_data() {
        for (line, shown) in [
            (
                r#"{"event":"messages.upsert","data":{"from":"5500900001","n":7},"k":["Oi","a"]}"#,
                r#"{"data":{"from":"…","n":#},"event":"messages.upsert","k":["…"]}"#,
            ),
            (
                "2026-05-20,padaria,receive_message,5500900000001",
                "####-##-##,padaria,receive_message,…",
            ),
            ("Authorization: Bearer EAAGm0PX4ZCpsBAK", "… Bearer …"),
            ("ana@example.org;oi", "…;oi"),
            ("+55 (00) 90000-0001", "+## (##) #####-####"),
        ] {
            assert_eq!(masked(line.as_bytes()), shown);
        }
        let long = masked("abc ".repeat(1_000).as_bytes());
        assert_eq!(long.chars().count(), SHOWN_MAX + 1);
        assert_eq!(masked(b"\xff"), "\u{fffd}");
    }
}

//! Names that people write and read: two that look the same are the same.

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Refuses a name in which something cannot be seen, or which could be written otherwise and look
/// the same. Says what, and what to do.
pub(crate) fn check(name: &str) -> Result<(), String> {
    if name.trim() != name {
        return Err("it begins or ends with a space; leave that out".to_owned());
    }
    if let Some((at, c)) = name.char_indices().find(|&(_, c)| is_invisible(c)) {
        return Err(format!(
            "byte {at} begins a control, zero-width or bidirectional character (U+{:04X}); leave \
             it out",
            u32::from(c)
        ));
    }
    if !is_nfc(name) {
        return Err(format!(
            "it is not in Unicode's normalization form C; write {:?}",
            name.nfc().collect::<String>()
        ));
    }
    Ok(())
}

/// Characters that have no place on the page, or turn the direction of others.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// An e-mail address as it is compared: without case.
pub(crate) fn folded_email(address: &str) -> String {
    address.nfc().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_is_the_same() {
        for name in ["padaria-são", "Loja 12 / filial", "東京", "a", "Ана", "o'neil & söhne"]
        {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for (name, why) in [
            ("padaria-sa\u{303}o", "write \"padaria-são\""),
            ("loja ", "begins or ends with a space"),
            ("\u{a0}loja", "begins or ends with a space"),
            ("loja\n", "begins or ends with a space"),
            ("lo\nja", "U+000A"),
            ("lo\0ja", "U+0000"),
            ("lo\u{200b}ja", "byte 2"),
            ("lo\u{ad}ja", "U+00AD"),
            ("\u{202e}ajol", "U+202E"),
            ("loja\u{feff}", "U+FEFF"),
            ("loja\u{e0041}", "U+E0041"),
            ("Å\u{212b}", "write \"ÅÅ\""),
        ] {
            let refused = check(name).expect_err(name);
            assert!(refused.contains(why), "{name:?}: {refused}");
        }
    }

    #[test]
    fn addresses_are_compared_without_case() {
        assert_eq!(folded_email("Ana@Aurora.Example"), "ana@aurora.example");
        assert_eq!(folded_email("JOSE\u{301}@x.example"), folded_email("jos\u{e9}@X.example"));
    }
}

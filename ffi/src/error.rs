//! The error that a caller may hand in, and how it is filled.

use std::ffi::c_char;

/// Bytes of a message, with its NUL.
const MESSAGE_BYTES: usize = 256;

/// What went wrong, in words. The caller's own; set struct_size to sizeof(cotas_error) before the
/// call. Every function takes a pointer to one as its last argument, or NULL. It is for the log:
/// programs go by the returned number. Messages hold no secret and no phone number.
///
/// Threads: each call needs one of its own.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cotas_error {
    /// sizeof(cotas_error), set by the caller.
    pub struct_size: u32,
    /// What the function returned.
    pub code: i32,
    /// Why, in English, ended by NUL; cut, between two characters, where it is too long.
    pub message: [c_char; 256],
}

/// A message as C keeps it.
pub(crate) fn message(text: &str) -> [c_char; MESSAGE_BYTES] {
    let mut end = text.len().min(MESSAGE_BYTES - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut bytes = [0; MESSAGE_BYTES];
    for (to, &from) in bytes.iter_mut().zip(text.as_bytes().iter().take(end)) {
        // A message quotes what it was given; a NUL in it would hide the rest.
        *to = if from == 0 { b' ' as c_char } else { from as c_char };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(text: &str) -> String {
        let bytes = message(text).map(|byte| byte as u8);
        let end = bytes.iter().position(|&byte| byte == 0).expect("is ended");
        String::from_utf8(bytes[..end].to_vec()).expect("is UTF-8")
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(back("curta"), "curta");
        assert_eq!(back("a\0b"), "a b");
        for ascii in 0..4 {
            let text = format!("{}{}", "x".repeat(ascii), "ção".repeat(100));
            let cut = back(&text);
            assert!(text.starts_with(&cut) && cut.len() > 250, "{} bytes", cut.len());
        }
    }
}

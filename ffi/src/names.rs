//! Texts that stay valid for ever: what numbers are called, and what messages must carry.
#![allow(clippy::indexing_slicing)] // By the compiler, which refuses what would panic.

use std::ffi::c_char;
use std::ptr;

use cotas_core::{DEMO_NOTICE, Reason};

/// Bytes of the longest of them, with its NUL.
const TEXT_BYTES: usize = 32;

/// The codes of all reasons, in the order of their numbers, from 1.
static REASONS: [[u8; TEXT_BYTES]; Reason::ALL.len()] = {
    let mut texts = [[0; TEXT_BYTES]; Reason::ALL.len()];
    let mut index = 0;
    while index < texts.len() {
        texts[index] = ended(Reason::ALL[index].code());
        index += 1;
    }
    texts
};

static NOTICE: [u8; TEXT_BYTES] = ended(DEMO_NOTICE);

/// A text and its NUL.
const fn ended(text: &str) -> [u8; TEXT_BYTES] {
    let from = text.as_bytes();
    assert!(from.len() < TEXT_BYTES);
    let mut bytes = [0; TEXT_BYTES];
    let mut index = 0;
    while index < from.len() {
        bytes[index] = from[index];
        index += 1;
    }
    bytes
}

/// What a cotas_reason is called in documents, such as "quota_exhausted"; NULL for none. It stays
/// valid for ever.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub extern "C" fn cotas_reason_name(reason: i32) -> *const c_char {
    let index = usize::try_from(reason).ok().and_then(|number| number.checked_sub(1));
    let name = index.and_then(|index| REASONS.get(index));
    name.map_or(ptr::null(), |name| name.as_ptr().cast())
}

/// What every message of a demonstration account must carry (COTAS_FLAG_DEMO_NOTICE): the macro
/// COTAS_DEMO_NOTICE, for languages that read no macros. It stays valid for ever.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub extern "C" fn cotas_demo_notice() -> *const c_char {
    NOTICE.as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn every_reason_has_its_name_and_no_other_number_has() {
        for reason in Reason::ALL {
            let name = cotas_reason_name(reason as i32);
            // SAFETY: not NULL for a reason, ended by NUL and there for ever.
            let name = unsafe { CStr::from_ptr(name) };
            assert_eq!(name.to_str(), Ok(reason.code()));
        }
        let last = Reason::ALL.len() as i32;
        for number in [i32::MIN, -1, 0, last + 1, i32::MAX] {
            assert!(cotas_reason_name(number).is_null(), "{number}");
        }
    }
}

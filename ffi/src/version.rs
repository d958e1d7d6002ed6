//! Which library this is.

use std::ffi::{CStr, c_char};

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version has no NUL"),
    };

/// What the library's functions and structs can be used as; see cotas_abi_version.
const ABI: u32 = 1;

/// The version of the library that is loaded, as text: COTAS_VERSION of the header that belongs to
/// it. It stays valid for ever.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub extern "C" fn cotas_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The number of the library's ABI: COTAS_ABI_VERSION of the header. It is raised only when
/// programs that were compiled before would go wrong; it is in the name of the library's file.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub extern "C" fn cotas_abi_version() -> u32 {
    ABI
}

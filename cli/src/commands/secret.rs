//! Tokens and personal data: taken from the environment, from files or from standard input, never
//! from the command line, which others can see.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use crate::failure::Failure;

/// More than anybody sends.
const INPUT_BYTES_MAX: u64 = 16 << 20;

/// The token in an environment variable, else the one on standard input.
pub fn token(variable: &str) -> Result<String, Failure> {
    let token = match env::var(variable) {
        Ok(token) => token,
        Err(_) => read_text(Path::new("-"))?,
    };
    Ok(token.trim_end_matches(['\r', '\n']).to_owned())
}

/// The text of a file; - is standard input.
pub fn read_text(file: &Path) -> Result<String, Failure> {
    let unread = |_| {
        let source = io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8");
        Failure::File { path: file.to_owned(), source }
    };
    String::from_utf8(read(file)?).map_err(unread)
}

/// The bytes of a file; - is standard input.
pub fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let unread = |source| Failure::File { path: file.to_owned(), source };
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        io::stdin().lock().take(INPUT_BYTES_MAX).read_to_end(&mut bytes).map_err(unread)?;
    } else {
        let opened = fs::File::open(file).map_err(unread)?;
        opened.take(INPUT_BYTES_MAX).read_to_end(&mut bytes).map_err(unread)?;
    }
    Ok(bytes)
}

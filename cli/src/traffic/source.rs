//! Where traffic comes from: a file that can be read again, packed by gzip or not.
//!
//! A replay may have to look through the whole traffic before it decides ([`Source::reader`] gives
//! it from its start, as often as it is asked). So a pipe is first copied into a file that no one
//! else sees.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::TrafficError;

/// The traffic as bytes.
#[derive(Clone)]
pub struct Source {
    file: Arc<File>,
    len: u64,
    is_packed: bool,
}

/// Forms of packing that are not read, by the bytes with which they begin.
const PACKED: [(&[u8], &str); 5] = [
    (b"PK\x03\x04", "a zip archive"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd"),
    (b"\xfd7zXZ", "packed by xz"),
    (b"BZh", "packed by bzip2"),
    (b"SQLite format 3", "an SQLite database"),
];

impl Source {
    /// Opens a file, a pipe, or standard input (`-`).
    pub fn open(path: &Path) -> Result<Source, TrafficError> {
        let fail = |source| TrafficError::Open { path: path.to_owned(), source };
        if path == Path::new("-") {
            return Self::copied(io::stdin()).map_err(fail).and_then(Self::of);
        }
        let file = File::open(path).map_err(fail)?;
        let is_file = file.metadata().map_err(fail)?.is_file();
        Self::of(if is_file { file } else { Self::copied(file).map_err(fail)? })
    }

    /// A copy of what can be read only once.
    fn copied(mut from: impl Read) -> io::Result<File> {
        let mut to = tempfile::tempfile()?;
        io::copy(&mut from, &mut to)?;
        Ok(to)
    }

    fn of(file: File) -> Result<Source, TrafficError> {
        let unreadable = |source| TrafficError::Read { line: 0, source };
        let len = file.metadata().map_err(unreadable)?.len();
        let mut start = [0; 16];
        let read = file.read_at(&mut start, 0).map_err(unreadable)?;
        let start = start.get(..read).unwrap_or_default();
        if let Some((_, what)) = PACKED.iter().find(|(magic, _)| start.starts_with(magic)) {
            return Err(TrafficError::Packed(what));
        }
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            return Err(TrafficError::Utf16);
        }
        let is_packed = start.starts_with(b"\x1f\x8b");
        Ok(Source { file: Arc::new(file), len, is_packed })
    }

    /// The traffic from its start, unpacked.
    pub fn reader(&self) -> Box<dyn Read + Send> {
        let bytes = Bytes { file: Arc::clone(&self.file), at: 0 };
        if self.is_packed { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) }
    }

    /// How many bytes the reader gives; `None` where that is not known before they are unpacked.
    pub fn len(&self) -> Option<u64> {
        (!self.is_packed).then_some(self.len)
    }
}

/// A file from its start, whatever others read of it.
struct Bytes {
    file: Arc<File>,
    at: u64,
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

//! The files of a database at rest, and what may happen to them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::rng::Rng;

/// Names of the files that are damaged, by what they are.
const NAMES: [(&str, &str); 3] =
    [("live", "app.db-live"), ("database", "app.db"), ("log", "app.db-wal")];
const WORD: u64 = 8;

/// What lay there when the last process was gone.
pub struct Files {
    pub directory: PathBuf,
    contents: Vec<Vec<u8>>,
}

impl Files {
    /// Remembers the files of `directory`.
    pub fn take(directory: &Path) -> Files {
        let read = |(_, name): &(&str, &str)| std::fs::read(directory.join(name));
        let contents = NAMES.iter().map(|it| read(it).unwrap_or_default()).collect();
        Files { directory: directory.to_owned(), contents }
    }

    /// Puts them back, each in its own inode: a copy is another file to the engine.
    pub fn put_back(&self) {
        for name in ["app.db-shm", "app.db-live.new"] {
            let _ = std::fs::remove_file(self.directory.join(name));
        }
        for (nth, (_, name)) in NAMES.iter().enumerate() {
            self.write(name, &self.contents[nth]);
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.directory.join(name);
        if bytes.is_empty() {
            let _ = std::fs::remove_file(path);
            return;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path);
        file.and_then(|mut file| file.write_all(bytes)).expect("is put back");
    }

    fn of(&self, file: usize) -> &[u8] {
        &self.contents[file]
    }
}

/// What happens to a file.
#[derive(Clone)]
pub enum Harm {
    None,
    /// One word has another value.
    Word {
        file: usize,
        at: u64,
        value: u64,
    },
    /// A run of bytes is something else.
    Bytes {
        file: usize,
        at: u64,
        bytes: Vec<u8>,
    },
    /// The rest is gone.
    Cut {
        file: usize,
        len: u64,
    },
}

impl std::fmt::Debug for Harm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Harm::None => f.write_str("nothing"),
            Harm::Word { at, value, .. } => write!(f, "{} word {at} = {value:#x}", self.file()),
            Harm::Bytes { at, bytes, .. } => {
                let (len, first) = (bytes.len(), bytes[0]);
                write!(f, "{} {len} bytes from {at}, the first {first:#x}", self.file())
            }
            Harm::Cut { len, .. } => write!(f, "{} cut to {len} bytes", self.file()),
        }
    }
}

impl Harm {
    /// A harm to one of the files: in half of the cases to a single word.
    pub fn draw(rng: &mut Rng, files: &Files) -> Harm {
        // Most to the live file, which is read with no library in between.
        let file = *rng.pick(&[0, 0, 0, 1, 2]);
        let file = if files.of(file).len() < 64 { 0 } else { file };
        let bytes = files.of(file);
        let words = bytes.len() as u64 / WORD;
        let word = |at: u64| {
            let from = (at * WORD) as usize;
            u64::from_le_bytes(bytes[from..from + 8].try_into().expect("8 bytes"))
        };
        // Nine of ten in a part that is in use.
        let mut at = rng.below(words);
        let used = !rng.one_in(10);
        while used && word(at) == 0 && !rng.one_in(1000) {
            at = rng.below(words);
        }
        if rng.one_in(2) {
            let old = word(at);
            let value = match rng.below(9) {
                0 => 0,
                1 => 1,
                2 => u64::MAX,
                3 => old.wrapping_add(1 + rng.below(4)),
                4 => old.wrapping_sub(1 + rng.below(4)),
                5 => old ^ 1 << rng.below(64),
                6 => word(rng.below(words)),
                7 => rng.below(bytes.len() as u64),
                _ => rng.next(),
            };
            return Harm::Word { file, at: at * WORD, value };
        }
        let at = at * WORD;
        let capacity = bytes.len() as u64 - at;
        let some = |rng: &mut Rng, most: u64| (1 + rng.below(most.min(capacity))) as usize;
        match rng.below(5) {
            0 => {
                let len = some(rng, 64);
                Harm::Bytes { file, at, bytes: (0..len).map(|_| rng.next() as u8).collect() }
            }
            1 => Harm::Bytes { file, at, bytes: vec![0; some(rng, 4096)] },
            2 => Harm::Bytes { file, at, bytes: vec![0xff; some(rng, 512)] },
            3 => {
                let len = some(rng, 4096);
                let from = rng.below((bytes.len() - len + 1) as u64) as usize;
                Harm::Bytes { file, at, bytes: bytes[from..from + len].to_vec() }
            }
            _ => Harm::Cut { file, len: rng.below(bytes.len() as u64) },
        }
    }

    /// Which file it is about.
    pub fn file(&self) -> &'static str {
        match self {
            Harm::None => "none",
            Harm::Word { file, .. } | Harm::Bytes { file, .. } | Harm::Cut { file, .. } => {
                NAMES[*file].0
            }
        }
    }

    /// What it is called.
    pub fn kind(&self) -> &'static str {
        match self {
            Harm::None => "none",
            Harm::Word { .. } => "single words",
            Harm::Bytes { .. } | Harm::Cut { .. } => "random",
        }
    }

    /// Makes it happen.
    pub fn inflict(&self, files: &Files) {
        let change = |file: usize, at: u64, new: &[u8]| {
            let mut bytes = files.of(file).to_vec();
            bytes[at as usize..at as usize + new.len()].copy_from_slice(new);
            files.write(NAMES[file].1, &bytes);
        };
        match self {
            Harm::None => {}
            Harm::Word { file, at, value } => change(*file, *at, &value.to_le_bytes()),
            Harm::Bytes { file, at, bytes } => change(*file, *at, bytes),
            Harm::Cut { file, len } => {
                let path = files.directory.join(NAMES[*file].1);
                let file = OpenOptions::new().write(true).open(path).expect("is there");
                file.set_len(*len).expect("is cut");
            }
        }
    }
}

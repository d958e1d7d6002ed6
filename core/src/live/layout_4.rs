//! The layout before this one, as far as it must be read: whether a live file of it holds anything
//! that its database does not have. Frozen: no released file of that layout changes any more.

use super::file::Memory;
use super::layout::{WORD, chunk_of};

pub(super) const VERSION: u64 = 4;

const TOKENS: [u64; 2] = [13 * WORD, 14 * WORD];
const RECORD_COUNT: u64 = 17 * WORD;
const CATALOG_PENDING: u64 = 19 * WORD;
const POISON: u64 = 20 * WORD;
/// Chunks of the table of records: an offset for each, in chunks that double from 1,024.
const CHUNKS: u64 = 2048;
const FIRST_CHUNK_LOG2: u32 = 10;
/// Words of a record.
const PENDING: u64 = 12 * WORD;
const SEQ: u64 = 13 * WORD;
const CHECKPOINTED_SEQ: u64 = 23 * WORD;
const UNDO_COUNT: u64 = 25 * WORD;

/// The commit token of a file whose tenants are all in the database, with no change under way:
/// it was closed in order. `None`: it holds more than the database.
pub(super) fn token_if_clean(memory: &Memory) -> Option<u64> {
    let [current, intended] = TOKENS.map(|at| memory.get(at));
    let is_quiet = memory.get(POISON) == 0 && memory.get(CATALOG_PENDING) == 0;
    let is_saved = |index| {
        let (chunk, nth) = chunk_of(index, FIRST_CHUNK_LOG2);
        let table = memory.get(CHUNKS + chunk * WORD);
        let record = memory.get(table + nth * WORD);
        let word = |at| memory.get(record + at);
        word(PENDING) == 0 && word(UNDO_COUNT) == 0 && word(SEQ) == word(CHECKPOINTED_SEQ)
    };
    let count = memory.get(RECORD_COUNT);
    // A record takes more bytes than this: a larger number is damage.
    let is_possible = count < memory.address_space() / 1024;
    let is_clean = is_quiet && current == intended && is_possible && (0..count).all(is_saved);
    // A word that led outside the file has poisoned it.
    (is_clean && memory.get(POISON) == 0).then_some(current)
}

#[cfg(test)]
mod tests {
    use super::super::layout::{PAGE, header};
    use super::*;

    fn file() -> Memory {
        let memory = Memory::anonymous().expect("is mapped");
        for (at, word) in [
            (TOKENS[0], 7),
            (TOKENS[1], 7),
            (RECORD_COUNT, 1),
            (CHUNKS, PAGE),
            (PAGE, 2 * PAGE),
            (header::FILE_LEN, 8 * PAGE),
        ] {
            memory.put(at, word);
        }
        memory
    }

    #[test]
    fn a_file_that_holds_what_its_database_has_is_clean() {
        assert_eq!(token_if_clean(&file()), Some(7));
    }

    #[test]
    fn a_file_that_holds_more_is_not() {
        let record = 2 * PAGE;
        for word in [
            TOKENS[0],
            CATALOG_PENDING,
            POISON,
            record + PENDING,
            record + SEQ,
            record + CHECKPOINTED_SEQ,
            record + UNDO_COUNT,
        ] {
            let memory = file();
            memory.put(word, 9);
            assert_eq!(token_if_clean(&memory), None, "{word}");
        }
        // A record that lies outside the file, and more of them than it can have.
        for (at, word) in [(PAGE, 1 << 40), (RECORD_COUNT, u64::MAX)] {
            let memory = file();
            memory.put(at, word);
            assert_eq!(token_if_clean(&memory), None, "{at}");
        }
    }
}

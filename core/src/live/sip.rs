//! SipHash-1-3 of 128 bits over a short prefix and a text, in one pass and without a buffer.
//!
//! Every decision by name hashes one text, a message in a session two. The hashes are those of the
//! `siphasher` crate, which a test compares; a hasher that is fed in pieces takes twice as long.

use super::directory::Hash128;

/// The keyed hash of `prefix`, which has 8 bytes at most, followed by `text`.
#[inline(always)]
pub(super) fn hash(key: [u64; 2], prefix: &[u8], text: &[u8]) -> Hash128 {
    let mut state = State::new(key);
    let mut rest = little_endian(prefix);
    let mut shift = prefix.len() as u32 * 8;
    if shift == 64 {
        state.compress(rest);
        (rest, shift) = (0, 0);
    }
    let (words, tail) = text.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        state.compress(rest | word << shift);
        rest = above(word, shift);
    }
    let last = little_endian(tail);
    rest |= last << shift;
    if shift as usize / 8 + tail.len() >= 8 {
        state.compress(rest);
        rest = above(last, shift);
    }
    let bytes = (prefix.len() + text.len()) as u64;
    state.compress(rest | bytes << 56);
    state.finish()
}

/// What of a word does not fit into the one that it is shifted into by so many bits.
#[inline(always)]
const fn above(word: u64, shift: u32) -> u64 {
    if shift == 0 { 0 } else { word >> (64 - shift) }
}

/// At most 8 bytes as a number, the low byte first.
#[inline(always)]
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

struct State {
    v: [u64; 4],
}

impl State {
    #[inline(always)]
    const fn new([low, high]: [u64; 2]) -> State {
        // The constants of the algorithm: "somepseudorandomlygeneratedbytes".
        let v = [
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ];
        State { v }
    }

    #[inline(always)]
    const fn compress(&mut self, word: u64) {
        self.v[3] ^= word;
        self.round();
        self.v[0] ^= word;
    }

    #[inline(always)]
    const fn finish(mut self) -> Hash128 {
        self.v[2] ^= 0xee;
        let low = self.digest();
        self.v[1] ^= 0xdd;
        Hash128 { low, high: self.digest() }
    }

    #[inline(always)]
    const fn digest(&mut self) -> u64 {
        self.round();
        self.round();
        self.round();
        self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]
    }

    #[inline(always)]
    const fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.v;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.rotate_left(32).wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        self.v = [a, b, c.rotate_left(32), d];
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use siphasher::sip128::{Hasher128, SipHasher13};

    use super::*;

    #[test]
    fn the_hash_is_that_of_the_reference_at_every_length_of_prefix_and_text() {
        let text: Vec<u8> = (0..200u32).map(|it| (it * 37 + 11) as u8).collect();
        for key in [[0, 0], [7, u64::MAX], [0x0123_4567_89ab_cdef, 1 << 63]] {
            for prefix_len in 0..=8 {
                let prefix = &[0xa5, 0xc3, 0xe1, 0xf0, 0x12, 0, 0x56, 0x78][..prefix_len];
                for len in 0..text.len() {
                    let text = &text[..len];
                    let mut reference = SipHasher13::new_with_keys(key[0], key[1]);
                    reference.write(prefix);
                    reference.write(text);
                    let expected = reference.finish128();
                    let expected = Hash128 { low: expected.h1, high: expected.h2 };
                    assert_eq!(hash(key, prefix, text), expected, "{prefix_len} {len}");
                }
            }
        }
    }
}

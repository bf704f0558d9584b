//! Choices out of bytes.
//!
//! Owns how a target turns its input into numbers, lists and texts. It has the methods of
//! `fastrand::Rng` that the tests of the state machine use, so that their generators run on bytes
//! as well. Where the bytes are used up, every choice is the least one: an input of any length
//! means something.

use std::ops::{Bound, RangeBounds};

/// Reads an input from its front.
pub struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next byte, 0 behind the end.
    pub fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    /// As many of the next bytes as there are, up to `length`.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }

    /// A short string of bytes, its length in front.
    pub fn short(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte());
        self.take(length)
    }

    /// A short text, its length in front; what is no UTF-8 is replaced.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.short()).into_owned()
    }

    pub fn bool(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub fn u8(&mut self, range: impl RangeBounds<u8>) -> u8 {
        let [low, high] = [range.start_bound(), range.end_bound()].map(Bound::cloned);
        let least = least(low.map(u64::from));
        let most = most(high.map(u64::from), u8::MAX.into());
        u8::try_from(within(u64::from(self.byte()), least, most)).unwrap()
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    pub fn u64(&mut self, range: impl RangeBounds<u64>) -> u64 {
        let most = most(range.end_bound().cloned(), u64::MAX);
        let least = least(range.start_bound().cloned());
        // Two bytes reach as far as any generator's bounds, but the whole range needs them all.
        let value = match most - least {
            0..=0xffff => u64::from(self.u16()),
            _ => u64::from_be_bytes(self.array()),
        };
        within(value, least, most)
    }

    pub fn usize(&mut self, range: impl RangeBounds<usize>) -> usize {
        let [low, high] = [range.start_bound(), range.end_bound()]
            .map(|bound| bound.cloned().map(|value| value as u64));
        usize::try_from(self.u64((low, high))).unwrap()
    }

    /// Within bounds that are not negative, which is all that the generators ask for.
    pub fn i32(&mut self, range: impl RangeBounds<i32>) -> i32 {
        let [low, high] = [range.start_bound(), range.end_bound()]
            .map(|bound| bound.cloned().map(|value| u64::try_from(value).unwrap()));
        i32::try_from(self.u64((low, high))).unwrap()
    }

    pub fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.array())
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let taken = self.take(N);
        // From the right, so that a number at the end of the input stays small.
        bytes[N - taken.len()..].copy_from_slice(taken);
        bytes
    }
}

/// Whether a text, if it is found in a message, was put there. A fuzzer learns the words of our
/// messages soon; but none of them holds one of these.
pub fn is_telling(text: &str) -> bool {
    text.len() > 8 && text.contains(['%', '#', '@', '?', '&'])
}

fn least(bound: Bound<u64>) -> u64 {
    match bound {
        Bound::Included(least) => least,
        Bound::Excluded(before) => before + 1,
        Bound::Unbounded => 0,
    }
}

fn most(bound: Bound<u64>, all: u64) -> u64 {
    match bound {
        Bound::Included(most) => most,
        Bound::Excluded(after) => after - 1,
        Bound::Unbounded => all,
    }
}

fn within(value: u64, least: u64, most: u64) -> u64 {
    match most - least {
        u64::MAX => value,
        span => least + value % (span + 1),
    }
}

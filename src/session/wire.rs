//! The primitives of the encoding: minimal LEB128 integers and length-prefixed bytes.
//!
//! Reading never trusts a length: nothing is taken that is not there, and an integer that is not in its shortest form is
//! refused, so that a session has one encoding only.

use unsigned_varint::{decode, encode};

/// Appends an integer.
#[inline]
pub fn put_int(out: &mut Vec<u8>, value: u64) {
    // Most lengths are below 128, one byte each.
    if value < 0x80 {
        return out.push(value as u8);
    }
    out.extend_from_slice(encode::u64(value, &mut encode::u64_buffer()));
}

/// Appends bytes behind their length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_int(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// How many bytes an integer takes.
#[inline]
pub fn int_len(value: u64) -> usize {
    // Seven bits to a byte, and one byte for 0.
    let bits = 64u32.saturating_sub((value | 1).leading_zeros());
    bits.div_ceil(7) as usize
}

/// How many bytes [`put_bytes`] appends.
pub fn bytes_len(bytes: &[u8]) -> usize {
    int_len(bytes.len() as u64).saturating_add(bytes.len())
}

/// Takes bytes apart from the front.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next integer.
    #[inline]
    pub fn int(&mut self) -> Option<u64> {
        // Most lengths are below 128, one byte each.
        if let Some((&first, rest)) = self.0.split_first() {
            if first < 0x80 {
                self.0 = rest;
                return Some(u64::from(first));
            }
        }
        self.long_int()
    }

    fn long_int(&mut self) -> Option<u64> {
        let (value, rest) = match self.0 {
            // Most other lengths.
            [first @ 0x80..=0xff, second @ 1..0x80, rest @ ..] => {
                (u64::from(*second) << 7 | u64::from(first & 0x7f), rest)
            }
            long => match long.first_chunk().and_then(|bytes| at_once(*bytes)) {
                Some((value, len)) => (value, long.get(len..)?),
                None => decode::u64(long).ok()?,
            },
        };
        self.0 = rest;
        Some(value)
    }

    /// Passes over the next integer, of bytes that were checked when they were stored.
    #[inline]
    pub fn skip_int(&mut self) -> Option<()> {
        let last = self.0.iter().position(|byte| *byte < 0x80)?;
        self.0 = self.0.get(last.checked_add(1)?..)?;
        Some(())
    }

    /// The next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next bytes, behind their length.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.int()?;
        self.take(len)
    }
}

/// An integer of up to eight bytes and how many they are, in a fifth of the steps of one byte after the other (times are
/// six bytes, and a session has four). Nothing where it is longer, or not in its shortest form.
#[inline]
fn at_once(bytes: [u8; 8]) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(bytes);
    // The first byte without the high bit is the last of the integer.
    let last = (!word & 0x8080_8080_8080_8080).trailing_zeros();
    let taken = word & u64::MAX.checked_shr(63u32.checked_sub(last)?)?;
    let shortest = last <= 7 || taken.unbounded_shr(last.saturating_sub(7)) != 0;
    // Seven bits of each byte are moved together: of two, of four, of eight bytes.
    let pairs = (taken & 0x007f_007f_007f_007f) | (taken & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = (pairs & 0x0000_3fff_0000_3fff) | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    let value = (fours & 0x0000_0000_0fff_ffff) | (fours & 0x0fff_ffff_0000_0000) >> 4;
    shortest.then_some((value, (last as usize / 8).saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn at_once_is_as_one_byte_after_the_other(value: u64, shift in 0..64u32, bytes: [u8; 8]) {
            let mut out = Vec::new();
            put_int(&mut out, value >> shift);
            prop_assert_eq!(Reader::new(&out).int(), Some(value >> shift));
            prop_assert_eq!(out.len(), int_len(value >> shift));
            out.extend([0xff; 8]);
            prop_assert_eq!(Reader::new(&out).int(), Some(value >> shift));
            let plain = decode::u64(&bytes).ok().map(|(value, rest)| (value, 8 - rest.len()));
            prop_assert_eq!(at_once(bytes), plain);
            let mut sparse = bytes;
            sparse.iter_mut().for_each(|byte| *byte |= 0x80);
            sparse[(shift / 8) as usize] &= 0x7f;
            let plain = decode::u64(&sparse).ok().map(|(value, rest)| (value, 8 - rest.len()));
            prop_assert_eq!(at_once(sparse), plain);
        }
    }

    #[test]
    fn integers_come_back_and_have_one_form() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_int(&mut out, value);
            assert_eq!(out.len(), int_len(value));
            let mut reader = Reader::new(&out);
            assert_eq!(reader.int(), Some(value));
            assert!(reader.rest().is_empty());
            let mut reader = Reader::new(&out);
            assert_eq!((reader.skip_int(), reader.skip_int()), (Some(()), None));
        }
        assert_eq!(Reader::new(&[0x80, 0x00]).int(), None, "0 in two bytes");
        assert_eq!(Reader::new(&[0x80]).int(), None, "cut short");
        assert_eq!(Reader::new(&[0xff; 11]).int(), None, "past 64 bits");
    }

    #[test]
    fn lengths_are_not_trusted() {
        assert_eq!(Reader::new(&[5, b'a', b'b']).bytes(), None);
        let mut huge = Vec::new();
        put_int(&mut huge, u64::MAX);
        assert_eq!(Reader::new(&huge).bytes(), None);
        assert_eq!(Reader::new(&[0]).bytes(), Some(&b""[..]));
    }
}

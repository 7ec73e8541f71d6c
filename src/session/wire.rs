//! The primitives of the encoding: minimal LEB128 integers and length-prefixed bytes.
//!
//! Reading never trusts a length: nothing is taken that is not there, and an integer that is not in its shortest form is
//! refused, so that a session has one encoding only.

use unsigned_varint::{decode, encode};

/// Appends an integer.
#[inline(always)]
pub fn put_int(out: &mut Vec<u8>, value: u64) {
    // Most lengths are below 128, one byte each.
    if value < 0x80 {
        return out.push(value as u8);
    }
    put_long_int(out, value);
}

fn put_long_int(out: &mut Vec<u8>, value: u64) {
    if value < 0x4000 {
        return out.extend_from_slice(&[value as u8 | 0x80, (value >> 7) as u8]);
    }
    out.extend_from_slice(encode::u64(value, &mut encode::u64_buffer()));
}

/// Appends bytes behind their length.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_int(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// How many bytes an integer takes.
#[inline(always)]
pub fn int_len(value: u64) -> usize {
    if value < 0x80 {
        return 1;
    }
    // Seven bits to a byte, and one byte for 0.
    let bits = 64u32.saturating_sub((value | 1).leading_zeros());
    bits.div_ceil(7) as usize
}

/// How many bytes [`put_bytes`] appends.
#[inline]
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
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next byte.
    #[inline]
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// The next integer.
    #[inline(always)]
    pub fn int(&mut self) -> Option<u64> {
        match self.0 {
            // Most lengths are below 128, one byte each.
            [first @ 0..0x80, rest @ ..] => {
                self.0 = rest;
                Some(u64::from(*first))
            }
            _ => self.long_int(),
        }
    }

    fn long_int(&mut self) -> Option<u64> {
        let (value, rest) = match self.0 {
            // Most others take two.
            [first @ 0x80..=0xff, second @ 1..0x80, rest @ ..] => {
                (u64::from(*second) << 7 | u64::from(first & 0x7f), rest)
            }
            // The library drops the bits of a tenth byte that are past the 64th, and such an integer has another form.
            long => decode::u64(long)
                .ok()
                .filter(|(_, rest)| long.len().saturating_sub(rest.len()) < 10 || long.get(9) == Some(&1))?,
        };
        self.0 = rest;
        Some(value)
    }

    /// The next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next bytes, behind their length.
    #[inline]
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.int()?;
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_integer_comes_back_and_has_one_form(value: u64, shift in 0..64u32, bytes: [u8; 11]) {
            let mut out = Vec::new();
            put_int(&mut out, value >> shift);
            prop_assert_eq!(Reader::new(&out).int(), Some(value >> shift));
            prop_assert_eq!(out.len(), int_len(value >> shift));
            let mut reader = Reader::new(&bytes);
            if let Some(read) = reader.int() {
                out.clear();
                put_int(&mut out, read);
                prop_assert_eq!(&bytes[..bytes.len() - reader.rest().len()], &out[..]);
            }
        }
    }

    #[test]
    fn what_is_not_an_integer_is_refused() {
        assert_eq!(Reader::new(&[0x80, 0x00]).int(), None, "0 in two bytes");
        assert_eq!(Reader::new(&[0x80]).int(), None, "cut short");
        assert_eq!(Reader::new(&[0xff; 11]).int(), None, "past 64 bits");
        for tenth in [2, 3, 7, 0x76, 0x7f] {
            let bytes = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, tenth];
            assert_eq!(Reader::new(&bytes).int(), None, "past 64 bits in the tenth byte: {tenth}");
        }
    }

    #[test]
    fn lengths_are_not_trusted() {
        assert_eq!(Reader::new(&[5, b'a', b'b']).bytes(), None);
        let mut huge = Vec::new();
        put_int(&mut huge, u64::MAX);
        assert_eq!(Reader::new(&huge).bytes(), None);
        assert_eq!(Reader::new(&[0]).bytes(), Some(&b""[..]));
        assert_eq!(Reader::new(&[1, 2]).array::<3>(), None);
    }
}

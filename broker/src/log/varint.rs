//! Zig-zag varints of the record format, read from hostile bytes.

/// Takes a varint of at most 64 bits from the front of `input`; `None` when the
/// input ends inside of it or it is longer than ten bytes.
#[inline]
pub(crate) fn take_i64(input: &mut &[u8]) -> Option<i64> {
    let mut value: u64 = 0;
    for (index, byte) in input.iter().copied().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *input = &input[index + 1..];
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

/// Takes a varint that must fit 32 bits.
#[inline]
pub(crate) fn take_i32(input: &mut &[u8]) -> Option<i32> {
    i32::try_from(take_i64(input)?).ok()
}

/// Appends `value`.
#[inline]
pub(crate) fn put_i64(output: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        output.push((rest as u8) | 0x80);
        rest >>= 7;
    }
    output.push(rest as u8);
}

/// Bytes that `value` takes.
#[inline]
pub(crate) fn len_i64(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    let bits = 64 - (zigzag | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken(value in any::<i64>()) {
            let mut bytes = Vec::new();
            put_i64(&mut bytes, value);
            prop_assert_eq!(bytes.len(), len_i64(value));
            let mut input = &bytes[..];
            prop_assert_eq!(take_i64(&mut input), Some(value));
            prop_assert!(input.is_empty());
        }

        #[test]
        fn hostile_bytes_are_refused_not_followed(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut input = &bytes[..];
            let _ = take_i64(&mut input);
            let mut input = &bytes[..];
            let _ = take_i32(&mut input);
        }
    }

    #[test]
    fn a_varint_cut_short_is_refused() {
        assert_eq!(take_i64(&mut &[0x80u8, 0x80][..]), None);
        assert_eq!(take_i64(&mut &[0x80u8; 11][..]), None);
        assert_eq!(take_i32(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01][..]), None);
    }
}

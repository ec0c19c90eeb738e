//! The bytes before a record's data: a zero, and the schema's id, 32 bits big-endian.

/// The byte that every framed record begins with.
const MAGIC: u8 = 0;

/// Takes the frame off: the schema's id, and the data. The error says what is wrong.
pub fn split(bytes: &[u8]) -> Result<(u32, &[u8]), String> {
    match bytes {
        [MAGIC, a, b, c, d, data @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), data)),
        [MAGIC, ..] => Err(format!("{} bytes are no schema id with data after it", bytes.len())),
        [first, ..] => Err(format!(
            "its first byte is {first}, and not the 0 that stands before a schema id: it was \
             written without a schema registry"
        )),
        [] => Err("it is empty, where a schema id should stand".to_owned()),
    }
}

/// Appends the frame of a schema.
pub fn push(id: u32, out: &mut Vec<u8>) {
    out.push(MAGIC);
    out.extend_from_slice(&id.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_zero_and_four_bytes_of_id() {
        let mut bytes = Vec::new();
        push(0x0102_0304, &mut bytes);
        bytes.push(9);
        assert_eq!(bytes, [0, 1, 2, 3, 4, 9]);
        assert_eq!(split(&bytes), Ok((0x0102_0304, &[9][..])));
        for wrong in [&b""[..], b"\0abc", b"{\"a\":1}"] {
            assert!(split(wrong).is_err(), "{wrong:?}");
        }
    }
}

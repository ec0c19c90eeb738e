//! `base/state`.

use wasmtime::bail;

use crate::host::bindings::describe::longshore::base::state;
use crate::host::bindings::types;
use crate::host::guest::Guest;

/// Entries of one scan at most; more are asked for page by page.
const SCAN_MAX: u32 = 100_000;

impl state::Host for Guest {
    fn get(&mut self, keys: types::Packed) -> wasmtime::Result<types::Packed> {
        let mut values = packed(keys.len.len());
        for key in parts(&keys)? {
            push(&mut values, self.state.get(key.unwrap_or_default()));
        }
        Ok(values)
    }

    fn put(&mut self, keys: types::Packed, values: types::Packed) -> wasmtime::Result<()> {
        if keys.len.len() != values.len.len() {
            bail!("state.put was given {} keys and {} values", keys.len.len(), values.len.len());
        }
        for (key, value) in parts(&keys)?.into_iter().zip(parts(&values)?) {
            let Some(key) = key else { bail!("state.put was given a null key") };
            self.state.put(key, value)?;
        }
        Ok(())
    }

    fn scan(
        &mut self,
        start: Vec<u8>,
        max: u32,
    ) -> wasmtime::Result<(types::Packed, types::Packed)> {
        let found = self.state.scan(&start, max.min(SCAN_MAX) as usize);
        let (mut keys, mut values) = (packed(found.len()), packed(found.len()));
        for (key, value) in found {
            push(&mut keys, Some(key));
            push(&mut values, Some(value));
        }
        Ok((keys, values))
    }
}

fn packed(parts: usize) -> types::Packed {
    types::Packed { bytes: Vec::new(), len: Vec::with_capacity(parts) }
}

fn push(packed: &mut types::Packed, part: Option<&[u8]>) {
    match part {
        None => packed.len.push(-1),
        Some(bytes) => {
            packed.bytes.extend_from_slice(bytes);
            packed.len.push(i32::try_from(bytes.len()).expect("a value crossed, so it is small"));
        }
    }
}

/// The parts of what a guest packed, its lengths checked against its bytes.
fn parts(packed: &types::Packed) -> wasmtime::Result<Vec<Option<&[u8]>>> {
    let mut rest = &packed.bytes[..];
    let mut parts = Vec::with_capacity(packed.len.len());
    for len in &packed.len {
        parts.push(match *len {
            -1 => None,
            len => {
                let split = usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len));
                let Some((part, after)) = split else {
                    bail!("packed bytes end before a part of {len} bytes");
                };
                rest = after;
                Some(part)
            }
        });
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_beyond_the_bytes_are_refused() {
        let of = |len: Vec<i32>| {
            let packed = types::Packed { bytes: b"abc".to_vec(), len };
            parts(&packed).map(|parts| parts.len()).map_err(|error| error.to_string())
        };
        assert_eq!(of(vec![1, -1, 2]), Ok(3));
        assert!(of(vec![4]).is_err());
        assert!(of(vec![-2]).is_err());
        assert!(of(vec![3, i32::MAX]).is_err());
    }
}

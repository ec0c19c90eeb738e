//! Bytes followed along a request's fields, without building anything.

use super::{At, Field, ShapeError};
use crate::limits;

/// A request that is followed, as far as it has come.
pub(super) struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(body: &'a [u8], version: i16, flexible: bool) -> Self {
        Self { rest: body, version, flexible, elements: 0 }
    }

    pub(super) fn structure(&mut self, fields: &[At]) -> Result<(), ShapeError> {
        for At(min, max, field) in fields {
            if (*min..=*max).contains(&self.version) {
                self.field(field)?;
            }
        }
        if self.flexible { self.tags() } else { Ok(()) }
    }

    fn field(&mut self, field: &Field) -> Result<(), ShapeError> {
        match field {
            Field::Fixed(bytes) => self.skip(*bytes),
            Field::Text => {
                let length = self.length(2)?;
                self.skip(length)
            }
            Field::Blob => {
                let length = self.length(4)?;
                self.skip(length)
            }
            Field::Plain(element) => {
                for _ in 0..self.count()? {
                    self.field(element)?;
                }
                Ok(())
            }
            Field::Structs(fields) => {
                for _ in 0..self.count()? {
                    self.structure(fields)?;
                }
                Ok(())
            }
            Field::Nullable(fields) => match self.rest.split_first() {
                Some((&presence, rest)) => {
                    self.rest = rest;
                    if presence.cast_signed() < 0 { Ok(()) } else { self.structure(fields) }
                }
                None => Err(ShapeError::Short),
            },
        }
    }

    fn tags(&mut self) -> Result<(), ShapeError> {
        let count = self.varint()? as usize;
        self.add_elements(count)?;
        for _ in 0..count {
            self.varint()?;
            let bytes = self.varint()? as usize;
            self.skip(bytes)?;
        }
        Ok(())
    }

    fn count(&mut self) -> Result<usize, ShapeError> {
        let count = self.length(4)?;
        self.add_elements(count)?;
        Ok(count)
    }

    fn add_elements(&mut self, count: usize) -> Result<(), ShapeError> {
        // No element takes less than a byte.
        if count > self.rest.len() {
            return Err(ShapeError::Short);
        }
        self.elements += count;
        if self.elements > limits::REQUEST_ELEMENTS_MAX {
            return Err(ShapeError::Elements);
        }
        Ok(())
    }

    /// A length of `bytes` bytes, or a varint one greater; null counts as 0.
    fn length(&mut self, bytes: usize) -> Result<usize, ShapeError> {
        if self.flexible {
            return Ok(self.varint()?.saturating_sub(1) as usize);
        }
        let (head, rest) = self.rest.split_at_checked(bytes).ok_or(ShapeError::Short)?;
        self.rest = rest;
        let length = match *head {
            [a, b] => i64::from(i16::from_be_bytes([a, b])),
            [a, b, c, d] => i64::from(i32::from_be_bytes([a, b, c, d])),
            _ => return Err(ShapeError::Length),
        };
        match length {
            -1 => Ok(0),
            length => usize::try_from(length).map_err(|_| ShapeError::Length),
        }
    }

    fn varint(&mut self) -> Result<u32, ShapeError> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let (&byte, rest) = self.rest.split_first().ok_or(ShapeError::Short)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| ShapeError::Length);
            }
        }
        Err(ShapeError::Length)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), ShapeError> {
        self.rest = self.rest.get(bytes..).ok_or(ShapeError::Short)?;
        Ok(())
    }
}

//! Decimals of any size.

use std::fmt;

use num_bigint::{BigInt, Sign};

/// `unscaled` times ten to the power of minus `scale`. 1.0 and 1.00 are two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    unscaled: BigInt,
    scale: i32,
}

impl Decimal {
    /// The longest text that is read as one, in bytes, and the most zeros that
    /// [`Decimal::plain`] adds.
    pub const TEXT_BYTES_MAX: usize = 1000;

    pub(super) fn from_parts(unscaled: BigInt, scale: i32) -> Self {
        Self { unscaled, scale }
    }

    pub(super) fn unscaled(&self) -> &BigInt {
        &self.unscaled
    }

    /// A small one.
    pub fn new(unscaled: i64, scale: i32) -> Self {
        Self { unscaled: unscaled.into(), scale }
    }

    /// Digits after the point; negative for zeros before it.
    pub fn scale(&self) -> i32 {
        self.scale
    }

    /// A text of digits with at most one point, and a sign; its zeros at the end count.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::TEXT_BYTES_MAX {
            return None;
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = whole.strip_prefix(['+', '-']).unwrap_or(whole);
        if digits.len() + fraction.len() == 0
            || !digits.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        let unscaled = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { unscaled, scale: fraction.len() as i32 })
    }

    /// Its digits with a point and without an exponent, as SQL reads them; `None` where
    /// that takes more than a thousand zeros.
    pub fn plain(&self) -> Option<String> {
        let mut digits = self.unscaled.magnitude().to_string();
        if self.scale.unsigned_abs() as usize > Self::TEXT_BYTES_MAX {
            return None;
        }
        if let Ok(scale) = usize::try_from(self.scale) {
            if scale > 0 {
                if digits.len() <= scale {
                    digits.insert_str(0, &"0".repeat(scale + 1 - digits.len()));
                }
                digits.insert(digits.len() - scale, '.');
            }
        } else if self.unscaled.sign() != Sign::NoSign {
            digits.push_str(&"0".repeat(self.scale.unsigned_abs() as usize));
        }
        if self.unscaled.sign() == Sign::Minus {
            digits.insert(0, '-');
        }
        Some(digits)
    }
}

impl fmt::Display for Decimal {
    /// With an exponent where there are too many zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.plain() {
            Some(plain) => f.write_str(&plain),
            None => write!(f, "{}e{}", self.unscaled, -i64::from(self.scale)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_text_is_what_sql_reads() {
        for text in ["0", "0.00", "-10.50", "123456789012345678901234567890.001", "0.007", "-7"] {
            assert_eq!(Decimal::parse(text).unwrap().plain().as_deref(), Some(text));
        }
        assert_eq!(Decimal::new(12, -3).to_string(), "12000");
        assert_eq!(Decimal::new(0, -3).to_string(), "0");
        assert_eq!(Decimal::new(12, 1_000_000).to_string(), "12e-1000000");
        for wrong in ["", "-", ".", "1e5", "1.2.3", "+-1", "٣", " 1"] {
            assert_eq!(Decimal::parse(wrong), None, "{wrong}");
        }
    }
}

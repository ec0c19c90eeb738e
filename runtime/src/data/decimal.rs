//! Decimals of any size: Java's `BigDecimal`, as far as records need it.

use std::fmt;

use num_bigint::{BigInt, Sign};

/// Longest text that is read as a number, in bytes: reading takes the square of it.
/// Kafka Connect's JSON parser has the same limit (`StreamReadConstraints`).
pub const TEXT_BYTES_MAX: usize = 1000;

/// `unscaled` times ten to the power of minus `scale`. 1.0 and 1.00 are two.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    unscaled: BigInt,
    scale: i32,
}

impl Decimal {
    /// `unscaled` times ten to the power of minus `scale`.
    pub fn new(unscaled: BigInt, scale: i32) -> Self {
        Self { unscaled, scale }
    }

    /// The number without its point.
    pub fn unscaled(&self) -> &BigInt {
        &self.unscaled
    }

    /// From two's complement, big-endian, as `Decimal` has it in Kafka Connect's bytes.
    /// `None` without any byte.
    pub fn from_bytes(bytes: &[u8], scale: i32) -> Option<Self> {
        (!bytes.is_empty()).then(|| Self { unscaled: BigInt::from_signed_bytes_be(bytes), scale })
    }

    /// The unscaled number in two's complement, big-endian, as short as can be.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.unscaled.to_signed_bytes_be()
    }

    /// Digits after the point; negative for zeros before it.
    pub fn scale(&self) -> i32 {
        self.scale
    }

    /// A text as `new BigDecimal(String)` takes it: sign, digits with at most one
    /// point, exponent. The zeros at the end count.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (number, exponent) = match text.find(['e', 'E']) {
            None => (text, 0),
            Some(at) => {
                let exponent = &text[at + 1..];
                // Rust takes one sign, too.
                (&text[..at], exponent.parse::<i64>().ok()?)
            }
        };
        let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mut all = String::with_capacity(whole.len() + fraction.len());
        all.push_str(whole);
        all.push_str(fraction);
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let unscaled: BigInt = all.parse().ok()?;
        let scale = i32::try_from(fraction.len() as i64 - exponent).ok()?;
        let unscaled = if number.starts_with('-') { -unscaled } else { unscaled };
        Some(Self { unscaled, scale })
    }

    /// The whole part's lowest 64 bits, as Java's `longValue`.
    pub fn low_i64(&self) -> i64 {
        let digits = self.digits().len() as i64;
        let scale = i64::from(self.scale);
        if digits <= scale || scale <= -64 {
            // Less than one; or a multiple of 2^64.
            return 0;
        }
        let ten = BigInt::from(10);
        let power = ten.pow(self.scale.unsigned_abs());
        let whole = if scale > 0 { &self.unscaled / power } else { &self.unscaled * power };
        let (sign, words) = whole.to_u64_digits();
        let low = words.first().copied().unwrap_or(0) as i64;
        if sign == Sign::Minus { low.wrapping_neg() } else { low }
    }

    /// The whole number that it is, if it is one of 64 bits.
    pub fn exact_i64(&self) -> Option<i64> {
        let digits = self.digits();
        let zeros = digits.len() - digits.trim_end_matches('0').len();
        if self.unscaled == BigInt::ZERO {
            return Some(0);
        }
        if i64::from(self.scale) > zeros as i64 {
            return None;
        }
        let places = digits.len() as i64 - i64::from(self.scale);
        if places > 19 {
            return None;
        }
        let whole = match self.scale {
            ..=0 => &self.unscaled * BigInt::from(10).pow(self.scale.unsigned_abs()),
            scale => &self.unscaled / BigInt::from(10).pow(scale.unsigned_abs()),
        };
        i64::try_from(whole).ok()
    }

    /// The nearest float, infinite if it is too large.
    pub fn to_f64(&self) -> f64 {
        self.to_string().parse().expect("a decimal's text is a number")
    }

    /// The nearest float, infinite if it is too large.
    pub fn to_f32(&self) -> f32 {
        self.to_string().parse().expect("a decimal's text is a number")
    }

    /// The unscaled number's digits, without a sign.
    fn digits(&self) -> String {
        self.unscaled.magnitude().to_string()
    }
}

impl fmt::Display for Decimal {
    /// The form of `BigDecimal.toString`, from which it comes back with its scale.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.unscaled.sign() == Sign::Minus {
            f.write_str("-")?;
        }
        let digits = self.digits();
        if self.scale == 0 {
            return f.write_str(&digits);
        }
        let scale = i64::from(self.scale);
        let adjusted = digits.len() as i64 - 1 - scale;
        if scale > 0 && adjusted >= -6 {
            let scale = scale as usize;
            return match digits.len().checked_sub(scale) {
                Some(whole) if whole > 0 => {
                    write!(f, "{}.{}", &digits[..whole], &digits[whole..])
                }
                _ => write!(f, "0.{digits:0>scale$}"),
            };
        }
        f.write_str(&digits[..1])?;
        if digits.len() > 1 {
            write!(f, ".{}", &digits[1..])?;
        }
        if adjusted == 0 { Ok(()) } else { write!(f, "E{adjusted:+}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        Decimal::parse(text).unwrap().to_string()
    }

    #[test]
    fn a_decimal_is_written_as_java_writes_it() {
        for (given, written) in [
            ("0", "0"),
            ("-0.00", "0.00"),
            ("1.50", "1.50"),
            ("+.5", "0.5"),
            ("5.", "5"),
            ("1e3", "1E+3"),
            ("12e3", "1.2E+4"),
            ("0.0000001", "1E-7"),
            ("0.000001", "0.000001"),
            ("-123.45e-10", "-1.2345E-8"),
            ("0e10", "0E+10"),
            (
                "340282366920938463463374607431768211456.7",
                "340282366920938463463374607431768211456.7",
            ),
        ] {
            assert_eq!(text(given), written, "{given}");
            assert_eq!(Decimal::parse(written), Decimal::parse(given), "{given}");
        }
        for wrong in ["", "-", ".", "1.2.3", "1e", "0x1", "1 ", "NaN", "--1"] {
            assert_eq!(Decimal::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bytes_are_twos_complement_and_come_back() {
        for given in ["0", "127", "128", "-128", "-129", "99999999999999999999.99"] {
            let decimal = Decimal::parse(given).unwrap();
            let back = Decimal::from_bytes(&decimal.to_bytes(), decimal.scale());
            assert_eq!(back, Some(decimal));
        }
        assert_eq!(Decimal::parse("-1.28").unwrap().to_bytes(), [0x80]);
        assert_eq!(Decimal::from_bytes(&[], 2), None);
    }

    #[test]
    fn whole_parts_are_javas() {
        let low = |text| Decimal::parse(text).unwrap().low_i64();
        assert_eq!((low("1.99"), low("-1.99"), low("0.9"), low("3e2")), (1, -1, 0, 300));
        assert_eq!(low("18446744073709551617"), 1);
        assert_eq!(low("1e-999999999"), 0);
        assert_eq!(low("1e999999999"), 0);
        let exact = |text| Decimal::parse(text).unwrap().exact_i64();
        assert_eq!(exact("1.00"), Some(1));
        assert_eq!(exact("1e3"), Some(1000));
        assert_eq!(exact("9223372036854775807"), Some(i64::MAX));
        assert_eq!(exact("-9223372036854775808.0"), Some(i64::MIN));
        assert_eq!((exact("1.5"), exact("9223372036854775808"), exact("1e30")), (None, None, None));
    }
}

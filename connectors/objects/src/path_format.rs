//! Folders that are named by a time: `path.format`.
//!
//! The format is that of Kafka Connect's time-based partitioners (Joda-Time's): letters
//! stand for parts of the time, what is between single quotes for itself.
//!
//! | letters | what |
//! | --- | --- |
//! | `YYYY`, `yyyy` | year |
//! | `MM` | month, 01 to 12 |
//! | `dd` | day of the month, 01 to 31 |
//! | `HH` | hour, 00 to 23 |
//! | `mm` | minute, 00 to 59 |

use std::fmt;

const MS_OF_A_DAY: i64 = 24 * 60 * 60 * 1000;

/// A format, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFormat(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Year,
    Month,
    Day,
    Hour,
    Minute,
}

impl PathFormat {
    /// Reads a format.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(format: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = format;
        while let Some(c) = rest.chars().next() {
            if c == '\'' {
                let inside = &rest[1..];
                let end = inside.find('\'').ok_or("a quote `'` is not closed")?;
                // Two quotes are one.
                text.push_str(if end == 0 { "'" } else { &inside[..end] });
                rest = &inside[end + 1..];
                continue;
            }
            let run = rest.len() - rest.trim_start_matches(c).len();
            let (letters, after) = rest.split_at(run);
            rest = after;
            let part = match letters {
                "YYYY" | "yyyy" => Part::Year,
                "MM" => Part::Month,
                "dd" => Part::Day,
                "HH" => Part::Hour,
                "mm" => Part::Minute,
                other if other.chars().any(char::is_alphabetic) => {
                    return Err(format!(
                        "`{other}` is no part of a time; there are YYYY, MM, dd, HH and mm, and \
                         what stands for itself is between single quotes"
                    ));
                }
                other => {
                    text.push_str(other);
                    continue;
                }
            };
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(part);
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        let proper = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
        let format = Self(parts);
        if format.folder(0).split('/').all(proper) {
            Ok(format)
        } else {
            Err("it must name a folder, without a slash in front or at its end".to_owned())
        }
    }

    /// The folder of a time, in milliseconds since the epoch by the clock that names it.
    pub fn folder(&self, local_ms: i64) -> String {
        let (year, month, day) = date(local_ms.div_euclid(MS_OF_A_DAY));
        let minutes = local_ms.rem_euclid(MS_OF_A_DAY) / 60_000;
        let mut folder = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => folder.push_str(text),
                Part::Year => folder.push_str(&format!("{year:04}")),
                Part::Month => folder.push_str(&format!("{month:02}")),
                Part::Day => folder.push_str(&format!("{day:02}")),
                Part::Hour => folder.push_str(&format!("{:02}", minutes / 60)),
                Part::Minute => folder.push_str(&format!("{:02}", minutes % 60)),
            }
        }
        folder
    }
}

/// As it is read again: letters, and the text between them in quotes.
impl fmt::Display for PathFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            let letters = match part {
                Part::Text(text) => {
                    for (at, piece) in text.split('\'').enumerate() {
                        f.write_str(if at > 0 { "''" } else { "" })?;
                        if !piece.is_empty() {
                            write!(f, "'{piece}'")?;
                        }
                    }
                    continue;
                }
                Part::Year => "YYYY",
                Part::Month => "MM",
                Part::Day => "dd",
                Part::Hour => "HH",
                Part::Minute => "mm",
            };
            f.write_str(letters)?;
        }
        Ok(())
    }
}

/// Year, month and day of a day counted from the epoch, in the Gregorian calendar
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn date(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Milliseconds that a clock is ahead of UTC: `UTC`, `Z` or `+02:00`.
///
/// # Errors
/// What is wrong with it.
pub fn zone_ms(zone: &str) -> Result<i64, String> {
    if matches!(zone, "UTC" | "Z" | "GMT") {
        return Ok(0);
    }
    let offset = || {
        let (sign, rest) = match zone.strip_prefix('+') {
            Some(rest) => (1, rest),
            None => (-1, zone.strip_prefix('-')?),
        };
        let (hours, minutes) = rest.split_once(':')?;
        let digits = |text: &str| text.len() == 2 && text.bytes().all(|c| c.is_ascii_digit());
        if !digits(hours) || !digits(minutes) {
            return None;
        }
        let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours <= 18 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
    };
    offset().ok_or_else(|| format!("`{zone}` is no time zone; there are UTC and +HH:MM"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(format: &str, ms: i64) -> String {
        PathFormat::read(format).unwrap().folder(ms)
    }

    #[test]
    fn a_folder_is_named_by_its_time() {
        let hourly = "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH";
        assert_eq!(folder(hourly, 0), "year=1970/month=01/day=01/hour=00");
        // 2026-11-23T14:05:59.999Z
        let ms = 1_795_442_759_999;
        assert_eq!(folder(hourly, ms), "year=2026/month=11/day=23/hour=14");
        assert_eq!(folder("yyyy-MM-dd''HHmm", ms), "2026-11-23'1405");
        assert_eq!(folder("YYYY/MM/dd", -1), "1969/12/31");
        // Leap days, of a century too.
        assert_eq!(folder("YYYYMMdd", 951_782_400_000), "20000229");
        assert_eq!(folder("YYYYMMdd", 4_107_542_400_000), "21000301");
    }

    #[test]
    fn what_is_shown_of_a_format_is_read_as_the_same() {
        for format in ["'year'=YYYY/'month'=MM", "yyyy-MM-dd''HHmm", "'a''b'/''"] {
            let format = PathFormat::read(format).unwrap();
            assert_eq!(PathFormat::read(&format.to_string()), Ok(format));
        }
    }

    #[test]
    fn a_format_that_names_no_folder_is_refused() {
        for wrong in ["", "/YYYY", "YYYY/", "YYYY//MM", "'..'/YYYY", "'x", "QQ", "YYY", "year"] {
            assert!(PathFormat::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn zones_are_utc_or_an_offset() {
        assert_eq!(zone_ms("UTC"), Ok(0));
        assert_eq!(zone_ms("+02:00"), Ok(7_200_000));
        assert_eq!(zone_ms("-03:30"), Ok(-12_600_000));
        for wrong in ["Europe/Berlin", "+2", "+25:00", "+01:60", "02:00", ""] {
            assert!(zone_ms(wrong).is_err(), "{wrong}");
        }
    }
}

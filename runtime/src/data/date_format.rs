//! Dates to text and back, by patterns of Java's `SimpleDateFormat`, in UTC and
//! English.
//!
//! As there, reading is lenient: the 32nd of a month is the 1st of the next, and text
//! behind what the pattern asks for is left alone. Weeks and weekdays are written; read,
//! a weekday is passed over and a week refused. A time zone is read as `UTC`, `GMT`, `Z`
//! or an offset, not by another name.

use std::fmt::Write;

use super::DataError;
use super::calendar::{Moment, days_of};
use super::logical::DAY_MS;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// The letters that mean something.
const LETTERS: &str = "GyMdkHmsSEDFwWahKzZYuXL";
/// Those that stand for a number, if there are not three of a month's.
const NUMBERS: &str = "yMdkHmsSDFwWhKYuL";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Literal(String),
    /// A letter, and how often.
    Field(char, usize),
}

/// A pattern, read.
#[derive(Debug, Clone)]
pub struct DateFormat {
    items: Vec<Item>,
    /// Years of two digits are those from here on.
    century_begins: i64,
}

impl DateFormat {
    /// Reads a pattern. Two digits of a year are read as one from 80 years before
    /// `now_ms` to 20 years after it.
    pub fn new(pattern: &str, now_ms: i64) -> Result<Self, DataError> {
        let century_begins = Moment::of(now_ms).year - 80;
        Ok(Self { items: items(pattern)?, century_begins })
    }

    /// Writes milliseconds since the epoch.
    pub fn format(&self, ms: i64) -> String {
        let it = Moment::of(ms);
        let mut out = String::new();
        for item in &self.items {
            match item {
                Item::Literal(text) => out.push_str(text),
                Item::Field(letter, count) => write_field(&it, *letter, *count, &mut out),
            }
        }
        out
    }

    /// Reads milliseconds since the epoch; `None` if the text is not of this pattern.
    pub fn parse(&self, text: &str) -> Option<i64> {
        let mut read = Read::default();
        let mut rest = text;
        for (at, item) in self.items.iter().enumerate() {
            match item {
                Item::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Item::Field(letter, count) => {
                    let next = self.items.get(at + 1);
                    let abuts = matches!(next, Some(Item::Field(letter, count))
                        if NUMBERS.contains(*letter) && (!"ML".contains(*letter) || *count <= 2));
                    rest = self.read_field(&mut read, *letter, *count, abuts, rest)?;
                }
            }
        }
        Some(read.moment())
    }

    fn read_field<'a>(
        &self,
        read: &mut Read,
        letter: char,
        count: usize,
        abuts: bool,
        text: &'a str,
    ) -> Option<&'a str> {
        let text = text.trim_start_matches([' ', '\t']);
        match letter {
            'M' | 'L' if count > 2 => {
                let (month, rest) = name_of(&MONTHS, text)?;
                read.month = Some(month as i64 + 1);
                return Some(rest);
            }
            'E' => return name_of(&WEEKDAYS, text).map(|(_, rest)| rest),
            'a' => {
                let (half, rest) = one_of(&["AM", "PM"], text)?;
                read.afternoon = half == 1;
                return Some(rest);
            }
            'G' => {
                let (era, rest) = one_of(&["BC", "AD"], text)?;
                read.before_christ = era == 0;
                return Some(rest);
            }
            'z' | 'Z' | 'X' => {
                let (offset_ms, rest) = offset(text)?;
                read.offset_ms = offset_ms;
                return Some(rest);
            }
            'Y' | 'w' | 'W' | 'F' => return None,
            _ => {}
        }
        let (number, digits, rest) = digits(text, abuts.then_some(count))?;
        match letter {
            'y' if count <= 2 && digits == 2 => {
                let of_century = (number - self.century_begins).rem_euclid(100);
                read.year = Some(self.century_begins + of_century);
            }
            'y' => read.year = Some(number),
            'M' | 'L' => read.month = Some(number),
            'd' => read.day = Some(number),
            'D' => read.day_of_year = Some(number),
            'H' => read.hour = Some(number),
            'k' => read.hour = Some(if number == 24 { 0 } else { number }),
            'K' => read.half_day_hour = number,
            'h' => read.half_day_hour = if number == 12 { 0 } else { number },
            'm' => read.minute = number,
            's' => read.second = number,
            'S' => read.millisecond = number,
            // The number of a weekday says no more than its name.
            _ => {}
        }
        Some(rest)
    }
}

fn items(pattern: &str) -> Result<Vec<Item>, DataError> {
    let mut items: Vec<Item> = Vec::new();
    let literal = |items: &mut Vec<Item>, character: char| match items.last_mut() {
        Some(Item::Literal(text)) => text.push(character),
        _ => items.push(Item::Literal(character.to_string())),
    };
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\'' {
            if characters.next_if_eq(&'\'').is_some() {
                literal(&mut items, '\'');
                continue;
            }
            loop {
                match characters.next() {
                    None => return Err(DataError::new(format!("`{pattern}` has an open quote"))),
                    Some('\'') if characters.next_if_eq(&'\'').is_none() => break,
                    Some(quoted) => literal(&mut items, quoted),
                }
            }
        } else if character.is_ascii_alphabetic() {
            if !LETTERS.contains(character) {
                return Err(DataError::new(format!(
                    "`{pattern}` has the letter `{character}`, which stands for nothing; put text in '...'"
                )));
            }
            let mut count = 1;
            while characters.next_if_eq(&character).is_some() {
                count += 1;
            }
            if character == 'X' && count > 3 {
                return Err(DataError::new(format!("`{pattern}` has more than three `X`")));
            }
            items.push(Item::Field(character, count));
        } else {
            literal(&mut items, character);
        }
    }
    Ok(items)
}

fn write_field(it: &Moment, letter: char, count: usize, out: &mut String) {
    let weekday = it.weekday();
    let year_of_era = if it.year > 0 { it.year } else { 1 - it.year };
    let number = match letter {
        'G' => return out.push_str(if it.year > 0 { "AD" } else { "BC" }),
        'M' | 'L' if count > 2 => return out.push_str(name(MONTHS[it.month as usize - 1], count)),
        'E' => return out.push_str(name(WEEKDAYS[weekday as usize], count)),
        'a' => return out.push_str(if it.hour() < 12 { "AM" } else { "PM" }),
        'z' if count > 3 => return out.push_str("Coordinated Universal Time"),
        'z' => return out.push_str("UTC"),
        'Z' => return out.push_str("+0000"),
        'X' => return out.push('Z'),
        'y' if count == 2 => year_of_era % 100,
        'y' => year_of_era,
        'Y' if count == 2 => week(it).0 % 100,
        'Y' => week(it).0,
        'w' => week(it).1,
        'M' | 'L' => it.month.into(),
        'd' => it.day.into(),
        'D' => it.day_of_year(),
        'F' => i64::from((it.day - 1) / 7 + 1),
        'W' => (i64::from(it.day) - 1 + weekday_of(it.days - i64::from(it.day) + 1)) / 7 + 1,
        'u' => {
            if weekday == 0 {
                7
            } else {
                weekday.into()
            }
        }
        'H' => it.hour().into(),
        'k' => {
            if it.hour() == 0 {
                24
            } else {
                it.hour().into()
            }
        }
        'K' => i64::from(it.hour() % 12),
        'h' => {
            if it.hour().is_multiple_of(12) {
                12
            } else {
                i64::from(it.hour() % 12)
            }
        }
        'm' => it.minute().into(),
        's' => it.second().into(),
        _ => it.millisecond().into(),
    };
    write!(out, "{number:0count$}").expect("a string takes all");
}

fn name(long: &'static str, count: usize) -> &'static str {
    if count > 3 { long } else { &long[..3] }
}

/// 0 for Sunday.
fn weekday_of(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// Year and number of the week, as the United States count: the first one has the
/// 1st of January, and each begins on Sunday.
fn week(it: &Moment) -> (i64, i64) {
    let next = days_of(it.year + 1, 1, 1);
    if it.days >= next - weekday_of(next) {
        return (it.year + 1, 1);
    }
    let first = days_of(it.year, 1, 1);
    (it.year, (it.days - first + weekday_of(first)) / 7 + 1)
}

/// What has been read so far.
#[derive(Debug, Default)]
struct Read {
    before_christ: bool,
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: Option<i64>,
    half_day_hour: i64,
    afternoon: bool,
    minute: i64,
    second: i64,
    millisecond: i64,
    offset_ms: i64,
}

impl Read {
    fn moment(&self) -> i64 {
        let year = self.year.unwrap_or(1970);
        let year = if self.before_christ { 1 - year } else { year };
        let days = match (self.day_of_year, self.month, self.day) {
            (Some(day), None, None) => days_of(year, 1, day),
            (_, month, day) => days_of(year, month.unwrap_or(1), day.unwrap_or(1)),
        };
        let half = if self.afternoon { 12 } else { 0 };
        let hour = self.hour.unwrap_or(self.half_day_hour + half);
        let of_day = (hour * 60 + self.minute) * 60_000 + self.second * 1000 + self.millisecond;
        days * DAY_MS + of_day - self.offset_ms
    }
}

/// A number of at most nine digits: more would be beyond any calendar.
fn digits(text: &str, exactly: Option<usize>) -> Option<(i64, usize, &str)> {
    let there = text.bytes().take_while(u8::is_ascii_digit).count();
    let count = exactly.map_or(there, |exactly| exactly.min(there));
    if count == 0 || count > 9 || exactly.is_some_and(|exactly| text.len() < exactly) {
        return None;
    }
    Some((text[..count].parse().ok()?, count, &text[count..]))
}

/// The longer name first; capitals or not.
fn name_of<'a>(names: &[&str], text: &'a str) -> Option<(usize, &'a str)> {
    one_of(names, text).or_else(|| {
        let short: Vec<_> = names.iter().map(|name| &name[..3]).collect();
        one_of(&short, text)
    })
}

fn one_of<'a>(names: &[&str], text: &'a str) -> Option<(usize, &'a str)> {
    let at = names.iter().position(|name| {
        text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
    })?;
    Some((at, &text[names[at].len()..]))
}

fn offset(text: &str) -> Option<(i64, &str)> {
    let named = one_of(&["UTC", "GMT", "Z"], text);
    let rest = named.map_or(text, |(_, rest)| rest);
    let sign = match rest.bytes().next() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return named.map(|(_, rest)| (0, rest)),
    };
    let (hours, count, after) = digits(&rest[1..], None)?;
    let (hours, minutes, after) = match count {
        1 | 2 => match after.strip_prefix(':') {
            None => (hours, 0, after),
            Some(after) => {
                let (minutes, _, after) = digits(after, Some(2))?;
                (hours, minutes, after)
            }
        },
        4 => (hours / 100, hours % 100, after),
        _ => return None,
    };
    Some((sign * (hours * 60 + minutes) * 60_000, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-02-09 (a Friday) 15:04:05.678
    const MS: i64 = 1_707_491_045_678;

    fn format(pattern: &str) -> DateFormat {
        DateFormat::new(pattern, MS).unwrap()
    }

    #[test]
    fn every_letter_is_written() {
        for (pattern, text) in [
            ("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "2024-02-09T15:04:05.678Z"),
            ("yy.M.d H:m:s", "24.2.9 15:4:5"),
            ("yyyyMMdd", "20240209"),
            ("EEE, d MMM yyyy hh:mm a z", "Fri, 9 Feb 2024 03:04 PM UTC"),
            ("EEEE MMMM G Z X zzzz", "Friday February AD +0000 Z Coordinated Universal Time"),
            ("D F w W u k K YYYY", "40 2 6 2 5 15 3 2024"),
            ("'o''clock' ''", "o'clock '"),
        ] {
            assert_eq!(format(pattern).format(MS), text, "{pattern}");
        }
        let new_years_eve = days_of(2024, 12, 31) * DAY_MS;
        assert_eq!(format("YYYY-w").format(new_years_eve), "2025-1");
    }

    #[test]
    fn what_is_written_is_read() {
        for pattern in [
            "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
            "yyyyMMddHHmmssSSS",
            "EEE, d MMM yy hh:mm:ss.SSS a z",
            "D yyyy kk:mm:ss.SSS XXX",
            "G yyyy MMMM dd K:mm:ss.SSS a Z",
        ] {
            let format = format(pattern);
            assert_eq!(format.parse(&format.format(MS)), Some(MS), "{pattern}");
        }
    }

    #[test]
    fn reading_is_lenient_as_in_java() {
        let day = format("yyyy-MM-dd");
        assert_eq!(day.parse("2024-02-30"), day.parse("2024-03-01"));
        assert_eq!(day.parse("2024-02-09 and more"), day.parse("2024-02-09"));
        assert_eq!(day.parse("2024-02"), None);
        assert_eq!(day.parse("x"), None);
        assert_eq!(format("yy").parse("43"), format("yyyy").parse("2043"));
        assert_eq!(format("yy").parse("44"), format("yyyy").parse("1944"));
        let zoned = format("yyyy HH:mm XXX");
        assert_eq!(zoned.parse("2024 02:00 +02:00"), zoned.parse("2024 00:00 Z"));
        assert_eq!(format("YYYY").parse("2024"), None);
    }

    #[test]
    fn a_pattern_that_means_nothing_is_refused() {
        for pattern in ["yyyy-bb", "'open", "XXXX"] {
            assert!(DateFormat::new(pattern, 0).is_err(), "{pattern}");
        }
    }
}

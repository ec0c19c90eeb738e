//! Times and durations as people write and read them: ISO 8601, in UTC unless
//! they say otherwise.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY_MS: i64 = 86_400_000;

/// Now, in milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// `2026-01-31T12:00:00.000Z` of milliseconds since 1970.
pub(super) fn shown(ms: i64) -> String {
    let (mut days, in_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    // 400 years have the same number of days, wherever they begin.
    let era = days.div_euclid(146_097);
    days = days.rem_euclid(146_097);
    let mut year = 1970 + era * 400;
    while days >= days_of_year(year) {
        days -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_of_month(year, month) {
        days -= days_of_month(year, month);
        month += 1;
    }
    let (seconds, millis) = (in_day / 1000, in_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z", days + 1)
}

/// Milliseconds since 1970 of `YYYY-MM-DD[THH:MM[:SS[.mmm]]][Z|±HH:MM]`.
pub(super) fn date_time(text: &str) -> Result<i64, String> {
    parse_date_time(text).ok_or_else(|| {
        format!("`{text}` is no time: write 2026-01-31T12:00:00, with Z or +02:00 behind it if not in UTC")
    })
}

fn parse_date_time(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00"));
    let mut date = date.splitn(3, '-').map(|part| digits(part, 4));
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    if !(1970..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=days_of_month(year, month)).contains(&day)
    {
        return None;
    }
    let zone = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone);
    let offset_minutes = match zone {
        "" | "Z" => 0,
        zone => {
            let (sign, zone) = zone.split_at(1);
            let (hours, minutes) = match zone.split_once(':') {
                Some(parts) => parts,
                None => zone.split_at_checked(2)?,
            };
            let minutes = if minutes.is_empty() { 0 } else { digits(minutes, 2)? };
            let total = digits(hours, 2)? * 60 + minutes;
            if sign == "-" { -total } else { total }
        }
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    // Of `25` hundredths are meant: the digits stand left.
    let digits_of_millis = fraction.get(..3).unwrap_or(fraction);
    let millis = digits(&format!("{digits_of_millis:0<3}"), 3)?;
    let mut time = time.splitn(3, ':').map(|part| digits(part, 2));
    let (hour, minute, second) = (time.next()??, time.next()??, time.next().unwrap_or(Some(0))?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let years: i64 = (1970..year).map(days_of_year).sum();
    let months: i64 = (1..month).map(|month| days_of_month(year, month)).sum();
    let days = years + months + day - 1;
    let minutes = (days * 24 + hour) * 60 + minute - offset_minutes;
    Some((minutes * 60 + second) * 1000 + millis)
}

fn digits(text: &str, count_max: usize) -> Option<i64> {
    let fits = (1..=count_max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

fn days_of_year(year: i64) -> i64 {
    if days_of_month(year, 2) == 29 { 366 } else { 365 }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `PnDTnHnMnS` as Kafka's tools take it, or `90s`, `15m`, `2h`, `1d`, `500ms`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = match text.strip_prefix(['P', 'p']) {
        Some(iso) => iso_duration(iso),
        None => short_duration(text),
    };
    parsed.ok_or_else(|| format!("`{text}` is no duration: write 15m, 2h, 1d or PT15M"))
}

fn iso_duration(text: &str) -> Option<Duration> {
    let (days, time) = text.split_once(['T', 't']).unwrap_or((text, ""));
    let units = [(days, &['D'][..]), (time, &['H', 'M', 'S'][..])];
    let (mut seconds, mut any) = (0.0_f64, false);
    for (mut rest, units) in units {
        for unit in units {
            let Some(at) = rest.find([*unit, unit.to_ascii_lowercase()]) else { continue };
            let count: f64 = rest[..at].parse().ok().filter(|count: &f64| *count >= 0.0)?;
            seconds += count * unit_seconds(*unit);
            rest = &rest[at + 1..];
            any = true;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    any.then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

fn unit_seconds(unit: char) -> f64 {
    match unit {
        'D' => 86_400.0,
        'H' => 3_600.0,
        'M' => 60.0,
        _ => 1.0,
    }
}

fn short_duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(end);
    let count: u64 = count.parse().ok()?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    count.checked_mul(unit_ms).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_shown() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(shown(ms), text);
            assert_eq!(date_time(text), Ok(ms));
        }
    }

    #[test]
    fn times_may_leave_parts_out_and_name_a_zone() {
        let noon = date_time("2026-01-31T12:00:00").unwrap();
        for text in ["2026-01-31T12:00", "2026-01-31T14:00:00+02:00", "2026-01-31T06:30:00.0-0530"]
        {
            assert_eq!(date_time(text), Ok(noon), "{text}");
        }
        assert_eq!(date_time("2026-01-31"), Ok(noon - 12 * 3_600_000));
        assert_eq!(date_time("2026-01-31T12:00:00.25Z"), Ok(noon + 250));
        for wrong in
            ["", "today", "2026-02-29", "2026-13-01", "2026-01-31T24:00", "2026-01-31 12:00"]
        {
            assert!(date_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_read_in_both_forms() {
        for (text, seconds) in
            [("PT15M", 900), ("P1DT2H3M4S", 93_784), ("15m", 900), ("2h", 7_200), ("PT0S", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        for wrong in ["", "P", "PT", "15", "m", "PT5", "5x", "P-1D", "-5m"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}

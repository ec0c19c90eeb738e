//! Days and their numbers: the Gregorian calendar at all times, in UTC.
//!
//! Java's goes over to the Julian calendar before 15 October 1582; days before that
//! have other numbers there.

use super::logical::DAY_MS;

/// A moment, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// With year 0 for 1 BC.
    pub year: i64,
    /// From 1.
    pub month: u32,
    /// Of the month, from 1.
    pub day: u32,
    /// Milliseconds since midnight.
    pub of_day_ms: u32,
    /// Days since the epoch.
    pub days: i64,
}

impl Moment {
    /// Takes milliseconds since the epoch apart.
    pub fn of(ms: i64) -> Self {
        let days = ms.div_euclid(DAY_MS);
        let (year, month, day) = civil(days);
        Self { year, month, day, of_day_ms: ms.rem_euclid(DAY_MS) as u32, days }
    }

    /// 0 for Sunday.
    pub fn weekday(&self) -> u32 {
        (self.days + 4).rem_euclid(7) as u32
    }

    /// From 1.
    pub fn day_of_year(&self) -> i64 {
        self.days - days_of(self.year, 1, 1) + 1
    }

    /// Hours since midnight.
    pub fn hour(&self) -> u32 {
        self.of_day_ms / 3_600_000
    }

    /// Minutes of the hour.
    pub fn minute(&self) -> u32 {
        self.of_day_ms / 60_000 % 60
    }

    /// Seconds of the minute.
    pub fn second(&self) -> u32 {
        self.of_day_ms / 1000 % 60
    }

    /// Milliseconds of the second.
    pub fn millisecond(&self) -> u32 {
        self.of_day_ms % 1000
    }
}

/// Days since the epoch of a day, whose month and day of the month may be beyond
/// their ends: the 32nd of a month is the 1st of the next.
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = (year + (month - 1).div_euclid(12), (month - 1).rem_euclid(12));
    // Years that begin in March have their odd day at the end.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year + day - 1 - 719_468
}

fn civil(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_their_numbers_agree_over_a_thousand_years() {
        assert_eq!((Moment::of(0).year, Moment::of(0).weekday()), (1970, 4));
        let leap = Moment::of(days_of(2024, 2, 29) * DAY_MS + 1);
        assert_eq!((leap.month, leap.day, leap.day_of_year(), leap.of_day_ms), (2, 29, 60, 1));
        for days in (days_of(1583, 1, 1)..days_of(2583, 1, 1)).step_by(13) {
            let it = Moment::of(days * DAY_MS);
            assert_eq!(days_of(it.year, it.month.into(), it.day.into()), days);
        }
        assert_eq!(days_of(2023, 14, 32), days_of(2024, 3, 3));
        assert_eq!(Moment::of(-1).of_day_ms, DAY_MS as u32 - 1);
    }
}

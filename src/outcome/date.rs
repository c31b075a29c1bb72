//! Calendar days, for expectations that expire.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A day of the Gregorian calendar, `2026-01-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u32,
    month: u32,
    day: u32,
}

impl Date {
    /// The day, in UTC, that is this long after 1970 began.
    pub fn since_epoch(span: Duration) -> Self {
        let mut days = span.as_secs() / 86_400;
        let mut year: u32 = 1970;
        loop {
            let length = if leap(year) { 366 } else { 365 };
            if days < length {
                break;
            }
            days -= length;
            year += 1;
        }
        let mut month = 1;
        while days >= u64::from(month_len(year, month)) {
            days -= u64::from(month_len(year, month));
            month += 1;
        }
        Self {
            year,
            month,
            // Less than 31.
            day: u32::try_from(days).unwrap_or(0) + 1,
        }
    }
}

fn leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn month_len(year: u32, month: u32) -> u32 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl FromStr for Date {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let mut parts = text.split('-');
        let mut number = |digits: usize| {
            parts
                .next()
                .filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|part| part.parse::<u32>().ok())
        };
        let date = match (number(4), number(2), number(2)) {
            (Some(year), Some(month), Some(day)) => Self { year, month, day },
            _ => return Err(NotADate),
        };
        let real = (1..=12).contains(&date.month)
            && (1..=month_len(date.year, date.month)).contains(&date.day);
        if real && parts.next().is_none() {
            Ok(date)
        } else {
            Err(NotADate)
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// Text that is no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a date of the form 2026-01-31")]
pub struct NotADate;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_days_over_leap_years() {
        for (days, text) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (789, "1972-02-29"),
            (11_016, "2000-02-29"),
            (20_454, "2026-01-01"),
        ] {
            let date = Date::since_epoch(Duration::from_secs(days * 86_400 + 3_600));
            assert_eq!(date.to_string(), text);
            assert_eq!(text.parse(), Ok(date));
        }
    }

    #[test]
    fn refuses_what_is_no_day() {
        for text in [
            "2026-1-01",
            "2026-02-29",
            "2026-13-01",
            "tomorrow",
            "2026-01-01-",
        ] {
            assert_eq!(text.parse::<Date>(), Err(NotADate), "{text}");
        }
    }
}

//! Moments, as people type them and read them.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use syncline_contract::Period;

/// A moment on a command line, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct When(pub u64);

impl std::str::FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, &Zoned::now()).ok_or_else(|| {
            "a time is how long ago (10m, 2h), a time of today (14:03), \
             or a date and time (2026-11-23T14:03:21, with or without an offset)"
                .to_owned()
        })
    }
}

fn parse(text: &str, now: &Zoned) -> Option<When> {
    let zone = now.time_zone();
    if let Ok(ago) = text.parse::<Period>() {
        let then = now.timestamp().checked_sub(ago.get()).ok()?;
        return millis(then);
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return millis(timestamp);
    }
    let civil = if let Ok(date_time) = text.parse::<DateTime>() {
        date_time
    } else if let Ok(date) = text.parse::<Date>() {
        date.to_datetime(Time::midnight())
    } else {
        now.date().to_datetime(text.parse::<Time>().ok()?)
    };
    millis(civil.to_zoned(zone.clone()).ok()?.timestamp())
}

fn millis(timestamp: Timestamp) -> Option<When> {
    u64::try_from(timestamp.as_millisecond()).ok().map(When)
}

/// A moment for people, in the zone of this machine: `2026-11-23 14:03:21.482`.
pub(super) fn local(at_ms: u64) -> String {
    zoned(at_ms, TimeZone::system()).map_or_else(
        || format!("{at_ms} ms"),
        |at| at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
    )
}

/// A moment for programs: `2026-11-23T13:03:21.482Z`.
pub(super) fn utc(at_ms: u64) -> String {
    zoned(at_ms, TimeZone::UTC).map_or_else(
        || format!("{at_ms} ms"),
        |at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
    )
}

fn zoned(at_ms: u64, zone: TimeZone) -> Option<Zoned> {
    let at = i64::try_from(at_ms).ok()?;
    Some(Timestamp::from_millisecond(at).ok()?.to_zoned(zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_typed_in_many_ways() {
        let now = zoned(1_800_000_000_000, TimeZone::UTC).expect("a moment");
        for (text, expected) in [
            ("10m", Some(1_799_999_400_000)),
            ("2027-01-15T08:00:00Z", Some(1_800_000_000_000)),
            ("2027-01-15T09:00:00+01:00", Some(1_800_000_000_000)),
            ("2027-01-15T07:59:59", Some(1_799_999_999_000)),
            ("2027-01-15 07:59", Some(1_799_999_940_000)),
            ("2027-01-15", Some(1_799_971_200_000)),
            ("07:30", Some(1_799_998_200_000)),
            ("yesterday-ish", None),
            ("5", None),
        ] {
            assert_eq!(parse(text, &now).map(|when| when.0), expected, "{text}");
        }
        assert_eq!(utc(1_800_000_000_482), "2027-01-15T08:00:00.482Z");
    }
}

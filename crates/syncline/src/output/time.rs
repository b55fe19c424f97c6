//! Durations and moments.

use std::time::Duration;

/// A duration as people say it, to two figures or so: `31 ms`, `0.4 s`,
/// `31 s`, `2 min 5 s`, `3 h 5 min`, `2 d 3 h`.
pub fn spoken(duration: Duration) -> String {
    let millis = duration.as_millis();
    // Rounded to what is shown, so that no smaller unit reaches its end.
    let tenths = (millis + 50) / 100;
    let seconds = duration.as_secs() + u64::from(duration.subsec_millis() >= 500);
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {small_unit}"),
    };
    match seconds {
        _ if millis == 0 && !duration.is_zero() => "under 1 ms".to_owned(),
        _ if millis < 100 => format!("{millis} ms"),
        _ if tenths < 100 => format!("{}.{} s", tenths / 10, tenths % 10),
        0..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// The time of day to a millisecond: `14:03:21.482`.
pub fn clock(moment: &jiff::Zoned) -> String {
    moment.strftime("%H:%M:%S%.3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_say_them() {
        for (millis, text) in [
            (0, "0 ms"),
            (31, "31 ms"),
            (99, "99 ms"),
            (100, "0.1 s"),
            (449, "0.4 s"),
            (3_100, "3.1 s"),
            (9_940, "9.9 s"),
            (9_960, "10 s"),
            (31_200, "31 s"),
            (59_700, "1 min"),
            (125_000, "2 min 5 s"),
            (11_100_000, "3 h 5 min"),
            (183_600_000, "2 d 3 h"),
        ] {
            assert_eq!(spoken(Duration::from_millis(millis)), text, "{millis}");
        }
        assert_eq!(spoken(Duration::from_micros(80)), "under 1 ms");
    }

    #[test]
    fn the_clock_shows_milliseconds() {
        let moment = jiff::civil::date(2026, 11, 23)
            .at(14, 3, 21, 482_900_000)
            .in_tz("UTC")
            .expect("a moment");
        assert_eq!(clock(&moment), "14:03:21.482");
    }
}

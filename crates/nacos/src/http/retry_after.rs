//! How long a server asks to be left alone.

use std::time::Duration;

use http::header::{DATE, HeaderMap, RETRY_AFTER};

/// No server gets more than this: a wrong header must not stop a link for
/// hours.
const LONGEST: Duration = Duration::from_secs(120);

/// The wait that an answer asks for, as a number of seconds or as a date. A
/// date is compared with the answer's own, so that no two clocks have to agree.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() => LONGEST,
        Err(_) => {
            let said_at = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
            let until = httpdate::parse_http_date(text).ok()?;
            until.duration_since(said_at).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(http::HeaderName, &str)]) -> Option<Duration> {
        let parsed = |(name, value): &(http::HeaderName, &str)| {
            (name.clone(), value.parse().expect("a header's value"))
        };
        retry_after(&pairs.iter().map(parsed).collect())
    }

    const AT: (http::HeaderName, &str) = (DATE, "Sun, 06 Nov 1994 08:49:37 GMT");

    #[test]
    fn seconds_and_dates_are_understood() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[(RETRY_AFTER, "7")]), seconds(7));
        assert_eq!(asked(&[(RETRY_AFTER, "0")]), seconds(0));
        let until = |date| asked(&[AT, (RETRY_AFTER, date)]);
        assert_eq!(until("Sun, 06 Nov 1994 08:50:07 GMT"), seconds(30));
        assert_eq!(until("Sunday, 06-Nov-94 08:50:07 GMT"), seconds(30));
        assert_eq!(until("Sun Nov  6 08:50:07 1994"), seconds(30));
        assert_eq!(until("Sun, 06 Nov 1994 08:00:00 GMT"), seconds(0));
    }

    #[test]
    fn no_wait_is_longer_than_two_minutes() {
        for long in [
            "86400",
            "99999999999999999999999",
            "Fri, 31 Dec 1999 23:59:59 GMT",
        ] {
            assert_eq!(asked(&[AT, (RETRY_AFTER, long)]), Some(LONGEST), "{long}");
        }
    }

    #[test]
    fn what_says_nothing_is_no_wait() {
        for nonsense in ["", "soon", "-1", "1.5", "Sun, 06 Nov"] {
            assert_eq!(asked(&[AT, (RETRY_AFTER, nonsense)]), None, "{nonsense:?}");
        }
        // A date says nothing without the server's own.
        let alone = asked(&[(RETRY_AFTER, "Sun, 06 Nov 1994 08:50:07 GMT")]);
        assert_eq!(alone, None);
    }
}

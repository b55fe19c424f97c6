//! What a receiver's answer means.

use std::time::Duration;

use reqwest::StatusCode;
use syncline_contract::{Class, Failure, Whose};

/// Whether a post was taken; if not, what to make of that.
pub(crate) fn taken(
    doing: &str,
    status: StatusCode,
    retry_after: Option<Duration>,
) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    let why = match status.is_redirection() {
        true => format!("{status}; redirects are not followed: write the URL that is meant"),
        false => status.to_string(),
    };
    let class = match status.as_u16() {
        300..=399 => Class::Fatal,
        401 => Class::Unauthenticated,
        403 => Class::Forbidden,
        404 | 410 => Class::NotFound,
        408 | 425 | 429 => Class::Throttled,
        400..=499 => Class::Conflict,
        _ => Class::Transient,
    };
    let failure = Failure::new(class, doing).because(why).after(retry_after);
    Err(match class {
        Class::Conflict | Class::NotFound => failure.blaming(Whose::Peer),
        _ => failure,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_success_is_success() {
        let class = |code: u16| {
            let status = StatusCode::from_u16(code).expect("a status");
            taken("post", status, None)
                .err()
                .map(|failure| failure.class)
        };
        for (codes, expected) in [
            (&[200, 201, 202, 204][..], None),
            (&[301, 302, 307, 308], Some(Class::Fatal)),
            (&[400, 409, 413, 422], Some(Class::Conflict)),
            (&[408, 425, 429], Some(Class::Throttled)),
            (&[500, 502, 503, 504, 100], Some(Class::Transient)),
        ] {
            for code in codes {
                assert_eq!(class(*code), expected, "{code}");
            }
        }
    }

    #[test]
    fn a_receiver_says_when_to_come_back() {
        let wait = Some(Duration::from_secs(7));
        let failure = taken("post", StatusCode::SERVICE_UNAVAILABLE, wait).expect_err("not taken");
        assert_eq!(failure.retry_after, wait);
        assert_eq!(failure.chain(), "post: 503 Service Unavailable");
    }
}

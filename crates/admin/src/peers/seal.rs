//! Signatures on what replicas say to each other.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// How far the clocks of two replicas may be apart, and how long a request that
/// was caught on its way could be sent again.
const LIFETIME: Duration = Duration::from_secs(30);

/// The header with the moment of a request, in milliseconds since the Unix
/// epoch.
pub(super) const TIME: &str = "x-syncline-time";
/// The header with a request's random part.
pub(super) const NONCE: &str = "x-syncline-nonce";
/// The header with the signature of a request or of an answer.
pub(super) const SIGNATURE: &str = "x-syncline-signature";

/// What replicas sign with: derived from the install's key, which never leaves
/// its process.
#[derive(Clone)]
pub struct PeerKey(hmac::Key);

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerKey(…)")
    }
}

/// A request, as far as it is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealed<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) time_ms: u64,
    pub(super) nonce: &'a str,
    pub(super) body: &'a [u8],
}

impl PeerKey {
    /// The key of an install's replicas.
    pub fn of_install(key: &[u8]) -> Self {
        let install = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = hmac::sign(&install, b"syncline replicas 1");
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// Signs a request.
    pub(super) fn seal(&self, request: &Sealed<'_>) -> String {
        to_hex(hmac::sign(&self.0, &request.bytes()).as_ref())
    }

    /// Why a request is not one of a replica's.
    pub(super) fn objection(
        &self,
        request: &Sealed<'_>,
        signature: &str,
        now_ms: u64,
    ) -> Option<&'static str> {
        let signed = from_hex(signature)
            .is_some_and(|tag| hmac::verify(&self.0, &request.bytes(), &tag).is_ok());
        if !signed {
            return Some("it is not signed with this install's key");
        }
        let apart = Duration::from_millis(now_ms.abs_diff(request.time_ms));
        (apart > LIFETIME).then_some("it is older than 30 s, or the clocks are that far apart")
    }

    /// Signs the answer to a request.
    pub(super) fn seal_answer(&self, request: &str, status: u16, body: &[u8]) -> String {
        to_hex(hmac::sign(&self.0, &answer_bytes(request, status, body)).as_ref())
    }

    /// Whether an answer is a replica's, and the one to this request.
    pub(super) fn is_answer(&self, request: &str, status: u16, body: &[u8], seal: &str) -> bool {
        let bytes = answer_bytes(request, status, body);
        from_hex(seal).is_some_and(|tag| hmac::verify(&self.0, &bytes, &tag).is_ok())
    }
}

impl Sealed<'_> {
    fn bytes(&self) -> Vec<u8> {
        joined(&[
            b"request",
            self.method.as_bytes(),
            self.path.as_bytes(),
            &self.time_ms.to_be_bytes(),
            self.nonce.as_bytes(),
            self.body,
        ])
    }
}

fn answer_bytes(request: &str, status: u16, body: &[u8]) -> Vec<u8> {
    joined(&[b"answer", request.as_bytes(), &status.to_be_bytes(), body])
}

/// Parts with their lengths, so that no two lists of parts look alike.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// A text that nobody else ever says; `None` where the system has no
/// randomness.
pub(super) fn random_text() -> Option<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(to_hex(&bytes))
}

/// The wall clock, in milliseconds since the Unix epoch.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from((digit(pair[0])? << 4) | digit(pair[1])?).ok();
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    fn request<'a>(body: &'a [u8]) -> Sealed<'a> {
        Sealed {
            method: "POST",
            path: "/peer/v1/compare",
            time_ms: NOW,
            nonce: "n",
            body,
        }
    }

    #[test]
    fn what_is_signed_with_the_key_is_taken() {
        let key = PeerKey::of_install(b"key");
        let seal = key.seal(&request(b"body"));
        assert_eq!(key.objection(&request(b"body"), &seal, NOW), None);
        assert_eq!(key.objection(&request(b"body"), &seal, NOW + 29_000), None);
        assert!(!format!("{key:?}").contains("key\""));
    }

    #[test]
    fn whatever_is_changed_unsigned_or_old_is_refused() {
        let key = PeerKey::of_install(b"key");
        let sent = request(b"body");
        let seal = key.seal(&sent);
        let other = PeerKey::of_install(b"other");
        assert!(other.objection(&sent, &seal, NOW).is_some());
        for changed in [
            Sealed {
                method: "GET",
                ..sent
            },
            Sealed {
                path: "/peer/v1/report",
                ..sent
            },
            Sealed {
                time_ms: NOW + 1,
                ..sent
            },
            Sealed { nonce: "m", ..sent },
            Sealed {
                body: b"bodz",
                ..sent
            },
            // The same bytes in a row, cut elsewhere.
            Sealed {
                nonce: "nb",
                body: b"ody",
                ..sent
            },
        ] {
            assert!(key.objection(&changed, &seal, NOW).is_some(), "{changed:?}");
        }
        for bad in ["", "0", "zz", "00"] {
            assert!(key.objection(&sent, bad, NOW).is_some(), "{bad}");
        }
        assert!(key.objection(&sent, &seal, NOW + 31_000).is_some());
        assert!(key.objection(&sent, &seal, NOW - 31_000).is_some());
    }

    #[test]
    fn an_answer_belongs_to_its_request() {
        let key = PeerKey::of_install(b"key");
        let request = key.seal(&request(b"body"));
        let seal = key.seal_answer(&request, 200, b"answer");
        assert!(key.is_answer(&request, 200, b"answer", &seal));
        assert!(!key.is_answer(&request, 503, b"answer", &seal));
        assert!(!key.is_answer(&request, 200, b"another", &seal));
        assert!(!key.is_answer("another", 200, b"answer", &seal));
        let request_as_answer = key.is_answer(&request, 200, b"answer", &request);
        assert!(!request_as_answer);
    }
}

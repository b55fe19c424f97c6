//! Signing a post, so that the receiver knows who sent it, and when.

use ring::hmac;
use syncline_contract::Secret;

/// The header that says when a post was signed, in seconds since 1970.
pub(crate) const TIMESTAMP: &str = "syncline-timestamp";

/// The header with the signature.
pub(crate) const SIGNATURE: &str = "syncline-signature";

/// The header with the event's id.
pub(crate) const ID: &str = "syncline-event-id";

/// `v1=` and the HMAC-SHA256, in hexadecimal, of the timestamp, a dot and the
/// body.
pub(crate) fn signature(secret: &Secret, timestamp: u64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut signing = hmac::Context::with_key(&key);
    signing.update(format!("{timestamp}.").as_bytes());
    signing.update(body);
    let signed = signing.sign();
    let hex = signed.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("v1={}", hex.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1700000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef`
    #[test]
    fn a_receiver_computes_the_same() {
        let secret = Secret::new("0123456789abcdef");
        assert_eq!(signature(&secret, 1_700_000_000, b"{}"), OPENSSL);
        assert_ne!(signature(&secret, 1_700_000_001, b"{}"), OPENSSL);
    }

    const OPENSSL: &str = "v1=e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e";
}

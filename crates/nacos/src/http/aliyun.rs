//! Aliyun's signatures for Nacos naming (RAM access keys, as MSE asks for).
//!
//! Signing is a pure function of key, service and time. Verified against the
//! description of the Java client's RAM plugin; not tried on a real MSE.

use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

use super::secret::Secret;

/// A RAM access key.
#[derive(Clone)]
pub struct AccessKey {
    /// The key's id, which is not secret.
    pub id: String,
    /// The key itself.
    pub secret: Secret,
    /// The token of a temporary key (STS).
    pub security_token: Option<Secret>,
    /// Where the instance is, such as `cn-hangzhou`. With it the key that signs
    /// is derived from the secret (signature version 4).
    pub region: Option<String>,
}

/// The name and value of each field that goes with a signed call.
pub(crate) type Fields = Vec<(&'static str, String)>;

/// Signs a call about that service (grouped, `GROUP@@name`), or about none.
pub(crate) fn sign(key: &AccessKey, service: Option<&str>, now: SystemTime) -> Fields {
    let since_epoch = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let data = match service {
        Some(service) => format!("{}@@{service}", since_epoch.as_millis()),
        None => since_epoch.as_millis().to_string(),
    };
    let mut fields = vec![("ak", key.id.clone())];
    let signature = match &key.region {
        None => hmac_sha1(key.secret.expose().as_bytes(), &data),
        Some(region) => {
            fields.push(("signatureVersion", "v4".to_owned()));
            let derived = derived_key(
                key.secret.expose(),
                &utc_date(since_epoch.as_secs()),
                region,
            );
            hmac_sha1(derived.as_bytes(), &data)
        }
    };
    fields.push(("data", data));
    fields.push(("signature", signature));
    if let Some(token) = &key.security_token {
        fields.push(("Spas-SecurityToken", token.expose().to_owned()));
    }
    fields
}

/// The key of signature version 4: the secret, bound to a day, a region and
/// the product.
fn derived_key(secret: &str, date: &str, region: &str) -> String {
    let start = format!("aliyun_v4{secret}").into_bytes();
    let end = [date, region, "mse-nacos", "aliyun_v4_request"]
        .iter()
        .fold(start, |key, part| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
            hmac::sign(&key, part.as_bytes()).as_ref().to_vec()
        });
    BASE64_STANDARD.encode(end)
}

fn hmac_sha1(key: &[u8], data: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    BASE64_STANDARD.encode(hmac::sign(&key, data.as_bytes()))
}

/// The day as `yyyyMMdd`, in UTC, from seconds since 1970 (the civil-from-days
/// computation of proleptic Gregorian calendars).
fn utc_date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(region: Option<&str>) -> AccessKey {
        AccessKey {
            id: "ak".into(),
            secret: Secret::new("sk"),
            security_token: Some(Secret::new("sts")),
            region: region.map(str::to_owned),
        }
    }

    fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
        fields
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| v.as_str())
    }

    #[test]
    fn a_signature_covers_time_and_service() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_600_000_000_000);
        let fields = sign(&key(None), Some("G@@s"), now);
        assert_eq!(field(&fields, "data"), Some("1600000000000@@G@@s"));
        assert_eq!(field(&fields, "ak"), Some("ak"));
        assert_eq!(field(&fields, "Spas-SecurityToken"), Some("sts"));
        assert_eq!(field(&fields, "signatureVersion"), None);
        // Computed apart from this code, with Python's hmac module.
        assert_eq!(
            field(&fields, "signature"),
            Some("wFVD0/+rjy3KSbqyR31In9UfqWQ=")
        );
        let none = sign(&key(None), None, now);
        assert_eq!(field(&none, "data"), Some("1600000000000"));
    }

    #[test]
    fn version_4_derives_its_key_from_day_and_region() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_600_000_000_000);
        let fields = sign(&key(Some("cn-hangzhou")), Some("G@@s"), now);
        assert_eq!(field(&fields, "signatureVersion"), Some("v4"));
        assert_eq!(
            derived_key("sk", "20200913", "cn-hangzhou"),
            "6OwUxkn+Cyn7WwdLCycFxNwGl94gzLJn2I62TeRFfK0="
        );
        assert_eq!(
            field(&fields, "signature"),
            Some("nsjXcgZRo9m7iKPGYPiN0hdjel4=")
        );
    }

    #[test]
    fn days_are_counted_right_around_leap_days() {
        for (seconds, date) in [
            (0, "19700101"),
            (951_782_399, "20000228"),
            (951_782_400, "20000229"),
            (951_868_800, "20000301"),
            (1_600_000_000, "20200913"),
            (4_107_542_399, "21000228"),
            (4_107_542_400, "21000301"),
        ] {
            assert_eq!(utc_date(seconds), date);
        }
    }
}

//! Pushes and acknowledgements as they stand in datagrams.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

/// Text of so many bytes and more is compressed, as by all versions of Nacos.
const COMPRESSED_FROM_BYTES: usize = 1024;

/// What fits into one datagram over IPv4, and into the 64 KiB for which
/// clients have room.
const DATAGRAM_LIMIT: usize = 65_507;

/// Longer text is not even compressed to see whether it would fit: it takes
/// longer than everybody else should wait.
const TEXT_LIMIT: usize = 2 << 20;

/// Why there is no datagram for a list.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    /// Nacos logs this and sends nothing.
    #[error("a list of {text_bytes} bytes does not fit into a datagram")]
    TooLarge { text_bytes: usize },
    #[error("a list has no JSON form")]
    Json(#[from] serde_json::Error),
}

/// A push: the list that a client would be answered, as text, and the number
/// that the client repeats in its acknowledgement.
pub(super) fn encode_push(list: &impl Serialize, number: u64) -> Result<Vec<u8>, EncodeError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Packet<'a> {
        r#type: &'static str,
        data: &'a str,
        last_ref_time: u64,
    }
    let text = serde_json::to_vec(&Packet {
        r#type: "dom",
        data: &serde_json::to_string(list)?,
        last_ref_time: number,
    })?;
    let text_bytes = text.len();
    if text_bytes < COMPRESSED_FROM_BYTES {
        return Ok(text);
    }
    if text_bytes < TEXT_LIMIT {
        let datagram = compressed(&text)?;
        if datagram.len() <= DATAGRAM_LIMIT {
            return Ok(datagram);
        }
    }
    Err(EncodeError::TooLarge { text_bytes })
}

fn compressed(text: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(text).and_then(|()| encoder.finish());
    written.map_err(serde_json::Error::io)
}

/// The number of the push that a datagram acknowledges. As in Nacos, its type
/// is of no account; clients send the number as text.
pub(super) fn read_acknowledgement(datagram: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Acknowledgement {
        last_ref_time: Number,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Number(u64),
        Text(String),
    }
    let read: Acknowledgement = serde_json::from_slice(datagram).ok()?;
    match read.last_ref_time {
        Number::Number(number) => Some(number),
        Number::Text(text) => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use serde_json::Value;
    use serde_json::value::RawValue;
    use syncline_testkit::recordings::Recording;

    use super::*;
    use crate::moment::Moment;
    use crate::wire::ShownService;

    /// A list with that JSON for its hosts.
    fn push(hosts: &str) -> Result<Vec<u8>, EncodeError> {
        let hosts = RawValue::from_string(hosts.to_owned()).expect("JSON");
        let stamp = Moment::from_unix_millis(1_600_000_000_000);
        let list = ShownService::new("G@@s", "G", "c1", &hosts, false, stamp);
        encode_push(&list, 42)
    }

    fn read(datagram: &[u8]) -> Value {
        let mut text = Vec::new();
        if datagram.starts_with(&[0x1f, 0x8b]) {
            let read = GzDecoder::new(datagram).read_to_end(&mut text);
            read.expect("compressed text");
        } else {
            text.extend_from_slice(datagram);
        }
        serde_json::from_slice(&text).expect("JSON")
    }

    fn recorded() -> Vec<syncline_testkit::recordings::Udp> {
        let recording = Recording::load("2.2.4-x86").expect("it is part of the testkit");
        recording.udp().cloned().collect()
    }

    #[test]
    fn a_push_has_all_that_a_real_server_puts_into_one() {
        let recorded = recorded();
        let theirs: Value = serde_json::from_str(&recorded[0].body).expect("JSON");
        let ours = read(&push("[]").expect("it fits"));
        let keys = |value: &Value| -> Vec<String> {
            let object = value.as_object().expect("an object");
            object.keys().cloned().collect()
        };
        assert_eq!(keys(&ours), keys(&theirs));
        assert_eq!(ours["type"], theirs["type"]);
        assert_eq!(ours["lastRefTime"], 42);
        let list = |value: &Value| -> Value {
            let text = value["data"].as_str().expect("text");
            serde_json::from_str(text).expect("JSON")
        };
        let (ours, theirs) = (list(&ours), list(&theirs));
        for key in keys(&theirs) {
            assert!(ours.get(&key).is_some(), "{key} is missing");
        }
        assert_eq!(ours["name"], "G@@s");
        assert_eq!(ours["clusters"], "c1");
        assert_eq!(ours["cacheMillis"], theirs["cacheMillis"]);
    }

    #[test]
    fn what_real_servers_compress_is_compressed() {
        for push in recorded() {
            assert_eq!(push.gzipped, push.plain_bytes >= COMPRESSED_FROM_BYTES);
        }
        let empty = read(&push("[]").expect("it fits")).to_string().len();
        let padded = |bytes: usize| push(&format!("[{}]", " ".repeat(bytes))).expect("it fits");
        let longest_plain = COMPRESSED_FROM_BYTES - 1 - empty;
        assert!(padded(longest_plain).starts_with(b"{"));
        let packed = padded(longest_plain + 1);
        assert!(packed.starts_with(&[0x1f, 0x8b]));
        assert!(packed.len() < COMPRESSED_FROM_BYTES);
        assert_eq!(read(&packed)["type"], "dom");
    }

    #[test]
    fn what_fits_into_no_datagram_is_refused() {
        let mut noise = 1u64;
        let hosts: Vec<u64> = std::iter::repeat_with(|| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            noise
        })
        .take(20_000)
        .collect();
        let refused = push(&serde_json::to_string(&hosts).expect("JSON"));
        assert!(matches!(refused, Err(EncodeError::TooLarge { .. })));
        let vast = push(&format!("[{}]", " ".repeat(TEXT_LIMIT)));
        assert!(matches!(vast, Err(EncodeError::TooLarge { .. })));
    }

    #[test]
    fn acknowledgements_of_real_clients_are_read() {
        let answered = recorded();
        let answered = answered.iter().filter_map(|push| {
            let ack = push.ack.as_ref()?;
            let body: Value = serde_json::from_str(&push.body).expect("JSON");
            Some((ack, body["lastRefTime"].as_u64()))
        });
        let mut count = 0;
        for (ack, number) in answered {
            assert_eq!(read_acknowledgement(ack.as_bytes()), number, "{ack}");
            count += 1;
        }
        assert!(count > 10, "only {count} were recorded");
        let numeric = br#"{"type":"push-ack","lastRefTime":7,"data":""}"#;
        assert_eq!(read_acknowledgement(numeric), Some(7));
    }

    #[test]
    fn nonsense_acknowledges_nothing() {
        for bad in [
            &b""[..],
            b"{}",
            b"\xff\xfe",
            b"[]",
            br#"{"lastRefTime":-1}"#,
            br#"{"lastRefTime":"x"}"#,
            br#"{"lastRefTime":null}"#,
            br#"{"lastRefTime":{"lastRefTime":1}}"#,
        ] {
            assert_eq!(read_acknowledgement(bad), None);
        }
    }
}

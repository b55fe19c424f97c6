//! Marks as text: `1~install~hop/hop~signature`.
//!
//! A hop is `endpoint`, or `install!endpoint` where another install named it.
//! In names everything but letters, digits, `_`, `-` and `.` is written as `%`
//! and two hexadecimal digits per byte, so the text is safe in any metadata
//! syntax, JSON, URLs, label values and `key=value` lists included.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::name::{EndpointName, InstallId};

use super::{Hop, MAX_HOPS, Mark, Path};

const VERSION: &str = "1";
const BETWEEN_PARTS: char = '~';
const BETWEEN_HOPS: char = '/';
const AFTER_INSTALL: char = '!';

/// Longer than any mark that a registry would store.
const MAX_BYTES: usize = 4096;

/// A mark with its signature, not verified.
pub(super) struct Parsed<'a> {
    pub(super) mark: Mark,
    /// What was signed.
    pub(super) body: &'a str,
    pub(super) signature: Vec<u8>,
}

/// The part of a mark that is signed.
pub(super) fn body(install: &InstallId, path: &Path) -> String {
    let mut body = format!("{VERSION}{BETWEEN_PARTS}");
    escape(install.as_str(), &mut body);
    let mut before = BETWEEN_PARTS;
    for hop in path.hops() {
        body.push(before);
        if hop.install != *install {
            escape(hop.install.as_str(), &mut body);
            body.push(AFTER_INSTALL);
        }
        escape(hop.endpoint.as_str(), &mut body);
        before = BETWEEN_HOPS;
    }
    body
}

/// The whole mark.
pub(super) fn signed(mut body: String, signature: &[u8]) -> String {
    body.push(BETWEEN_PARTS);
    URL_SAFE_NO_PAD.encode_string(signature, &mut body);
    body
}

/// Reads a mark; `None` for what no install of this version can have written.
pub(super) fn parse(mark: &str) -> Option<Parsed<'_>> {
    if mark.len() > MAX_BYTES {
        return None;
    }
    let (body, signature) = mark.rsplit_once(BETWEEN_PARTS)?;
    let mut parts = body.split(BETWEEN_PARTS);
    let (version, install, hops) = (parts.next()?, parts.next()?, parts.next()?);
    if version != VERSION || parts.next().is_some() {
        return None;
    }
    let install = InstallId::from(unescape(install)?);
    let mut hops = hops.split(BETWEEN_HOPS).map(|text| hop(text, &install));
    let mut path = Path::from_origin(hops.next()??);
    for hop in hops {
        path.then.push(hop?);
        if path.hop_count() > MAX_HOPS {
            return None;
        }
    }
    Some(Parsed {
        mark: Mark { install, path },
        body,
        signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
    })
}

fn hop(text: &str, install: &InstallId) -> Option<Hop> {
    let (install, endpoint) = match text.split_once(AFTER_INSTALL) {
        Some((named_by, endpoint)) => (InstallId::from(unescape(named_by)?), endpoint),
        None => (install.clone(), text),
    };
    Some(Hop {
        install,
        endpoint: EndpointName::from(unescape(endpoint)?),
    })
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn escape(name: &str, text: &mut String) {
    for byte in name.bytes() {
        if is_plain(byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte if is_plain(byte) => byte,
            _ => return None,
        });
    }
    String::from_utf8(bytes).ok()
}

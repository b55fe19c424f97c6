//! Messages that a server sends of its own accord.

use serde::Serialize;
use syncline_nacos::message::payload::{EncodeError, Payload, encode_request};
use syncline_nacos::message::{Headers, Message, Request};

/// Writes a message that a client did not ask for.
pub(crate) fn encode<T: Request>(body: T, id: Option<&str>) -> Result<Payload, EncodeError> {
    let headers = NoHeaders {};
    encode_request(&Unasked { headers, body }, id, Headers::default())
}

/// A message as Nacos sends it: with headers, though there never are any. The
/// Rust SDK (0.8) does not read one without them.
#[derive(Serialize)]
struct Unasked<T> {
    headers: NoHeaders,
    #[serde(flatten)]
    body: T,
}

#[derive(Serialize)]
struct NoHeaders {}

impl<T: Message> Message for Unasked<T> {
    const TYPE: &'static str = T::TYPE;
}

impl<T: Request> Request for Unasked<T> {
    const MODULE: &'static str = T::MODULE;
}

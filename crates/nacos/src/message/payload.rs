//! Payloads to messages and back.
//!
//! ```
//! use syncline_nacos::message::payload::{decode_request, encode_request};
//! use syncline_nacos::message::{Headers, ServiceListRequest};
//!
//! let request = ServiceListRequest {
//!     namespace: "public".into(),
//!     service_name: String::new(),
//!     group_name: "DEFAULT_GROUP".into(),
//!     page_no: 1,
//!     page_size: 100,
//!     selector: String::new(),
//! };
//! let payload = encode_request(&request, None, Headers::default())?;
//! let received = decode_request::<ServiceListRequest>(&payload)?;
//! assert_eq!(received.body, request);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::HashMap;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::generated::{Body, Metadata};
use super::head::{self, RequestHead, RequestOut, ResponseHead, ResponseOut, Split};
use super::{ErrorCode, Message, Request};

pub use super::generated::Payload;

/// The largest message that Nacos servers and Java clients accept, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 10 * 1024 * 1024;

/// The `resultCode` of a success.
pub const SUCCESS: i64 = 200;

const ERROR_RESPONSE: &str = "ErrorResponse";

/// Headers of a message, found whatever their case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(HashMap<String, String>);

impl Headers {
    /// The value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        let exact = self.0.get(name);
        let any_case = || {
            let mut entries = self.0.iter();
            entries.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
        };
        exact.or_else(any_case).map(String::as_str)
    }

    /// Sets a header.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        Self(entries.map(|(k, v)| (k.into(), v.into())).collect())
    }
}

/// A request with what surrounded it.
#[derive(Debug, Clone, PartialEq)]
pub struct Received<T> {
    /// The request.
    pub body: T,
    /// To be echoed in the answer to a push; unary calls need none.
    pub request_id: Option<String>,
    /// Headers from the metadata, and those that SDKs other than Java's leave
    /// in the JSON. The metadata wins.
    pub headers: Headers,
}

/// A response that says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server answered {kind} {code}: {}", .message.as_deref().unwrap_or("no message"))]
pub struct ErrorResponse {
    /// What was asked for, or `ErrorResponse`: servers use both.
    pub kind: String,
    /// Not 200. From 2.3.1 on often the error code itself.
    pub result_code: i64,
    /// Why.
    pub code: ErrorCode,
    /// Why, for people.
    pub message: Option<String>,
}

/// A message could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A value has no JSON form.
    #[error("cannot write a {kind} as JSON")]
    Json {
        /// The message's type.
        kind: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Nacos would refuse it.
    #[error("a {kind} of {bytes} bytes is larger than the {MAX_MESSAGE_BYTES} that Nacos accepts")]
    TooLarge {
        /// The message's type.
        kind: &'static str,
        /// Its size.
        bytes: usize,
    },
}

/// A message could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// There is no metadata or no body.
    #[error("a payload without {0}")]
    Incomplete(&'static str),
    /// It is another message.
    #[error("expected a {expected}, got a {got:?}")]
    Type {
        /// The type that was wanted.
        expected: &'static str,
        /// The type that came.
        got: String,
    },
    /// The body is not the JSON of such a message.
    #[error("a {kind} with a malformed body")]
    Json {
        /// The message's type.
        kind: String,
        /// What is wrong, and where.
        #[source]
        source: serde_json::Error,
    },
    /// A response does not say how it went.
    #[error("a {0} without a result code")]
    NoResultCode(String),
}

/// Why a response yields no body.
#[derive(Debug, thiserror::Error)]
pub enum ResponseError {
    /// The server refused.
    #[error(transparent)]
    Refused(#[from] ErrorResponse),
    /// The answer is not one.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
}

/// The message's type, empty if it has none.
pub fn kind(payload: &Payload) -> &str {
    payload.metadata.as_ref().map_or("", |m| m.r#type.as_str())
}

/// Writes a request. `request_id` is for requests on a stream, whose answers
/// name it.
///
/// # Errors
/// If it is larger than [`MAX_MESSAGE_BYTES`].
pub fn encode_request<T: Request>(
    request: &T,
    request_id: Option<&str>,
    headers: Headers,
) -> Result<Payload, EncodeError> {
    let json = to_json(
        T::TYPE,
        &RequestOut {
            request_id,
            module: T::MODULE,
            body: request,
        },
    )?;
    Ok(payload(T::TYPE, headers, json))
}

/// Writes a successful response. `message` is null on most; a subscription is
/// answered with `success`.
///
/// # Errors
/// If it is larger than [`MAX_MESSAGE_BYTES`].
pub fn encode_response<T: Message + Serialize>(
    response: &T,
    request_id: Option<&str>,
    message: Option<&str>,
) -> Result<Payload, EncodeError> {
    let json = to_json(
        T::TYPE,
        &ResponseOut {
            result_code: SUCCESS,
            error_code: ErrorCode::NONE.0,
            message,
            request_id,
            success: true,
            body: response,
        },
    )?;
    Ok(payload(T::TYPE, Headers::default(), json))
}

/// Writes an `ErrorResponse` with result code 500, as servers up to 2.3 do.
/// Clients understand it in answer to anything.
pub fn encode_error(code: ErrorCode, message: &str) -> Payload {
    encode_refusal(ERROR_RESPONSE, code, message)
}

/// Writes a response of some type that says no. The Java client tries another
/// server after an `ErrorResponse`, and does not after this.
pub fn encode_refusal(kind: &str, code: ErrorCode, message: &str) -> Payload {
    let object = serde_json::json!({
        "resultCode": 500,
        "errorCode": code.0,
        "message": message,
        "success": false,
    });
    let json = object.to_string().into_bytes();
    payload(kind, Headers::default(), json)
}

/// Reads a request of a known type.
///
/// # Errors
/// If the payload is another message or its body is malformed.
pub fn decode_request<T: Message + DeserializeOwned>(
    payload: &Payload,
) -> Result<Received<T>, DecodeError> {
    let (metadata, json) = parts(payload)?;
    if metadata.r#type != T::TYPE {
        return Err(DecodeError::Type {
            expected: T::TYPE,
            got: metadata.r#type.clone(),
        });
    }
    let split: Split<RequestHead, T> =
        serde_json::from_slice(json).map_err(|source| DecodeError::Json {
            kind: metadata.r#type.clone(),
            source,
        })?;
    let mut headers: Headers = split.head.headers.into_iter().collect();
    for (name, value) in &metadata.headers {
        headers.insert(name, value);
    }
    Ok(Received {
        body: split.body,
        request_id: split.head.request_id,
        headers,
    })
}

/// The id of a request whose body may be unreadable otherwise, if it is at
/// least an object.
pub fn request_id(payload: &Payload) -> Option<String> {
    let (_, json) = parts(payload).ok()?;
    let head: RequestHead = head::head_of(json).ok()?;
    head.request_id
}

/// Reads the answer to a request. A result code other than 200 is a refusal,
/// whatever the type.
///
/// # Errors
/// If the server refused, or if the payload is no such answer.
pub fn decode_response<T: Message + DeserializeOwned>(
    payload: &Payload,
) -> Result<T, ResponseError> {
    let (metadata, json) = parts(payload)?;
    let kind = &metadata.r#type;
    let malformed = |source| DecodeError::Json {
        kind: kind.clone(),
        source,
    };
    let split: Result<Split<ResponseHead, T>, _> = serde_json::from_slice(json);
    // A refusal lacks the fields of the body, so its head is read alone.
    let head = match &split {
        Ok(split) => &split.head,
        Err(_) => &head::head_of(json).map_err(malformed)?,
    };
    check(kind, head)?;
    if kind != T::TYPE {
        return Err(ResponseError::Malformed(DecodeError::Type {
            expected: T::TYPE,
            got: kind.clone(),
        }));
    }
    Ok(split.map_err(malformed)?.body)
}

/// Reads the answer that a client gave to a push: the id of the push, and
/// whether the client took it.
///
/// # Errors
/// If the payload is no response.
pub fn decode_ack(payload: &Payload) -> Result<(Option<String>, bool), DecodeError> {
    let (metadata, json) = parts(payload)?;
    let head: ResponseHead = head::head_of(json).map_err(|source| DecodeError::Json {
        kind: metadata.r#type.clone(),
        source,
    })?;
    Ok((head.request_id, head.result_code == Some(SUCCESS)))
}

fn check(kind: &str, head: &ResponseHead) -> Result<(), ResponseError> {
    match head.result_code {
        Some(SUCCESS) => Ok(()),
        Some(result_code) => Err(ResponseError::Refused(ErrorResponse {
            kind: kind.to_owned(),
            result_code,
            code: ErrorCode(head.error_code),
            message: head.message.clone(),
        })),
        None => Err(ResponseError::Malformed(DecodeError::NoResultCode(
            kind.to_owned(),
        ))),
    }
}

fn parts(payload: &Payload) -> Result<(&Metadata, &[u8]), DecodeError> {
    let metadata = payload.metadata.as_ref();
    let metadata = metadata.ok_or(DecodeError::Incomplete("metadata"))?;
    let body = payload.body.as_ref();
    let body = body.ok_or(DecodeError::Incomplete("a body"))?;
    Ok((metadata, &body.value))
}

fn to_json(kind: &'static str, message: &impl Serialize) -> Result<Vec<u8>, EncodeError> {
    let json = serde_json::to_vec(message).map_err(|source| EncodeError::Json { kind, source })?;
    let bytes = json.len();
    if bytes > MAX_MESSAGE_BYTES {
        return Err(EncodeError::TooLarge { kind, bytes });
    }
    Ok(json)
}

fn payload(kind: &str, headers: Headers, json: Vec<u8>) -> Payload {
    Payload {
        metadata: Some(Metadata {
            r#type: kind.to_owned(),
            client_ip: String::new(),
            headers: headers.0,
        }),
        body: Some(Body {
            type_url: String::new(),
            value: Bytes::from(json),
        }),
    }
}

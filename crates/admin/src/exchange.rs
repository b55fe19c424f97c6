//! One request and its answer, over a connection of their own.

use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// How large an answer may be.
const LARGEST: usize = 256 << 20;

/// Why an answer did not come whole.
pub(crate) type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Sends a request and waits for the whole answer. The caller sets the deadline.
pub(crate) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, Broken> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, LARGEST).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    tokio::pin!(exchange, connection);
    tokio::select! {
        result = &mut exchange => result,
        // The connection ends when the answer is whole, or when it broke.
        _ = &mut connection => exchange.await,
    }
}

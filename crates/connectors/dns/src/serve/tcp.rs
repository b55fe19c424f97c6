//! Questions over connections, one behind the other.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::responder::Responder;

/// How many connections are open at once; the next wait.
const CONNECTIONS: usize = 256;

/// How long a client may be silent, and how long it may take to take an answer.
const IDLE: Duration = Duration::from_secs(10);

/// The same where more than half of the connections are open: those who only
/// hold theirs make room.
const IDLE_IN_NEED: Duration = Duration::from_secs(1);

/// No question is longer, with all that may stand behind it.
const LONGEST: usize = 4096;

/// How long nothing is accepted after that failed: descriptors may have run
/// out.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Accepts connections until cancelled.
pub(super) async fn serve(
    listener: TcpListener,
    responder: Arc<Responder>,
    tasks: TaskTracker,
    cancel: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let accept = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let (stream, client) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "no connection");
                    tokio::time::sleep(AFTER_FAILURE).await;
                    continue;
                }
            };
            if !responder.answers(client.ip()) {
                continue;
            }
            let (responder, cancel) = (Arc::clone(&responder), cancel.clone());
            let places = Arc::clone(&places);
            tasks.spawn(async move {
                let _place = place;
                let idle = || match places.available_permits() < CONNECTIONS / 2 {
                    true => IDLE_IN_NEED,
                    false => IDLE,
                };
                let answered = answer(stream, client.ip(), &responder, idle);
                if let Some(Err(error)) = cancel.run_until_cancelled(answered).await {
                    tracing::debug!(%client, %error, "the connection is closed");
                }
            });
        }
    };
    cancel.run_until_cancelled(accept).await;
}

/// Answers one question after the other, until the client ends or is silent.
async fn answer(
    stream: TcpStream,
    client: IpAddr,
    responder: &Responder,
    idle: impl Fn() -> Duration,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let length = match timeout(idle(), stream.read_u16()).await? {
            Ok(length) => usize::from(length),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        if length > LONGEST {
            return Err(io::Error::other(format!("a question of {length} bytes")));
        }
        let mut message = vec![0; length];
        timeout(IDLE, stream.read_exact(&mut message)).await??;
        let Some(answer) = responder.over_tcp(&message, client) else {
            return Ok(());
        };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let framed = [&length.to_be_bytes()[..], &answer].concat();
        timeout(IDLE, stream.write_all(&framed)).await??;
    }
}

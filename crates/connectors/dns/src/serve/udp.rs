//! Questions in datagrams.

use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::responder::Responder;

/// How many tasks read from the socket.
const READERS: usize = 4;

/// No question is longer, with all that may stand behind it.
const LONGEST: usize = 4096;

/// Starts reading and answering.
pub(super) fn serve(
    socket: UdpSocket,
    responder: &Arc<Responder>,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    let (socket, began) = (Arc::new(socket), Instant::now());
    for _ in 0..READERS {
        let (socket, responder) = (Arc::clone(&socket), Arc::clone(responder));
        let cancel = cancel.clone();
        tasks.spawn(async move {
            cancel
                .run_until_cancelled(read_and_answer(&socket, &responder, began))
                .await;
        });
    }
}

async fn read_and_answer(socket: &UdpSocket, responder: &Responder, began: Instant) {
    let mut buffer = vec![0; LONGEST];
    loop {
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // What an earlier answer met on its way is reported here.
            Err(error) => {
                tracing::debug!(%error, "no question");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let answer = responder.over_udp(&buffer[..length], client.ip(), began.elapsed());
        if let Some(answer) = answer
            && let Err(error) = socket.send_to(&answer, client).await
        {
            tracing::debug!(%client, %error, "the answer cannot be sent");
        }
    }
}

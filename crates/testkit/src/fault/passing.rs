//! Passing bytes on, under whatever fault holds at that moment.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::{Direction, End, Fault, Orders};

/// The most that is passed on at once.
pub(super) const PIECE: usize = 16 * 1024;

/// Passes on whatever either side says, until both have said all.
pub(super) async fn both_ways(
    client: &mut TcpStream,
    server: &mut TcpStream,
    orders: &watch::Receiver<Orders>,
) -> End {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let up = one_way(from_client, to_server, Direction::ToServer, orders.clone());
    let down = one_way(from_server, to_client, Direction::ToClient, orders.clone());
    tokio::pin!(up, down);
    // A cut ends both; otherwise each direction ends by itself.
    tokio::select! {
        end = &mut up => if end == End::Reset { end } else { down.await },
        end = &mut down => if end == End::Reset { end } else { up.await },
    }
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    direction: Direction,
    mut orders: watch::Receiver<Orders>,
) -> End {
    let mut piece = vec![0; PIECE];
    loop {
        let Ok(length) = from.read(&mut piece).await else {
            return End::Close;
        };
        match pass(&piece[..length], &mut to, direction, &mut orders).await {
            Some(end) => return end,
            None if length == 0 => {
                // The end of this direction; the peer may have closed already.
                to.shutdown().await.ok();
                return End::Close;
            }
            None => {}
        }
    }
}

/// Passes a piece on as the fault of the moment wants it; how the connection is to end, if it must. An empty piece, the
/// end of a direction, waits like any other.
pub(super) async fn pass(
    piece: &[u8],
    to: &mut (impl AsyncWrite + Unpin),
    direction: Direction,
    orders: &mut watch::Receiver<Orders>,
) -> Option<End> {
    let mut rest = piece;
    loop {
        let passes = orders.wait_for(|orders| !orders.fault.holds(direction));
        // An error here means that the proxy is gone.
        let fault = match passes.await {
            Ok(orders) => orders.fault,
            Err(_) => return Some(End::Close),
        };
        let (length, pause) = match fault {
            Fault::Delay(pause) => (rest.len(), pause),
            Fault::Drip(dripping, pause) if dripping == direction => (rest.len().min(1), pause),
            Fault::Cut(most) if direction == Direction::ToClient && !rest.is_empty() => {
                // Whether it arrives or not: this connection is over.
                to.write_all(&rest[..rest.len().min(most)]).await.ok();
                to.flush().await.ok();
                return Some(End::Reset);
            }
            _ => (rest.len(), Duration::ZERO),
        };
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        if to.write_all(&rest[..length]).await.is_err() {
            return Some(End::Close);
        }
        rest = &rest[length..];
        if rest.is_empty() {
            return None;
        }
    }
}

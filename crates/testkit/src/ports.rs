//! Ports that nobody else takes.
//!
//! A Nacos server listens on four ports at fixed distances, so that "port 0" does not serve it. A [`PortBlock`] is such
//! a quartet, below 32768 where no outgoing connection takes a port by chance, held by a file lock as long as it lives:
//! other tests of this process and other test programs pass it by.

use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context as _, bail};

/// Where HTTP ports are looked for; Raft lies 1,000 below and gRPC 1,000 above, so that ranges of blocks never meet.
const RANGES: [(u16, u16); 3] = [(18_000, 18_990), (21_000, 21_990), (24_000, 24_990)];

/// From one block's HTTP port to the next one's.
const STEP: u16 = 10;

/// Ports for one Nacos server, real or embedded: HTTP, gRPC for clients and for members, Raft.
#[derive(Debug)]
pub struct PortBlock {
    http: u16,
    /// Locked as long as the block lives; the system unlocks it when the process dies.
    _lock: File,
}

impl PortBlock {
    /// Takes a block whose ports are all free at this moment.
    ///
    /// # Errors
    ///
    /// When every block is taken, or the lock files in the temporary folder cannot be written.
    pub fn reserve() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join("syncline-test-ports");
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let wanted = std::env::var("SYNCLINE_TEST_PORTS").ok();
        for http in candidates(wanted.as_deref())? {
            if let Some(lock) = try_lock(folder.join(http.to_string()))? {
                let block = Self { http, _lock: lock };
                if block.is_free() {
                    return Ok(block);
                }
            }
        }
        bail!("every block of test ports is taken");
    }

    /// The address for HTTP, on loopback.
    pub fn http(&self) -> SocketAddr {
        loopback(self.http)
    }

    /// The address for gRPC clients: HTTP + 1000.
    pub fn grpc(&self) -> SocketAddr {
        loopback(self.http + 1000)
    }

    fn is_free(&self) -> bool {
        let ports = [
            self.http,
            self.http + 1000,
            self.http + 1001,
            self.http - 1000,
        ];
        // Bound on all addresses, as Java does; closed again at once, and never connected to.
        ports
            .iter()
            .all(|&port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok())
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The HTTP ports to try, in order. Where they start differs by process, so that programs seldom contend.
fn candidates(wanted: Option<&str>) -> anyhow::Result<Vec<u16>> {
    let ranges = match wanted {
        Some(text) => {
            vec![parse_range(text).with_context(|| format!("SYNCLINE_TEST_PORTS={text}"))?]
        }
        None => RANGES.to_vec(),
    };
    let mut ports: Vec<u16> = ranges
        .into_iter()
        .flat_map(|(first, last)| (first..=last).step_by(usize::from(STEP)))
        .collect();
    let start = std::process::id() as usize % ports.len();
    ports.rotate_left(start);
    Ok(ports)
}

fn parse_range(text: &str) -> anyhow::Result<(u16, u16)> {
    let (first, last) = text.split_once('-').context("expected FIRST-LAST")?;
    let range = (first.trim().parse()?, last.trim().parse()?);
    match range {
        (2024.., ..31_767) if range.0 <= range.1 => Ok(range),
        _ => bail!("expected ports from 2024 to 31766, the lower one first"),
    }
}

fn try_lock(path: PathBuf) -> anyhow::Result<Option<File>> {
    let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("lock {}", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn blocks_that_live_together_differ() {
        let blocks: Vec<PortBlock> = (0..5).map(|_| PortBlock::reserve().unwrap()).collect();
        let ports: BTreeSet<SocketAddr> = blocks
            .iter()
            .flat_map(|block| [block.http(), block.grpc()])
            .collect();
        assert_eq!(ports.len(), 10);
        assert!(ports.iter().all(|address| address.port() < 32_768));
    }

    #[test]
    fn a_block_with_one_taken_port_is_passed_by() {
        let block = PortBlock::reserve().unwrap();
        let raft = block.http - 1000;
        assert!(block.is_free());
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, raft)).unwrap();
        assert!(!block.is_free());
    }

    #[test]
    fn ranges_are_checked() {
        assert_eq!(parse_range("13000-13990").unwrap(), (13_000, 13_990));
        for bad in ["13000", "a-b", "13990-13000", "100-200", "30000-40000"] {
            assert!(parse_range(bad).is_err(), "{bad}");
        }
    }
}

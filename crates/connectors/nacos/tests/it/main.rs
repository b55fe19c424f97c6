//! The connector on real Nacos servers of every version that the testbed has.

mod cluster;
mod doubt;
mod fake;
mod fuzzy;
mod heartbeat;
mod list;
mod place;
mod strange;
mod subscriber;
mod target;
mod upgrade_ops;
mod watch;

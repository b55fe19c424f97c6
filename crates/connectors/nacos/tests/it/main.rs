//! The connector on real Nacos servers of every version that the testbed has.

mod cluster;
mod list;
mod place;
mod subscriber;
mod target;
mod upgrade_ops;
mod watch;

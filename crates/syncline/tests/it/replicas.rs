//! Two daemons of one install, and a daemon that takes over from another: what
//! a subscriber at a real target sees.

mod approve;
mod changes;
mod cut_off;
mod pair;
mod takeover;
mod upgrade;

pub(crate) use pair::say;

use crate::daemon::seen::Instance;

fn instance(n: usize) -> Instance {
    Instance::at(&format!("10.7.0.{n}:8080")).with("n", &n.to_string())
}

//! The embedded Nacos-compatible registry.
//!
//! Nacos clients register and subscribe here over HTTP and gRPC as they do at
//! a Nacos server, and links of ours publish what they carry from elsewhere.
//! What applications registered and what links published live side by side.
//!
//! The registry must never know the engine, decide that an instance is gone
//! for any reason but Nacos's own (its client left, its beats stopped, somebody
//! removed it), or make one client's registrations depend on another's.
//!
//! * [`Registry`]: the registry itself, and what can be asked of it from within
//!   the process;
//! * [`LinkClient`]: how a link publishes;
//! * [`Changes`]: which services changed;
//! * [`serve()`] and [`Listeners`]: HTTP and, 1000 ports higher, gRPC; pushes
//!   over UDP to clients of 1.x.
//!
//! ```
//! use std::sync::Arc;
//! use syncline_model::{Instance, Port, ServiceKey, ServiceSet};
//! use syncline_registry::{Registry, Settings};
//!
//! let registry = Registry::new(Settings::default());
//! let orders = ServiceKey::new("public", "DEFAULT_GROUP", "orders");
//! let port = Port::new(8080).ok_or("port 0")?;
//! let set = Arc::new(ServiceSet::new(vec![Instance::new("10.0.0.1", port)]));
//!
//! let link = registry.link_client(&"hz-to-local".into());
//! link.publish(&orders, set.clone());
//! assert_eq!(registry.snapshot(&orders), set);
//!
//! drop(link);
//! assert!(registry.snapshot(&orders).is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod ages;
mod answers;
mod changes;
mod check;
mod checks;
mod configs;
mod durable;
mod figures;
mod grpc;
mod http;
mod intern;
mod link;
mod listed;
mod moment;
mod page;
mod presented;
mod publishers;
#[cfg(test)]
mod recorded;
mod registry;
mod returning;
mod selector;
mod serve;
mod settings;
mod store;
mod tls;
mod udp;
mod unasked;
mod wire;

pub use access::{AccessSettings, Grant, Password, Right, Rights, TokenKey, User};
pub use changes::Changes;
pub use checks::{CheckSettings, Pace};
pub use configs::ConfigUpstream;
pub use durable::FolderError;
pub use figures::Figures;
pub use link::LinkClient;
pub use presented::{NotPresented, PresentedVersion};
pub use publishers::Publisher;
pub use registry::{Origin, Registry};
pub use serve::{GRPC_OFFSET, Listeners, ServeError, serve};
pub use settings::{LifeSettings, Limits, PushSettings, Quotas, Settings, WatchLimits};
pub use tls::{ServerTls, TlsError, TlsFiles};
pub use udp::UdpSettings;

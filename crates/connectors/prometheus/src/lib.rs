//! Prometheus's service discovery as a target: files (`file_sd_configs`) and a
//! page (`http_sd_configs`) with one target group for each instance, whose
//! `__meta_nacos_*` labels say all that the registry says of it.
//!
//! Every instance is a target, also one that is unhealthy or disabled: that is
//! when its metrics matter, and relabelling can drop it. What is a target at all
//! is for the link to say. This crate decides nothing about lists: what belongs
//! into one is the engine's business.
//!
//! * [`PrometheusFile`]: one file, or one for each service;
//! * [`PrometheusPage`]: what a link gives the page, which is a [`Board`] for all
//!   links that lead there.

mod board;
pub mod config;
mod file;
mod format;
mod group;
mod labels;
mod page;

pub use board::Board;
pub use config::{PrometheusFileConfig, PrometheusHttpConfig};
pub use file::PrometheusFile;
pub use group::Origin;
pub use page::PrometheusPage;

//! The HTTP client.

mod bulk;
mod fake;
mod login;
mod probe;
mod servers;
mod strange;

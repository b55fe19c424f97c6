//! The HTTP client.

mod bulk;
mod fake;
mod hostile;
mod login;
mod probe;
mod real;
mod servers;
mod strange;
mod writes;

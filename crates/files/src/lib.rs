//! How files that others read are put in place, for every connector whose
//! consumers read files.
//!
//! A reader sees the old file or the new one, whole, also after a crash at any
//! moment: the new one is [staged](Staged) beside it, synced, and renamed over
//! it, with the mode and the owner that the old one had. What would not change
//! is not touched. One process writes a file: [`OnlyWriter`]. What is written is
//! the connector's business.
//!
//! * [`replace`], [`remove`], [`put_all`]: the whole way;
//! * [`Staged`]: step by step, for whoever tries a file before it counts;
//! * [`service_path`], [`service_file`]: file names for services whose names
//!   hold any character;
//! * [`quote`]: such names, and texts of any kind, inside a file.

mod error;
mod name;
mod only_writer;
mod quoted;
mod replace;
mod staged;

pub use error::FileError;
pub use name::{service_file, service_path};
pub use only_writer::OnlyWriter;
pub use quoted::quote;
pub use replace::{FileChange, put_all, remove, replace};
pub use staged::Staged;

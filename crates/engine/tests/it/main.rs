//! The engine's room as a whole: the store and the journal on a real disk.

mod store_journal;
mod store_open;
mod store_writer;

//! The engine's room as a whole: the core in a small world, and the store and
//! the journal on a real disk.

mod core_adopt;
mod core_aside;
mod core_copies;
mod core_flaps;
mod core_guard;
mod core_natives;
mod core_peers;
mod core_random;
mod core_restart;
mod core_retired;
mod core_schedule;
mod core_standstill;
mod core_sync;
mod core_turns;
mod core_verify;
mod core_watch;
mod core_world;
mod store_journal;
mod store_open;
mod store_writer;

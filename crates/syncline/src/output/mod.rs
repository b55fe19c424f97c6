//! What the commands show: rows in, text out.
//!
//! Renderers are functions from plain rows to text. They ask neither the
//! terminal nor the clock, so that tests compare exact text, and so that a
//! library user can show the same. What is known of the terminal is in
//! [`Screen`], made once in `main`.
//!
//! * [`list`]: services and instances, as tables, JSON or YAML;
//! * [`change`]: what was added, changed and removed, line by line;
//! * [`plan`]: what a link would do;
//! * [`describe`]: instances, their differences and links in words;
//! * [`table`], [`number`], [`time`]: how columns, counts and durations look;
//! * [`progress`]: bars, while a terminal looks;
//! * [`safe`]: texts of others, which must not do anything to a screen.

pub mod change;
pub mod describe;
pub mod list;
pub mod number;
pub mod palette;
pub mod plan;
pub mod progress;
pub mod safe;
pub mod screen;
pub mod table;
pub mod time;

pub use palette::{Palette, Tone};
pub use screen::{Format, Screen};

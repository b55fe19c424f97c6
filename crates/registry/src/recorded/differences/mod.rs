//! In what the registry differs from real servers, recorded and running, and
//! why.

mod live;
mod of_1_3_0;
mod of_1_4_8;
mod of_2_0_3;
mod of_2_1_1;
mod of_2_2_4;
mod of_2_5_1;
mod of_3_0_3;
mod shared;

pub(super) use live::{LIVE_1_3_0, LIVE_2_0_3, LIVE_2_1_1, LIVE_2_2_4};
pub(super) use of_1_3_0::OF_1_3_0;
pub(super) use of_1_4_8::OF_1_4_8;
pub(super) use of_2_0_3::OF_2_0_3;
pub(super) use of_2_1_1::OF_2_1_1;
pub(super) use of_2_2_4::OF_2_2_4;
pub(super) use of_2_5_1::OF_2_5_1;
pub(super) use of_3_0_3::OF_3_0_3;

/// In place of a recording's name: what a running server was asked.
pub(super) const LIVE: &str = "the corpus";

/// All of them, oldest version first.
pub(super) const ALL: [&Differences; 11] = [
    &OF_1_3_0,
    &LIVE_1_3_0,
    &OF_1_4_8,
    &OF_2_0_3,
    &LIVE_2_0_3,
    &OF_2_1_1,
    &LIVE_2_1_1,
    &OF_2_2_4,
    &LIVE_2_2_4,
    &OF_2_5_1,
    &OF_3_0_3,
];

/// The differences from one recorded server.
pub(super) struct Differences {
    /// The recording's name, or [`LIVE`].
    pub(super) recording: &'static str,
    /// The version that the registry presents meanwhile.
    pub(super) version: &'static str,
    /// Routes that are answered as unknown, by the beginning of their path.
    pub(super) missing: &'static [&'static str],
    /// Why answers differ, and the steps where they do, by a part of their
    /// note; with a `$` at its end, by the end of it.
    pub(super) different: &'static [Different],
    /// So many answers are equal at least.
    pub(super) equal: usize,
}

/// Why answers differ, and where.
pub(super) type Different = (&'static str, &'static [&'static str]);

/// Whether what is listed means a step.
pub(super) fn means(listed: &str, note: &str) -> bool {
    match listed.strip_suffix('$') {
        Some(end) => note.ends_with(end),
        None => note.contains(listed),
    }
}

//! In what the registry differs from servers that run, and why.

mod of_1_3_0;
mod of_2_0_3;
mod of_2_1_1;
mod of_2_2_4;
mod shared;

pub(in crate::recorded) use of_1_3_0::LIVE_1_3_0;
pub(in crate::recorded) use of_2_0_3::LIVE_2_0_3;
pub(in crate::recorded) use of_2_1_1::LIVE_2_1_1;
pub(in crate::recorded) use of_2_2_4::LIVE_2_2_4;

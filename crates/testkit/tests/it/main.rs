//! The testkit on real servers: if these fail, no other test on them means anything.

mod java;
mod nacos;

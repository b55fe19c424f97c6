//! Templates as their readers meet them: real nginx and HAProxy, and commands
//! that fail, hang and come back.

mod applied;
mod corpus;
mod examples;
mod haproxy;
mod injection;
mod nginx;
mod traffic;
mod world;

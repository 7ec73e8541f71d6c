//! redis-session: a Redis and Valkey module that makes a web session a native type of the server.
//!
//! The server calls `RedisModule_OnLoad` in `keyspace/load.rs`.

// Nothing here is public, so that `missing_docs` would look at nothing; clippy.toml says which items this one is about.
#![warn(clippy::missing_docs_in_private_items)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

mod commands;
mod config;
mod info;
mod keyspace;
mod session;

#[cfg(not(test))]
use redis_module::alloc::RedisAlloc as Allocator;
/// The server's allocator is there only inside a server.
#[cfg(test)]
use std::alloc::System as Allocator;

/// All that this module allocates is the server's to count and, where it is a value, to free.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

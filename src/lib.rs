//! redis-session: a Redis and Valkey module that makes a web session a native type of the server.

// Nothing here is public, so that `missing_docs` would look at nothing; clippy.toml says which items this one is about.
#![warn(clippy::missing_docs_in_private_items)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

mod commands;
mod config;
mod info;
mod keyspace;
mod session;

use keyspace::load;

#[cfg(not(test))]
use redis_module::alloc::RedisAlloc as Allocator;
/// The server's allocator is there only inside a server.
#[cfg(test)]
use std::alloc::System as Allocator;

/// What the server looks up by its name.
#[allow(unsafe_code, clippy::undocumented_unsafe_blocks)]
mod entry {
    use super::*;
    use redis_module::configuration::ConfigurationFlags;

    redis_module::redis_module! {
        name: "session",
        version: 100, // 0.1.0
        allocator: (Allocator, Allocator),
        data_types: [],
        init: load,
        configurations: [
            i64: [
                ["default-timeout", &config::DEFAULT_TIMEOUT, config::DEFAULT_TIMEOUT.default,
                    config::DEFAULT_TIMEOUT.min, config::DEFAULT_TIMEOUT.max, ConfigurationFlags::DEFAULT, None],
                ["default-lifetime", &config::DEFAULT_LIFETIME, config::DEFAULT_LIFETIME.default,
                    config::DEFAULT_LIFETIME.min, config::DEFAULT_LIFETIME.max, ConfigurationFlags::DEFAULT, None],
                ["touch-interval-ms", &config::TOUCH_INTERVAL, config::TOUCH_INTERVAL.default,
                    config::TOUCH_INTERVAL.min, config::TOUCH_INTERVAL.max, ConfigurationFlags::DEFAULT, None],
                ["max-fields", &config::MAX_FIELDS, config::MAX_FIELDS.default,
                    config::MAX_FIELDS.min, config::MAX_FIELDS.max, ConfigurationFlags::DEFAULT, None],
                ["max-bytes", &config::MAX_BYTES, config::MAX_BYTES.default,
                    config::MAX_BYTES.min, config::MAX_BYTES.max, ConfigurationFlags::DEFAULT, None],
            ],
            string: [],
            bool: [],
            enum: [
                ["id-format", &config::ID_FORMAT, config::IdChoice::UUID, ConfigurationFlags::DEFAULT, None],
            ],
            module_args_as_configuration: true,
        ]
    }
}

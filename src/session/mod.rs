//! The domain: what a session is and what a command decides.
//!
//! Plain Rust that knows nothing of Redis: no `unsafe`, no I/O, no clock. Time comes in as an argument, and what a
//! command decides comes out as an [`effect::Effect`], the one description of a change that is applied here, sent to
//! replicas and written to files.

pub mod buffer;
mod crowd;
pub mod effect;
pub mod fields;
pub mod id;
pub mod index;
pub mod json;
pub mod layout;
pub mod limit;
mod order;
pub mod packed_key;
pub mod record;
pub mod rotation;
pub mod selection;
pub mod slot;
mod table;
pub mod time;
pub mod touch;
pub mod wire;
pub mod write;

pub use crowd::Stamp;
pub use effect::{check_record, keeping_ttl, Effect, Malformed, UserChange};
pub use fields::{Field, Fields, FieldsView};
pub use record::{Session, Snapshot, State};
pub use time::{End, Millis, Times};

/// Hard caps. They bound what a payload may make this process hold, whatever the configuration says, and are the upper
/// bounds of the configuration.
pub mod caps {
    /// Bytes of a prefix of new keys.
    pub const PREFIX: usize = 256;
    /// Bytes of the new key of a rotation that leaves a snapshot, which remembers it.
    pub const SUCCESSOR: usize = 64 * 1024;
    /// Bytes of a user name.
    pub const USER: usize = 1024;
    /// Fields of a session.
    pub const FIELDS: usize = 65_536;
    /// Bytes of names and values of a session together.
    pub const BYTES: usize = 64 * 1024 * 1024;
}

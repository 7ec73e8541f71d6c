//! The server's side: the only place with `unsafe`, and all of it.
//!
//! What the rest sees is safe: a [`Call`] with its arguments and its reply, a [`Key`] that is open, a [`Name`] to open
//! one by. Behind that stand the data type and its callbacks, the events that keep the index, propagation and access
//! control.
#![allow(unsafe_code)]

mod access;
mod api;
mod audit;
mod call;
mod call_reply;
mod cluster;
mod data_type;
mod error;
mod events;
mod guard;
mod index;
mod key;
mod load;
mod name;
mod register;
mod reply;
mod report;
mod rules;
mod server;
mod topology;
mod users;
mod value;

pub use access::Permission;
pub use call::{entry, Call, Handler};
pub use error::{printable, Error, Result};
pub use events::Event;
pub use key::{change_of, Access, Key};
pub use name::{Name, OwnedName};
pub use register::{Arg, ArgKind, KeyRange, KeyUse, Spec};
pub use topology::Wanted;

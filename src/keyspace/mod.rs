//! The server's side: the only place with `unsafe`, and all of it.
//!
//! What the rest sees is safe: a [`Call`] with its arguments, which opens keys; a [`Reply`]; a [`WriteKey`] that is open. Behind that stand the data type and its callbacks, the events that keep the index, propagation and access
//! control.
#![allow(unsafe_code)]

mod access;
mod api;
mod audit;
mod call;
mod call_reply;
mod cluster;
mod data_type;
mod database;
mod error;
mod events;
mod guard;
mod index;
mod key;
mod load;
mod name;
mod publish;
mod register;
mod reply;
mod report;
mod rules;
mod server;
mod topology;
mod users;
mod value;

pub use access::Permission;
pub use call::{entry, Arguments, Call, Handler};
pub use error::{printable, Error, Result};
pub use key::{Look, WriteKey};
pub use name::Name;
pub use publish::{Ending, Event};
pub use register::{Arg, ArgKind, KeyRange, KeyUse, Spec};
pub use reply::Reply;
pub use topology::Wanted;
pub use users::{Page, Shown};

//! The commands: each parses its arguments into a typed request, has the pure part decide, applies and replies.

mod args;
mod edit;
mod options;
mod read;
mod room;
mod table;

mod adjust;
mod apply;
mod byuser;
mod count;
mod del;
mod get;
mod getex;
mod incrby;
mod info;
mod new;
mod pop;
mod revoke;
mod rotate;
mod set;
mod touch;
mod unset;
mod verify;

pub use table::TABLE;

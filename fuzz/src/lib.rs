//! What the fuzzing targets share. The module is a cdylib, which nothing can link; its pure code is compiled here again.
#![allow(missing_docs)]

#[path = "../../src/session/mod.rs"]
pub mod session;

use session::fields::Kind;
use session::write::Change;
use session::{Effect, Field, FieldsView, Session};

/// A field, by itself: name, value, whether it is JSON.
pub type Plain = (Vec<u8>, Vec<u8>, bool);

pub fn plain(fields: FieldsView<'_>) -> Vec<Plain> {
    fields.iter().map(|f| (f.name.to_vec(), f.value.to_vec(), f.kind == Kind::Json)).collect()
}

pub fn field((name, value, json): &Plain) -> Field<'_> {
    Field { name, value, kind: if *json { Kind::Json } else { Kind::Raw } }
}

pub fn encoded(effect: &Effect<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    effect.encode_to(&mut payload);
    assert_eq!(payload.len(), effect.encoded_len(), "{effect:?}");
    payload
}

/// The record of the session that a change makes of another, or of none.
pub fn applied(change: &Change<'_>, before: Option<Session<'_>>) -> Vec<u8> {
    let before = before.unwrap_or_default();
    let fields = change.fields_after(before.fields);
    encoded(&Effect::whole(change.effect.after(before, Some(fields))))
}

//! `SESSION.BYUSER`: a user's live sessions.

use super::args::{check_user, is, once, Args};
use super::read::{reply_fields, reply_meta, META};
use crate::keyspace::{Access, Call, Error, Handler, Key, OwnedName, Permission, Result, Wanted};
use crate::session::selection::Selection;
use crate::session::{Millis, Session};
use std::cell::Cell;
use std::cmp::Reverse;

/// `SESSION.BYUSER user [WITHMETA] [FIELDS n field …] [LIMIT offset count]`
pub struct ByUser;

#[derive(Default)]
struct Request<'c> {
    meta: Option<()>,
    fields: Option<Selection<'c>>,
    limit: Option<(usize, usize)>,
}

impl Handler for ByUser {
    fn run(call: &Call<'_>) -> Result<()> {
        let mut args = Args::of(call);
        let user = check_user(args.first()?.bytes())?;
        let mut request = Request::default();
        while let Some(option) = args.next() {
            let option = option.bytes();
            if is(option, "WITHMETA") {
                once(&mut request.meta, ())?;
            } else if is(option, "FIELDS") {
                once(&mut request.fields, Selection::of(args.counted("numfields")?))?;
            } else if is(option, "LIMIT") {
                once(&mut request.limit, limit(&mut args)?)?;
            } else {
                return Err(Error::SYNTAX);
            }
        }
        let names = call.names_of(user);
        if request.meta.is_none() && request.fields.is_none() {
            let page = page(live(call, user, &names, |_| ())?, request.limit);
            call.array(page.len());
            page.iter().for_each(|(_, key, ())| call.bulk(key));
            return Ok(());
        }
        let room = Cell::new(COPIED);
        let page = page(live(call, user, &names, |key| copy(key, &room))?, request.limit);
        if page.iter().all(|(_, _, record)| record.is_some()) {
            let copied = page.iter().filter_map(|(_, key, record)| Some((*key, record.as_deref()?)));
            reply_sessions(call, &request, copied.collect());
        } else {
            let names: Vec<OwnedName> = page.iter().map(|(_, key, _)| OwnedName::new(key)).collect();
            let keys: Vec<_> = names.iter().map(|name| call.open(name.name(), Access::Peek)).collect();
            let opened = keys.iter().filter_map(|key| Some((key.name().bytes(), key.record()?)));
            reply_sessions(call, &request, opened.collect());
        }
        Ok(())
    }
}

/// Bytes of records that are copied while they are looked at for their order, so that their keys are not opened again.
const COPIED: usize = 64 * 1024;

fn copy(key: &Key<'_>, room: &Cell<usize>) -> Option<Box<[u8]>> {
    let record = key.record()?;
    room.set(room.get().checked_sub(record.len())?);
    Some(record.into())
}

/// `LIMIT offset count`; a negative count means all, as in `ZRANGEBYSCORE`.
fn limit(args: &mut Args<'_>) -> Result<(usize, usize)> {
    let offset = usize::try_from(args.integer()?).map_err(|_| Error::NOT_INTEGER)?;
    Ok((offset, usize::try_from(args.integer()?).unwrap_or(usize::MAX)))
}

/// By when it was accessed and its key, with what was taken of it.
type Found<'n, T> = (Reverse<Millis>, &'n [u8], T);

/// The live sessions of a user, whose keys have these names, that the caller may read, in no order, and what `take` takes
/// of each; in a cluster, those that this node answers for.
pub fn live<'n, T>(
    call: &'n Call<'_>,
    user: &[u8],
    names: &'n [OwnedName],
    take: impl Fn(&Key<'n>) -> T,
) -> Result<Vec<Found<'n, T>>> {
    call.check_node(Wanted::Read)?;
    let (caller, now) = (call.caller(), call.now());
    let mut found = Vec::with_capacity(FEW);
    call.each_session_of(user, names, Access::Peek, |key, meta| {
        if meta.live(now) && caller.may(Permission::Read, key.name()) {
            found.push((Reverse(meta.times.accessed), key.name().bytes(), take(key)));
        }
    });
    call.keep_served(&mut found, |(_, key, _): &Found<'n, T>| key)?;
    Ok(found)
}

/// Most users have so many sessions.
const FEW: usize = 4;

/// The latest first, ties by key; of them the part that was asked for.
fn page<T: Ord>(mut found: Vec<Found<'_, T>>, limit: Option<(usize, usize)>) -> Vec<Found<'_, T>> {
    let (offset, count) = limit.unwrap_or((0, usize::MAX));
    let end = offset.saturating_add(count);
    if end < found.len() {
        found.select_nth_unstable(end);
        found.truncate(end);
    }
    found.sort_unstable();
    found.drain(..offset.min(found.len()));
    found
}

fn reply_sessions(call: &Call<'_>, request: &Request<'_>, sessions: Vec<(&[u8], &[u8])>) {
    call.array(sessions.len());
    for (key, record) in sessions {
        let session = Session::of(record);
        let meta = if request.meta.is_some() { META } else { 0 };
        call.map([1, meta, usize::from(request.fields.is_some())].iter().sum());
        call.bulk(b"key");
        call.bulk(key);
        if request.meta.is_some() {
            reply_meta(call, session);
        }
        if let Some(selection) = &request.fields {
            let present = selection.present(session.fields);
            call.bulk(b"data");
            reply_fields(call, present.len(), present.into_iter().map(|(_, field)| field));
        }
    }
}

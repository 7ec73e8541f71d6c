//! `SESSION.BYUSER`: a user's live sessions.

use super::args::{check_user, is, once, Args};
use super::read::{reply_fields, reply_meta, META};
use crate::keyspace::{Access, Call, Error, Handler, OwnedName, Permission, Result};
use crate::session::{Millis, Session};
use std::cmp::Reverse;
use std::collections::HashSet;

/// `SESSION.BYUSER user [WITHMETA] [FIELDS n field …] [LIMIT offset count]`
pub struct ByUser;

#[derive(Default)]
struct Request<'c> {
    meta: Option<()>,
    fields: Option<Vec<&'c [u8]>>,
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
                once(&mut request.fields, distinct(args.counted("numfields")?))?;
            } else if is(option, "LIMIT") {
                once(&mut request.limit, limit(&mut args)?)?;
            } else {
                return Err(Error::SYNTAX);
            }
        }
        let page = page(live(call, user)?, request.limit);
        if request.meta.is_none() && request.fields.is_none() {
            call.array(page.len());
            page.iter().for_each(|(_, key)| call.bulk(key));
            return Ok(());
        }
        reply_sessions(call, &request, &page)
    }
}

/// A map has a field once, however often it was asked for.
fn distinct(mut names: Vec<&[u8]>) -> Vec<&[u8]> {
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(*name));
    names
}

/// `LIMIT offset count`; a negative count means all, as in `ZRANGEBYSCORE`.
fn limit(args: &mut Args<'_>) -> Result<(usize, usize)> {
    let offset = usize::try_from(args.integer()?).map_err(|_| Error::NOT_INTEGER)?;
    Ok((offset, usize::try_from(args.integer()?).unwrap_or(usize::MAX)))
}

type Found = (Reverse<Millis>, Box<[u8]>);

/// The live sessions of a user that the caller may read, in no order; in a cluster, those that this node answers for.
pub fn live(call: &Call<'_>, user: &[u8]) -> Result<Vec<Found>> {
    call.refuse_transaction()?;
    call.refuse_replica()?;
    let (caller, now) = (call.caller(), call.now());
    let mut found = Vec::new();
    call.each_session_of(user, None, Access::Peek, |key| {
        let Some(session) = key.state(now).ok().and_then(|state| state.live()) else { return };
        if caller.may(Permission::Read, key.name()) {
            found.push((Reverse(session.meta.times.accessed), key.name().bytes().into()));
        }
    });
    call.keep_served(&mut found, |(_, key): &Found| key)?;
    Ok(found)
}

/// The latest first, ties by key; of them the part that was asked for.
fn page(mut found: Vec<Found>, limit: Option<(usize, usize)>) -> Vec<Found> {
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

fn reply_sessions(call: &Call<'_>, request: &Request<'_>, page: &[Found]) -> Result<()> {
    let names: Vec<OwnedName> = page.iter().map(|(_, key)| OwnedName::new(key)).collect();
    let keys: Vec<_> = names.iter().map(|name| call.open(name.name(), Access::Peek)).collect();
    let sessions: Vec<(&[u8], Session<'_>)> =
        keys.iter().filter_map(|key| Some((key.name().bytes(), key.session().ok()??))).collect();
    call.array(sessions.len());
    for (key, session) in sessions {
        let meta = if request.meta.is_some() { META } else { 0 };
        call.map([1, meta, usize::from(request.fields.is_some())].iter().sum());
        call.bulk(b"key");
        call.bulk(key);
        if request.meta.is_some() {
            reply_meta(call, session);
        }
        if let Some(names) = &request.fields {
            let present: Vec<_> = session.fields.get_all(names).into_iter().flatten().collect();
            call.bulk(b"data");
            reply_fields(call, present.len(), present.into_iter());
        }
    }
    Ok(())
}

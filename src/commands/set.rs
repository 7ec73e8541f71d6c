//! `SESSION.SET`: begins a session, or changes one.

use super::args::{Args, Token, Tokens};
use super::options::{Options, CHANGE};
use super::read::reply_version;
use super::room::{make_room, Room};
use crate::config;
use crate::info::{self, Counter};
use crate::keyspace::{Call, Ending, Event, Handler, Look, Name, Reply, Result};
use crate::session::limit::Cap;
use crate::session::write::{Outcome, Write};

/// `SESSION.SET key [NX | XX | IFVERSION v] [REPLACE] [USER user | NOUSER] times [KEEPTTL] max data`
pub struct Set;

const OPTIONS: Tokens = CHANGE.and(Tokens::of(&[Token::Nx, Token::Xx, Token::KeepTtl]));

impl Handler for Set {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        let mut args = Args::of(call);
        let name = args.first()?;
        let mut options = Options::default();
        while let Some(option) = args.option(OPTIONS)? {
            options.take(option, &mut args)?;
        }
        options.check()?;
        let write = options.write();
        if let Some(cap) = options.cap() {
            keep_cap(call, name, &write, cap)?;
        }
        let (now, rules) = (call.now(), config::rules());
        let mut key = call.write(name)?;
        match write.decide(key.state(), &rules, now)? {
            Outcome::Unmet => reply.null(),
            Outcome::End(version) => {
                if key.session().is_some() {
                    key.end(Ending::Command);
                }
                reply_version(reply, version);
            }
            Outcome::Change(change) => {
                let (begins, version) = (change.effect.whole, change.effect.version);
                key.commit(change, Event::Set)?;
                if begins {
                    info::count(Counter::Created);
                }
                reply_version(reply, version);
            }
        }
        Ok(())
    }
}

/// Makes room for the session that this write leaves, if it leaves one of a user. The write is decided here for that, and
/// once more when it is carried out.
fn keep_cap(call: &mut Call<'_>, name: Name<'_>, write: &Write<'_>, cap: Cap) -> Result<()> {
    let key = call.find(name, Look::Peek)?;
    let state = call.state_of(&key);
    let Outcome::Change(change) = write.decide(state, &config::rules(), call.now())? else { return Ok(()) };
    let before = state.live().and_then(|session| session.user);
    let Some(user) = change.effect.user.after(before).map(<[u8]>::to_vec) else { return Ok(()) };
    let joins = before != Some(&user);
    drop(key);
    make_room(call, &Room { cap, user: &user, joins }, &[name])
}

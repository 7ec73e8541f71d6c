//! `SESSION.BYUSER`: a user's live sessions.

use super::args::{check_user, Args, Token, Tokens};
use super::read::{Read, READ};
use crate::keyspace::{Call, Handler, Page, Reply, Result};

/// `SESSION.BYUSER user [WITHMETA | META n name …] [JSON] [FIELDS n field …] [LIMIT offset count]`
pub struct ByUser;

impl Handler for ByUser {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        const OPTIONS: Tokens = READ.and(Tokens::of(&[Token::Limit]));
        let mut args = Args::of(call);
        let user = check_user(args.first()?.bytes())?;
        let (mut read, mut page) = (Read::default(), None);
        while let Some(option) = args.option(OPTIONS)? {
            match option {
                Token::Limit => {
                    let limit = limit(&mut args)?;
                    args.once(&mut page, limit)?;
                }
                option => read.take(option, &mut args)?,
            }
        }
        let list = reply.list();
        call.list_sessions(user, page.unwrap_or_default(), &list, read.shown(), |key, session| match session {
            Some(session) => read.reply_listed(reply, key, session),
            None => reply.bulk(key),
        })?;
        list.end();
        Ok(())
    }
}

/// `LIMIT offset count`; a negative count means all, as in `ZRANGEBYSCORE`.
fn limit(args: &mut Args<'_>) -> Result<Page> {
    let offset = usize::try_from(args.unsigned()?).unwrap_or(usize::MAX);
    Ok(Page { offset, count: usize::try_from(args.integer()?).unwrap_or(usize::MAX) })
}

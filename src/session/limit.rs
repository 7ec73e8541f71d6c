//! A cap on a user's concurrent sessions.

use super::crowd::By;
use super::index::Index;
use super::time::Millis;

/// What happens when a session would be one too many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// The new session is refused.
    Reject,
    /// The earliest created end.
    Oldest,
    /// The least recently accessed end.
    Lru,
}

/// `MAXSESSIONS n policy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cap {
    /// How many live sessions the user may have afterwards; at least 1.
    pub most: usize,
    /// What makes room.
    pub policy: Policy,
}

/// A live session of the user, other than the one being written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Other {
    /// When it began.
    pub created: Millis,
    /// When it was last used.
    pub accessed: Millis,
    /// Its key.
    pub key: Box<[u8]>,
}

/// The live sessions of a user, other than the ones being written, that count against its cap.
pub trait Others {
    /// How many there are.
    fn count(&mut self) -> usize;
    /// The `n` that began first or were used first, in that order; ties by the other of these times, then the earlier to
    /// arrive.
    fn first(&mut self, by: By, n: usize) -> Vec<Other>;
}

/// Sessions that were opened, in the order in which they arrived.
impl Others for Vec<Other> {
    fn count(&mut self) -> usize {
        self.len()
    }

    fn first(&mut self, by: By, n: usize) -> Vec<Other> {
        let mut ranked: Vec<_> = std::mem::take(self).into_iter().enumerate().collect();
        let rank = |(arrival, other): &(usize, Other)| (by.times(other.created, other.accessed), *arrival);
        if n < ranked.len() {
            ranked.select_nth_unstable_by_key(n, rank);
            ranked.truncate(n);
        }
        ranked.sort_unstable_by_key(rank);
        ranked.into_iter().map(|(_, other)| other).collect()
    }
}

/// The sessions of a crowd, of which the index knows all, but for those being written.
pub struct Crowded<'i> {
    /// What knows them.
    pub index: &'i mut Index,
    /// The database.
    pub db: usize,
    /// The user.
    pub user: &'i [u8],
    /// The time.
    pub now: Millis,
    /// The keys being written.
    pub written: &'i [&'i [u8]],
}

impl Others for Crowded<'_> {
    fn count(&mut self) -> usize {
        self.index.live(self.db, self.user, self.now, self.written)
    }

    fn first(&mut self, by: By, n: usize) -> Vec<Other> {
        self.index.first((self.db, self.user), by, self.now, n, self.written, |key, stamp| Other {
            created: stamp.created,
            accessed: stamp.accessed,
            key: key.into(),
        })
    }
}

/// The user has as many sessions as it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl Cap {
    /// Which of the user's other sessions must end so that there is room for the one being written; `joins` says whether
    /// that one is newly this user's. Only who joins is ever refused.
    pub fn make_room(&self, mut others: impl Others, joins: bool) -> Result<Vec<Other>, Full> {
        let by = match self.policy {
            Policy::Reject if !joins => return Ok(Vec::new()),
            Policy::Reject => None,
            Policy::Oldest => Some(By::Created),
            Policy::Lru => Some(By::Accessed),
        };
        let excess = others.count().saturating_add(1).saturating_sub(self.most);
        match by {
            _ if excess == 0 => Ok(Vec::new()),
            Some(by) => Ok(others.first(by, excess)),
            None => Err(Full),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others() -> Vec<Other> {
        [(3, 10, b"a"), (1, 30, b"b"), (2, 20, b"c"), (1, 30, b"d")]
            .map(|(created, accessed, key)| Other { created, accessed, key: (*key).into() })
            .into()
    }

    fn ended(most: usize, policy: Policy, joins: bool) -> Result<String, Full> {
        let keys = Cap { most, policy }.make_room(others(), joins)?;
        Ok(keys.iter().map(|o| o.key[0] as char).collect())
    }

    #[test]
    fn oldest_ends_the_earliest_created_and_lru_the_least_recently_accessed() {
        assert_eq!(ended(5, Policy::Oldest, true), Ok("".into()));
        assert_eq!(ended(3, Policy::Oldest, true), Ok("bd".into()));
        assert_eq!(ended(3, Policy::Lru, true), Ok("ac".into()));
        assert_eq!(ended(1, Policy::Oldest, true), Ok("bdca".into()));
        assert_eq!(ended(1, Policy::Lru, false), Ok("acbd".into()));
    }

    #[test]
    fn of_equal_ones_the_earlier_to_arrive_ends() {
        let same = |key: u8| Other { created: 1, accessed: 1, key: [key].into() };
        for policy in [Policy::Oldest, Policy::Lru] {
            let ended = Cap { most: 2, policy }.make_room(vec![same(b'z'), same(b'm'), same(b'a')], true);
            assert_eq!(ended, Ok(vec![same(b'z'), same(b'm')]));
        }
    }

    #[test]
    fn reject_refuses_those_who_join_and_nobody_else() {
        assert_eq!(ended(4, Policy::Reject, true), Err(Full));
        assert_eq!(ended(4, Policy::Reject, false), Ok("".into()));
        assert_eq!(ended(5, Policy::Reject, true), Ok("".into()));
    }
}

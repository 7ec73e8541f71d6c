//! A cap on a user's concurrent sessions.

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

/// The user has as many sessions as it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl Cap {
    /// Which of the user's other sessions must end so that there is room for the one being written; `joins` says whether
    /// that one is newly this user's. O(others), and O(ended log ended).
    pub fn make_room(&self, mut others: Vec<Other>, joins: bool) -> Result<Vec<Other>, Full> {
        let excess = others.len().saturating_add(1).saturating_sub(self.most);
        match self.policy {
            Policy::Reject if joins && excess > 0 => return Err(Full),
            Policy::Reject => others.clear(),
            Policy::Oldest => keep_least(&mut others, excess, |o| (o.created, o.accessed)),
            Policy::Lru => keep_least(&mut others, excess, |o| (o.accessed, o.created)),
        }
        Ok(others)
    }
}

/// Leaves the `n` least, in their order; ties by key.
fn keep_least(others: &mut Vec<Other>, n: usize, rank: impl Fn(&Other) -> (Millis, Millis)) {
    let order = |a: &Other, b: &Other| rank(a).cmp(&rank(b)).then_with(|| a.key.cmp(&b.key));
    if n < others.len() {
        others.select_nth_unstable_by(n, order);
        others.truncate(n);
    }
    others.sort_unstable_by(order);
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
    fn reject_refuses_those_who_join_and_nobody_else() {
        assert_eq!(ended(4, Policy::Reject, true), Err(Full));
        assert_eq!(ended(4, Policy::Reject, false), Ok("".into()));
        assert_eq!(ended(5, Policy::Reject, true), Ok("".into()));
    }
}

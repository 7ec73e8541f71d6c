//! The rules of a user, as the server writes them: `on #… ~one:* &* +@all (~two:* resetchannels -@all +get)`.
//!
//! Words with a space between them, none within: first of the user itself, then of its own set of rules, then of each
//! further set (selector), in parentheses. A word of a pattern may hold parentheses, too (`&news(1)`), but begins with a
//! sign.

/// What the rules of a user are, so far as a key can be judged by it alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// One set, good for all keys.
    AllKeys,
    /// One set, of some keys.
    OneSet,
    /// Several sets, or one that depends on the database: which count must be found out.
    Conditional,
}

impl Shape {
    /// Reads it off the rules. Asked for by every command that judges keys, so it keeps nothing.
    pub fn of(rules: &[u8]) -> Self {
        let mut shape = Shape::OneSet;
        for word in words(rules) {
            match word {
                b"~*" => shape = Shape::AllKeys,
                b"resetdbs" | [b'(', ..] | [b'd', b'b', b'=', ..] => return Shape::Conditional,
                _ => {}
            }
        }
        shape
    }
}

fn words(rules: &[u8]) -> impl Iterator<Item = &[u8]> {
    rules.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

/// A set of rules: which keys, which commands, on some servers in which databases.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct RuleSet<'r> {
    words: Vec<&'r [u8]>,
}

impl<'r> RuleSet<'r> {
    /// The sets in the rules of a user, its own first.
    pub fn all(rules: &'r [u8]) -> Vec<Self> {
        let mut sets = vec![RuleSet::default()];
        for word in words(rules) {
            match word.strip_prefix(b"(") {
                Some(first) => {
                    sets.last_mut().into_iter().for_each(RuleSet::close);
                    sets.push(RuleSet { words: vec![first] });
                }
                None => sets.last_mut().into_iter().for_each(|set| set.words.push(word)),
            }
        }
        sets.last_mut().into_iter().for_each(RuleSet::close);
        sets
    }

    /// Takes the parenthesis off its last word, which is a command or a category and has none of its own.
    fn close(&mut self) {
        if let Some(last) = self.words.last_mut() {
            *last = last.strip_suffix(b")").unwrap_or(last);
        }
    }

    /// Whether it is good for all keys, for reading and writing.
    pub fn has_all_keys(&self) -> bool {
        self.words.contains(&&b"~*"[..])
    }

    /// The rules of databases (Valkey 9.1).
    pub fn databases(&self) -> impl Iterator<Item = &'r [u8]> + '_ {
        self.words.iter().copied().filter(|word| word.starts_with(b"db=") || *word == b"resetdbs")
    }

    /// The rules of keys.
    pub fn keys(&self) -> impl Iterator<Item = &'r [u8]> + '_ {
        self.words.iter().copied().filter(|word| matches!(word.first(), Some(b'~' | b'%')))
    }

    /// The rules of commands.
    pub fn commands(&self) -> impl Iterator<Item = &'r [u8]> + '_ {
        self.words.iter().copied().filter(|word| matches!(word.first(), Some(b'+' | b'-')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'r>(words: impl Iterator<Item = &'r [u8]>) -> String {
        words.map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rules_are_sets() {
        let rules = b"on nopass #0a1b ~one:* %R~*(x) &news(1) -@all +get +set  (~two(2):* resetchannels -@all +get) (~* &* +@all)";
        let sets = RuleSet::all(rules);
        let keys: Vec<_> = sets.iter().map(|set| text(set.keys())).collect();
        assert_eq!(keys, ["~one:* %R~*(x)", "~two(2):*", "~*"]);
        let commands: Vec<_> = sets.iter().map(|set| text(set.commands())).collect();
        assert_eq!(commands, ["-@all +get +set", "-@all +get", "+@all"]);
        assert_eq!(sets.iter().map(RuleSet::has_all_keys).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(Shape::of(rules), Shape::Conditional);
        assert_eq!(Shape::of(b"on nopass ~one:* &* +@all"), Shape::OneSet);
    }

    #[test]
    fn a_parenthesis_in_a_pattern_is_no_set() {
        for rules in ["on ~a(b &* +@all", "on ~(a) &(b) -@all +session.byuser", "on ~* &news(1) -@all +session.count"] {
            assert_eq!(RuleSet::all(rules.as_bytes()).len(), 1, "{rules}");
            assert_ne!(Shape::of(rules.as_bytes()), Shape::Conditional, "{rules}");
        }
        assert_eq!(Shape::of(b"on ~* &news(1) -@all +session.count"), Shape::AllKeys);
        assert_eq!(Shape::of(b"on %R~* %W~* ~** &* +@all"), Shape::OneSet);
    }

    #[test]
    fn sets_may_name_databases() {
        let sets = RuleSet::all(b"on ~* &* db=0,2 +@all (~* resetchannels resetdbs +@all) (~* resetchannels +@all)");
        assert_eq!(sets.iter().map(|set| text(set.databases())).collect::<Vec<_>>(), ["db=0,2", "resetdbs", ""]);
        assert_eq!(RuleSet::all(b"").len(), 1);
        assert_eq!(Shape::of(b"on ~* &* db=0,2 +@all"), Shape::Conditional);
        assert_eq!(Shape::of(b"on ~* &* resetdbs +@all"), Shape::Conditional);
    }
}

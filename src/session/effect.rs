//! The effect of a command on one session: what is applied here, sent to replicas and written to files.
//!
//! One encoding serves all three, see [`super::layout`]. It holds absolute times and the new version, never a decision to
//! take again. A session as it is, whole, is an effect, too: its bytes are the record that is stored.

use super::caps;
use super::fields::FieldsView;
use super::layout::{part, Head, FORMAT, HEAD, MAX_VERSION};
use super::record::{Session, Snapshot};
use super::time::{Times, MAX_TIME};
use super::wire::{bytes_len, int_len, put_bytes, put_int, Reader};
use std::fmt;

/// What happens to a session's user.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum UserChange<'a> {
    /// Nothing.
    #[default]
    Keep,
    /// It becomes this user's.
    Set(&'a [u8]),
    /// It becomes nobody's.
    Clear,
}

impl<'a> UserChange<'a> {
    /// The user afterwards.
    pub fn after(self, before: Option<&'a [u8]>) -> Option<&'a [u8]> {
        match self {
            UserChange::Keep => before,
            UserChange::Set(user) => Some(user),
            UserChange::Clear => None,
        }
    }
}

/// The effect of a command on one session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Effect<'a> {
    /// The times afterwards.
    pub times: Times,
    /// The version afterwards.
    pub version: u64,
    /// Whether the session becomes what is given here, whatever it was; else what is given is changed.
    pub whole: bool,
    /// Whether the key's own expiry stays as it is; else it becomes the deadline.
    pub keep_ttl: bool,
    /// Whether all fields go before those given here are set.
    pub clear: bool,
    /// What happens to the user.
    pub user: UserChange<'a>,
    /// What makes it a snapshot from now on.
    pub snapshot: Option<Snapshot<'a>>,
    /// Fields that go.
    pub removed: Vec<&'a [u8]>,
    /// Fields that are set.
    pub fields: FieldsView<'a>,
}

/// Why a payload was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// Of a later format than this module's.
    Newer(u8),
    /// With parts that a later version of this module writes.
    Unknown(u16),
    /// Not a payload, or one past the caps.
    Bad,
}

impl Malformed {
    /// Whether a later version of this module would understand it.
    pub fn is_of_later_version(self) -> bool {
        matches!(self, Malformed::Newer(_) | Malformed::Unknown(_))
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Newer(format) => write!(f, "session payload of format {format}, this module knows {FORMAT}"),
            Malformed::Unknown(parts) => {
                write!(f, "session payload of a later version of this module (it has parts {parts:#x})")
            }
            Malformed::Bad => f.write_str("malformed session payload"),
        }
    }
}

impl<'a> Effect<'a> {
    /// A session as it is, whole.
    pub fn whole(session: Session<'a>) -> Self {
        Effect {
            times: session.times,
            version: session.version,
            whole: true,
            keep_ttl: false,
            clear: false,
            user: session.user.map_or(UserChange::Keep, UserChange::Set),
            snapshot: session.snapshot,
            removed: Vec::new(),
            fields: session.fields,
        }
    }

    /// Other times for a session of this version, and nothing else.
    pub fn times(times: Times, version: u64) -> Self {
        Effect { times, version, ..Effect::default() }
    }

    /// Whether it changes times and nothing else, so that a record stays as long as it is.
    pub fn only_times(&self, before: &Session<'_>) -> bool {
        self.fields.is_empty()
            && self.removed.is_empty()
            && self.user == UserChange::Keep
            && self.snapshot.is_none()
            && !self.clear
            && !self.whole
            && self.version == before.version
    }

    /// Encodes it.
    #[cfg(test)]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.encode_to(&mut out);
        out
    }

    /// Encodes it at the end of `out`.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&Head { parts: self.parts(), times: self.times }.bytes());
        put_int(out, self.version);
        if let UserChange::Set(user) = self.user {
            put_bytes(out, user);
        }
        if let Some(snapshot) = &self.snapshot {
            snapshot.put(out);
        }
        if !self.removed.is_empty() {
            put_int(out, self.removed.len() as u64);
            self.removed.iter().for_each(|name| put_bytes(out, name));
        }
        if !self.fields.is_empty() {
            put_int(out, self.fields.len() as u64);
            out.extend_from_slice(self.fields.packed());
        }
    }

    /// How many bytes it takes.
    pub fn encoded_len(&self) -> usize {
        let counted = |n: usize| if n > 0 { int_len(n as u64) } else { 0 };
        let user = if let UserChange::Set(user) = self.user { bytes_len(user) } else { 0 };
        let removed = self.removed.iter().map(|name| bytes_len(name)).fold(0, usize::saturating_add);
        [
            HEAD,
            int_len(self.version),
            user,
            self.snapshot.map_or(0, |snapshot| snapshot.len()),
            counted(self.removed.len()),
            removed,
            counted(self.fields.len()),
            self.fields.packed().len(),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    fn parts(&self) -> u16 {
        let user = match self.user {
            UserChange::Keep => 0,
            UserChange::Set(_) => part::USER,
            UserChange::Clear => part::NOUSER,
        };
        let bit = |on: bool, part: u16| if on { part } else { 0 };
        user | bit(self.whole, part::WHOLE)
            | bit(!self.removed.is_empty(), part::REMOVED)
            | bit(!self.fields.is_empty(), part::FIELDS)
            | bit(self.snapshot.is_some(), part::SNAPSHOT)
            | bit(self.keep_ttl, part::KEEPTTL)
            | bit(self.clear, part::CLEAR)
    }

    /// Decodes it: anything that [`Effect::encode_to`] would not have written, or that passes the hard caps, is refused
    /// before memory is taken for it.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Malformed> {
        match Head::format_and_parts(payload) {
            Some((format, _)) if format > FORMAT => Err(Malformed::Newer(format)),
            Some((FORMAT, parts)) if parts & !part::KNOWN != 0 => Err(Malformed::Unknown(parts & !part::KNOWN)),
            Some((FORMAT, _)) => Self::read(payload).ok_or(Malformed::Bad),
            _ => Err(Malformed::Bad),
        }
    }

    fn read(payload: &'a [u8]) -> Option<Self> {
        let (head, rest) = payload.split_first_chunk::<HEAD>()?;
        let Head { parts, times } = Head::check(head)?;
        let has = |part: u16| parts & part != 0;
        let contradicts = (has(part::USER) && has(part::NOUSER))
            || (has(part::WHOLE) && (has(part::NOUSER) || has(part::CLEAR)))
            || (has(part::REMOVED) && (has(part::WHOLE) || has(part::CLEAR)));
        if contradicts {
            return None;
        }
        let mut r = Reader::new(rest);
        let version = r.int().filter(|version| (1..=MAX_VERSION).contains(version))?;
        let user = match (has(part::USER), has(part::NOUSER)) {
            (true, _) => UserChange::Set(r.bytes().filter(|user| (1..=caps::USER).contains(&user.len()))?),
            (_, true) => UserChange::Clear,
            _ => UserChange::Keep,
        };
        let snapshot = if has(part::SNAPSHOT) { Some(read_snapshot(&mut r)?) } else { None };
        let removed = if has(part::REMOVED) { read_names(&mut r)? } else { Vec::new() };
        let fields = if has(part::FIELDS) {
            let count = r.int().filter(|n| *n > 0)?;
            FieldsView::decode(count, r.rest())?
        } else if r.rest().is_empty() {
            FieldsView::default()
        } else {
            return None;
        };
        let [whole, keep_ttl, clear] = [part::WHOLE, part::KEEPTTL, part::CLEAR].map(has);
        Some(Effect { times, version, whole, keep_ttl, clear, user, snapshot, removed, fields })
    }

    /// The session afterwards, which has these fields where they change.
    pub fn after<'s>(&self, before: Session<'s>, fields: Option<FieldsView<'s>>) -> Session<'s>
    where
        'a: 's,
    {
        let before = if self.whole { Session { fields: self.fields, ..Session::default() } } else { before };
        Session {
            times: self.times,
            version: self.version,
            user: self.user.after(before.user),
            snapshot: self.snapshot.or(before.snapshot),
            fields: fields.unwrap_or(before.fields),
        }
    }
}

/// A snapshot from outside.
fn read_snapshot<'a>(r: &mut Reader<'a>) -> Option<Snapshot<'a>> {
    Snapshot::read(r).filter(|s| s.grace <= MAX_TIME && s.successor.len() <= caps::SUCCESSOR)
}

fn read_names<'a>(r: &mut Reader<'a>) -> Option<Vec<&'a [u8]>> {
    let count = r.int().and_then(|n| usize::try_from(n).ok())?;
    // A name takes a byte at least.
    if count == 0 || count > caps::FIELDS || count > r.rest().len() {
        return None;
    }
    (0..count).map(|_| r.bytes()).collect()
}

/// Whether bytes from outside are a record.
pub fn check_record(payload: &[u8]) -> Result<(), Malformed> {
    let effect = Effect::decode(payload)?;
    if effect.whole && !effect.keep_ttl {
        Ok(())
    } else {
        Err(Malformed::Bad)
    }
}

/// The payload that makes a record again and leaves the key's own expiry to the server.
pub fn keeping_ttl(record: &[u8]) -> Vec<u8> {
    let mut payload = record.to_vec();
    if let Some(head) = payload.first_chunk_mut::<HEAD>() {
        let Head { parts, times } = Head::read(head);
        *head = Head { parts: parts | part::KEEPTTL, times }.bytes();
    }
    payload
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::fields::{Field, Fields, Kind};
    use super::super::layout::MAX_CLOCK;
    use super::super::time::{End, MAX_TIMEOUT};
    use super::super::write::Change;
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn times()(
            created in 0..=MAX_CLOCK, accessed in 0..=MAX_CLOCK, idle in prop::option::of(1..=MAX_TIMEOUT),
            end in prop_oneof![
                Just(End::Never), (1..=MAX_TIMEOUT).prop_map(End::Lifetime), (1..=MAX_TIME).prop_map(End::At)
            ],
        ) -> Times {
            Times { created, accessed, idle, end }
        }
    }

    fn bytes(range: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), range)
    }

    /// What a session is made of.
    #[derive(Clone, Debug)]
    struct Parts {
        times: Times,
        version: u64,
        user: Option<Vec<u8>>,
        snapshot: Option<(i64, u64, Vec<u8>)>,
        fields: Fields,
    }

    impl Parts {
        fn session(&self) -> Session<'_> {
            Session {
                times: self.times,
                version: self.version,
                user: self.user.as_deref(),
                snapshot: self.snapshot.as_ref().map(|(grace, request, key)| Snapshot {
                    grace: *grace,
                    request: *request,
                    successor: key,
                }),
                fields: self.fields.view(),
            }
        }

        fn record(&self) -> Vec<u8> {
            Effect::whole(self.session()).encode()
        }
    }

    prop_compose! {
        fn fields(max: usize)(pairs in prop::collection::vec((bytes(0..3), bytes(0..40), any::<bool>()), 0..max)) -> Fields {
            Fields::pack(pairs.iter().map(|(name, value, json)| {
                if *json { Field { name, value: b"[1]", kind: Kind::Json } } else { Field::raw(name, value) }
            }))
        }
    }

    prop_compose! {
        fn parts()(
            times in times(), version in 1..=MAX_VERSION, user in prop::option::of(bytes(1..20)),
            snapshot in prop::option::of((0..=MAX_TIME, any::<u64>(), bytes(0..50))), fields in fields(20),
        ) -> Parts {
            Parts { times, version, user, snapshot, fields }
        }
    }

    fn some_session() -> Parts {
        let fields = [Field::raw(b"name", b"Ann"), Field { name: b"cart", value: b"{\"n\":1}", kind: Kind::Json }];
        let times =
            Times { created: 1_700_000_000_000, accessed: 1_700_000_001_000, idle: Some(60_000), end: End::Never };
        let (user, fields) = (Some(b"alice".to_vec()), Fields::of(&fields));
        Parts { times, version: 3, user, snapshot: None, fields }
    }

    proptest! {
        #[test]
        fn a_session_comes_back_from_its_record(s in parts()) {
            let record = s.record();
            prop_assert_eq!(check_record(&record), Ok(()));
            prop_assert_eq!(Session::of(&record), s.session());
            prop_assert_eq!(Session::user_of(&record), s.user.as_deref());
            let kept = keeping_ttl(&record);
            prop_assert_eq!(check_record(&kept), Err(Malformed::Bad));
            let kept = Effect::decode(&kept).unwrap();
            prop_assert_eq!((kept.keep_ttl, kept.after(Session::default(), None)), (true, s.session()));
        }

        #[test]
        fn other_times_are_written_in_their_place(s in parts(), times in times()) {
            let mut record = s.record();
            Session::set_times(&mut record, times);
            prop_assert_eq!(record, Effect::whole(Session { times, ..s.session() }).encode());
        }

        #[test]
        fn an_effect_does_the_same_here_and_there(
            s in parts(), times in times(), version in 1..=MAX_VERSION, fields in fields(20),
            removed in prop::collection::vec(bytes(0..3), 0..20), user in bytes(1..9), which in 0..3, whole: bool, clear: bool,
            snapshot in prop::option::of((0..=MAX_TIME, any::<u64>(), bytes(0..9))),
        ) {
            let effect = Effect {
                times, version, whole, keep_ttl: !whole, clear: clear && !whole,
                user: match which { 0 => UserChange::Set(&user), 1 if !whole => UserChange::Clear, _ => UserChange::Keep },
                snapshot: snapshot.as_ref().map(|(grace, request, key)| Snapshot {
                    grace: *grace, request: *request, successor: key,
                }),
                removed: if whole || clear { vec![] } else { removed.iter().map(Vec::as_slice).collect() },
                fields: fields.view(),
            };
            let here = Change::of(effect, Some(&s.session()));
            let payload = here.effect.encode();
            prop_assert_eq!(payload.len(), here.effect.encoded_len());
            let there = Effect::decode(&payload).unwrap();
            prop_assert_eq!(&there, &here.effect);
            let there = Change::of(there, Some(&s.session()));
            let after = |change: &Change<'_>| {
                let session = s.session();
                Effect::whole(change.effect.after(session, Some(change.fields_after(session.fields)))).encode()
            };
            prop_assert_eq!(after(&there), after(&here));
            prop_assert_eq!(check_record(&after(&here)), Ok(()));
        }

        #[test]
        fn any_bytes_are_refused_or_are_their_own_encoding(tail in bytes(0..80), parts in 0..1u16 << 10, s in parts(), at: usize) {
            let mut payload = s.record();
            let at = at % payload.len();
            payload.truncate(at.max(2));
            payload[0..2].copy_from_slice(&(parts << 4 | 1).to_le_bytes());
            payload.extend(tail);
            if let Ok(effect) = Effect::decode(&payload) {
                prop_assert_eq!(effect.encode(), payload);
            }
        }
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_refused_or_is_its_own_encoding() {
        let payload = some_session().record();
        for cut in 0..payload.len() {
            assert!(Effect::decode(&payload[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..payload.len() {
            for byte in 0..=255 {
                let mut changed = payload.clone();
                changed[at] = byte;
                if let Ok(effect) = Effect::decode(&changed) {
                    assert_eq!(effect.encode(), changed, "byte {at} = {byte}");
                }
            }
        }
        let mut longer = payload;
        longer.push(0);
        assert_eq!(Effect::decode(&longer), Err(Malformed::Bad));
    }

    #[test]
    fn a_later_format_or_a_part_of_one_is_named() {
        assert_eq!(Effect::decode(&[2, 0]), Err(Malformed::Newer(2)));
        assert_eq!(Effect::decode(&[0]), Err(Malformed::Bad));
        assert_eq!(Effect::decode(&[]), Err(Malformed::Bad));
        assert_eq!(Malformed::Newer(2).to_string(), "session payload of format 2, this module knows 1");
        let mut later = some_session().record();
        later[1] |= 0x40;
        assert_eq!(Effect::decode(&later), Err(Malformed::Unknown(0x400)));
    }

    #[test]
    fn an_empty_user_and_a_version_that_cannot_be_are_refused() {
        let good = Session { version: 1, ..Session::default() };
        assert!(Effect::decode(&Effect::whole(good).encode()).is_ok());
        for bad in [
            Session { user: Some(b""), ..good },
            Session { version: 0, ..good },
            Session { version: MAX_VERSION + 1, ..good },
        ] {
            assert_eq!(Effect::decode(&Effect::whole(bad).encode()), Err(Malformed::Bad));
        }
    }

    /// The bytes of one session of every shape. They stand in people's files: when one of these lines has to change, the
    /// format has changed, and needs a new number.
    #[test]
    fn the_format_is_what_it_was() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let created = 1_700_000_000_000;
        let bare = Times { created, accessed: created + 1, idle: None, end: End::Never };
        let both = Times { idle: Some(1_800_000), end: End::Lifetime(28_800_000), ..bare };
        let at = Times { idle: Some(MAX_TIMEOUT), end: End::At(MAX_TIME), ..bare };
        let fields = Fields::of(&[Field::raw(b"name", b"Ann"), Field { name: b"n", value: b"17", kind: Kind::Json }]);
        let session = Session { times: bare, version: 1, ..Session::default() };
        let snapshot = Some(Snapshot { grace: created + 10_000, request: 0x0102_0304_0506_0708, successor: b"new" });
        let all = Session { times: both, version: 300, user: Some(b"ann"), snapshot, fields: fields.view() };
        let effect = Effect { times: bare, version: 2, ..Effect::default() };
        let removed = vec![&b"a"[..], b""];
        let shapes = [
            ("anonymous, empty, for ever", Effect::whole(session)),
            ("lifetime", Effect::whole(Session { times: both, ..session })),
            ("fixed end", Effect::whole(Session { times: at, version: MAX_VERSION, ..session })),
            ("user", Effect::whole(Session { user: Some(b"ann"), ..session })),
            ("fields", Effect::whole(Session { fields: fields.view(), ..session })),
            ("all", Effect::whole(all)),
            ("touch", Effect::times(both, 2)),
            ("one field, expiry kept", Effect { keep_ttl: true, fields: fields.view(), ..effect.clone() }),
            ("removed", Effect { removed, ..effect.clone() }),
            ("replaced, nobody's", Effect { clear: true, user: UserChange::Clear, ..effect.clone() }),
            ("frozen", Effect { snapshot, ..effect }),
        ];
        let said: Vec<String> =
            shapes.iter().map(|(name, effect)| format!("{name}: {}", hex(&effect.encode()))).collect();
        assert_eq!(said.join("\n"), FORMAT_1.trim());
        for (name, effect) in &shapes {
            assert_eq!(Effect::decode(&effect.encode()).as_ref(), Ok(effect), "{name}");
        }
    }

    const FORMAT_1: &str = "
anonymous, empty, for ever: 01020068e5cf8b118056febc18000000000000000000000001
lifetime: 81020068e5cf8b118056febc1840771b00000074b701000001
fixed end: 01030068e5cf8b118056febc1800b8eb6c49ffdb1fd277e6ffffffffffffffff7f
user: 11020068e5cf8b118056febc1800000000000000000000000103616e6e
fields: 21020068e5cf8b118056febc1800000000000000000000000102046e616d6506416e6e016e053137
all: f1020068e5cf8b118056febc1840771b00000074b7010000ac0203616e6e108fe5cf8b010807060504030201036e657702046e616d6506416e6e016e053137
touch: 81000068e5cf8b118056febc1840771b00000074b701000002
one field, expiry kept: 21040068e5cf8b118056febc1800000000000000000000000202046e616d6506416e6e016e053137
removed: 01100068e5cf8b118056febc1800000000000000000000000202016100
replaced, nobody's: 01280068e5cf8b118056febc18000000000000000000000002
frozen: 41000068e5cf8b118056febc18000000000000000000000002108fe5cf8b010807060504030201036e6577
";
}

//! The effect of a command on one session: what is applied here, sent to replicas and written to files.
//!
//! One encoding serves all three. It holds absolute times and the new version, never a decision to take again:
//!
//! ```text
//! format  1 byte: 1
//! flags   1 byte: what follows, see below
//! created, accessed, idle (0 = none), lifetime (0 = none), end (0 = none), version     integers
//! grace                                                                                an integer, if GRACE
//! user                                                                                 length and bytes, if USER
//! removed                                                                              count, then length and bytes each, if REMOVED
//! fields                                                                               count, then packed entries, if FIELDS
//! ```
//!
//! Integers are LEB128 in their shortest form, and a part is there only where it says something, so that equal effects
//! are equal bytes.

use super::caps;
use super::fields::{Fields, FieldsView};
use super::record::{Meta, Session};
use super::time::{End, Millis, Times, MAX_TIME, MAX_TIMEOUT};
use super::wire::{bytes_len, int_len, put_bytes, put_int, Reader};
use std::fmt;

/// The number of the encoding.
pub const FORMAT: u8 = 1;

/// The session becomes what follows, whatever it was.
const WHOLE: u8 = 0x01;
/// A user follows.
const USER: u8 = 0x02;
/// The session becomes nobody's.
const NOUSER: u8 = 0x04;
/// Names of removed fields follow.
const REMOVED: u8 = 0x08;
/// Fields follow.
const FIELDS: u8 = 0x10;
/// The time follows at which a snapshot goes.
const GRACE: u8 = 0x20;
/// The key's own expiry stays as it is.
const KEEPTTL: u8 = 0x40;
/// All fields go before those that follow are set.
const CLEAR: u8 = 0x80;

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
    /// The metadata afterwards.
    pub meta: Meta,
    /// Whether the session becomes what is given here, whatever it was; else what is given is changed.
    pub whole: bool,
    /// Whether the key's own expiry stays as it is; else it becomes the deadline.
    pub keep_ttl: bool,
    /// Whether all fields go before those given here are set.
    pub clear: bool,
    /// What happens to the user.
    pub user: UserChange<'a>,
    /// Fields that go.
    pub removed: Vec<&'a [u8]>,
    /// Fields that are set.
    pub fields: FieldsView<'a>,
}

/// Why a payload was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// Of a later version of this module.
    Newer(u8),
    /// Not a payload, or one past the caps.
    Bad,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Newer(format) => write!(f, "session payload of format {format}, this module knows {FORMAT}"),
            Malformed::Bad => f.write_str("malformed session payload"),
        }
    }
}

impl<'a> Effect<'a> {
    /// A session as it is, whole.
    pub fn snapshot(session: Session<'a>) -> Self {
        Effect {
            meta: session.meta,
            whole: true,
            keep_ttl: false,
            clear: false,
            user: session.user.map_or(UserChange::Keep, UserChange::Set),
            removed: Vec::new(),
            fields: session.fields,
        }
    }

    /// A change of metadata alone.
    pub fn times(meta: Meta) -> Self {
        Effect { meta, ..Effect::default() }
    }

    /// Whether it changes metadata and nothing else.
    pub fn only_meta(&self) -> bool {
        let same_data = self.fields.is_empty() && self.removed.is_empty() && !self.clear && !self.whole;
        same_data && self.user == UserChange::Keep
    }

    /// Encodes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.encode_to(&mut out);
        out
    }

    /// Appends its encoding.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.push(self.flags());
        for int in self.meta_ints() {
            put_int(out, int);
        }
        if let Some(grace) = self.meta.grace {
            put_int(out, grace.unsigned_abs());
        }
        if let UserChange::Set(user) = self.user {
            put_bytes(out, user);
        }
        if !self.removed.is_empty() {
            put_int(out, self.removed.len() as u64);
            for name in &self.removed {
                put_bytes(out, name);
            }
        }
        if !self.fields.is_empty() {
            put_int(out, self.fields.len() as u64);
            out.extend_from_slice(self.fields.packed());
        }
    }

    /// How many bytes its encoding takes.
    pub fn encoded_len(&self) -> usize {
        let user = if let UserChange::Set(user) = self.user { bytes_len(user) } else { 0 };
        let counted = |n: usize| if n > 0 { int_len(n as u64) } else { 0 };
        let grace = self.meta.grace.map_or(0, |grace| int_len(grace.unsigned_abs()));
        let mut len = [HEAD, user, grace, counted(self.removed.len()), counted(self.fields.len())]
            .into_iter()
            .fold(self.fields.packed().len(), usize::saturating_add);
        for int in self.meta_ints() {
            len = len.saturating_add(int_len(int));
        }
        for name in &self.removed {
            len = len.saturating_add(bytes_len(name));
        }
        len
    }

    fn flags(&self) -> u8 {
        let user = match self.user {
            UserChange::Keep => 0,
            UserChange::Set(_) => USER,
            UserChange::Clear => NOUSER,
        };
        let bit = |on: bool, flag: u8| if on { flag } else { 0 };
        user | bit(self.whole, WHOLE)
            | bit(!self.removed.is_empty(), REMOVED)
            | bit(!self.fields.is_empty(), FIELDS)
            | bit(self.meta.grace.is_some(), GRACE)
            | bit(self.keep_ttl, KEEPTTL)
            | bit(self.clear, CLEAR)
    }

    /// The integers of the metadata but the grace.
    fn meta_ints(&self) -> [u64; 6] {
        let times = &self.meta.times;
        let (lifetime, end) = match times.end {
            End::Never => (0, 0),
            End::Lifetime(span) => (span, 0),
            End::At(time) => (0, time),
        };
        let [created, accessed, idle] = [times.created, times.accessed, times.idle.unwrap_or(0)];
        let unsigned = Millis::unsigned_abs;
        [unsigned(created), unsigned(accessed), unsigned(idle), unsigned(lifetime), unsigned(end), self.meta.version]
    }

    /// Decodes it: anything that [`Effect::encode`] would not have written, or that passes the hard caps, is refused
    /// before memory is taken for it.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Malformed> {
        match payload.first() {
            Some(&FORMAT) => Self::read(payload).ok_or(Malformed::Bad),
            Some(&format) if format > FORMAT => Err(Malformed::Newer(format)),
            _ => Err(Malformed::Bad),
        }
    }

    fn read(payload: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(payload);
        r.byte()?;
        let flags = r.byte()?;
        let has = |flag: u8| flags & flag != 0;
        let contradicts = (has(USER) && has(NOUSER))
            || (has(WHOLE) && (has(NOUSER) || has(CLEAR)))
            || (has(REMOVED) && (has(WHOLE) || has(CLEAR)));
        if contradicts {
            return None;
        }
        let meta = read_meta(&mut r, has(GRACE))?;
        let user = match (has(USER), has(NOUSER)) {
            (true, _) => UserChange::Set(r.bytes().filter(|user| user.len() <= caps::USER)?),
            (_, true) => UserChange::Clear,
            _ => UserChange::Keep,
        };
        let removed = if has(REMOVED) { read_names(&mut r)? } else { Vec::new() };
        let fields = if has(FIELDS) {
            let count = r.int().filter(|n| *n > 0)?;
            FieldsView::decode(count, r.rest())?
        } else if r.rest().is_empty() {
            FieldsView::default()
        } else {
            return None;
        };
        Some(Effect { meta, whole: has(WHOLE), keep_ttl: has(KEEPTTL), clear: has(CLEAR), user, removed, fields })
    }

    /// The session afterwards. `fields` are what [`Effect::merged`] gave.
    pub fn after<'s>(&self, before: Session<'s>, fields: Option<&'s Fields>) -> Session<'s>
    where
        'a: 's,
    {
        let before = if self.whole { Session { fields: self.fields, ..Session::default() } } else { before };
        Session {
            meta: self.meta,
            user: self.user.after(before.user),
            fields: fields.map_or(before.fields, Fields::view),
        }
    }

    /// Whether what it makes of a session that has these fields now stays within the hard caps. What does not could not be
    /// read back from a file.
    pub fn within_caps(&self, after: Option<&Fields>) -> bool {
        let after = after.map_or(self.fields, Fields::view);
        after.len() <= caps::FIELDS && (after.packed().len() <= caps::BYTES || after.size() <= caps::BYTES)
    }

    /// The fields of a session after this effect, where it changes them.
    pub fn merged(&self, before: FieldsView<'_>) -> Option<Fields> {
        if self.whole || self.clear {
            Some(self.fields.to_owned())
        } else if self.removed.is_empty() && self.fields.is_empty() {
            None
        } else {
            Some(before.merge(&self.removed, self.fields))
        }
    }
}

fn read_meta(r: &mut Reader<'_>, grace: bool) -> Option<Meta> {
    let mut time = |most| read_time(r, most);
    let (created, accessed) = (time(MAX_TIME)?, time(MAX_TIME)?);
    let idle = time(MAX_TIMEOUT)?;
    let end = match (time(MAX_TIMEOUT)?, time(MAX_TIME)?) {
        (0, 0) => End::Never,
        (span, 0) => End::Lifetime(span),
        (0, time) => End::At(time),
        _ => return None,
    };
    let version = r.int()?;
    let grace = if grace { Some(read_time(r, MAX_TIME)?) } else { None };
    Some(Meta { times: Times { created, accessed, idle: (idle > 0).then_some(idle), end }, version, grace })
}

/// Passes over what [`read_meta`] reads.
fn skip_meta(r: &mut Reader<'_>, flags: u8) -> Option<()> {
    let times = if flags & GRACE != 0 { 7 } else { 6 };
    (0..times).try_for_each(|_| r.skip_int())
}

fn read_time(r: &mut Reader<'_>, most: Millis) -> Option<Millis> {
    r.int().and_then(|time| Millis::try_from(time).ok()).filter(|time| *time <= most)
}

fn read_names<'a>(r: &mut Reader<'a>) -> Option<Vec<&'a [u8]>> {
    let count = r.int().and_then(|n| usize::try_from(n).ok())?;
    // A name takes a byte at least.
    if count == 0 || count > caps::FIELDS || count > r.rest().len() {
        return None;
    }
    (0..count).map(|_| r.bytes()).collect()
}

impl Meta {
    /// Reads the metadata of a record, which was checked when it was stored.
    pub fn of(record: &[u8]) -> Self {
        let (flags, rest) = (record.get(1), record.get(HEAD..));
        let grace = flags.is_some_and(|flags| flags & GRACE != 0);
        rest.and_then(|rest| read_meta(&mut Reader::new(rest), grace)).unwrap_or_default()
    }
}

impl<'s> Session<'s> {
    /// Reads a record, which was checked when it was stored.
    pub fn of(record: &'s [u8]) -> Self {
        Self::read(record).unwrap_or_default()
    }

    /// The user alone.
    pub fn user_of(record: &'s [u8]) -> Option<&'s [u8]> {
        let flags = record.get(1).filter(|flags| *flags & USER != 0)?;
        let mut r = Reader::new(record.get(HEAD..)?);
        skip_meta(&mut r, *flags)?;
        r.bytes()
    }

    fn read(record: &'s [u8]) -> Option<Self> {
        let mut r = Reader::new(record);
        r.byte()?;
        let flags = r.byte()?;
        let meta = read_meta(&mut r, flags & GRACE != 0)?;
        let user = if flags & USER != 0 { Some(r.bytes()?) } else { None };
        let fields = if flags & FIELDS != 0 {
            let count = r.int()?;
            FieldsView::trusted(count, r.rest())
        } else {
            FieldsView::default()
        };
        Some(Session { meta, user, fields })
    }

    /// The record of this session.
    #[cfg(test)]
    pub fn record(self) -> Vec<u8> {
        Effect::snapshot(self).encode()
    }
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
    if let Some(flags) = payload.get_mut(1) {
        *flags |= KEEPTTL;
    }
    payload
}

/// Writes the metadata of an effect's payload, which holds nothing else, over that of a record, where it takes as many
/// bytes, as it nearly always does. Whether it did.
pub fn patch(record: &mut [u8], payload: &[u8]) -> bool {
    let (Some(old), Some(new)) = (meta_bytes(record), payload.get(HEAD..)) else { return false };
    let graced = |bytes: &[u8]| bytes.get(1).is_some_and(|flags| flags & GRACE != 0);
    if old.len() != new.len() || graced(record) != graced(payload) {
        return false;
    }
    match record.get_mut(HEAD..).and_then(|rest| rest.get_mut(..new.len())) {
        Some(place) => {
            place.copy_from_slice(new);
            true
        }
        None => false,
    }
}

/// Bytes before the metadata.
const HEAD: usize = 2;

/// The part of a payload that is its metadata.
fn meta_bytes(payload: &[u8]) -> Option<&[u8]> {
    let (flags, rest) = (payload.get(1)?, payload.get(HEAD..)?);
    let mut r = Reader::new(rest);
    skip_meta(&mut r, *flags)?;
    rest.get(..rest.len().checked_sub(r.rest().len())?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::fields::{Field, Kind};
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn meta()(
            created in 0..MAX_TIME, accessed in 0..MAX_TIME, idle in prop::option::of(1..=MAX_TIMEOUT),
            end in prop_oneof![
                Just(End::Never), (1..=MAX_TIMEOUT).prop_map(End::Lifetime), (1..=MAX_TIME).prop_map(End::At)
            ],
            version in any::<u64>(), grace in prop::option::of(0..MAX_TIME),
        ) -> Meta {
            Meta { times: Times { created, accessed, idle, end }, version, grace }
        }
    }

    fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..max)
    }

    /// What a session is made of.
    #[derive(Clone, Debug)]
    struct Parts {
        meta: Meta,
        user: Option<Vec<u8>>,
        fields: Fields,
    }

    impl Parts {
        fn session(&self) -> Session<'_> {
            Session { meta: self.meta, user: self.user.as_deref(), fields: self.fields.view() }
        }
    }

    prop_compose! {
        fn parts()(
            meta in meta(), user in prop::option::of(bytes(20)),
            fields in prop::collection::vec((bytes(6), bytes(40)), 0..20),
        ) -> Parts {
            let fields: Vec<Field> = fields.iter().map(|(n, v)| Field::raw(n, v)).collect();
            Parts { meta, user, fields: Fields::of(&fields) }
        }
    }

    fn json_session() -> Parts {
        let fields = [Field::raw(b"name", b"Ann"), Field { name: b"cart", value: b"{\"n\":1}", kind: Kind::Json }];
        let times =
            Times { created: 1_700_000_000_000, accessed: 1_700_000_001_000, idle: Some(60_000), end: End::Never };
        Parts {
            meta: Meta { times, version: 3, grace: None },
            user: Some(b"alice".to_vec()),
            fields: Fields::of(&fields),
        }
    }

    proptest! {
        #[test]
        fn a_session_comes_back_from_its_record(s in parts()) {
            let record = s.session().record();
            prop_assert_eq!(check_record(&record), Ok(()));
            prop_assert_eq!(Session::of(&record), s.session());
            prop_assert_eq!((Session::user_of(&record), Meta::of(&record)), (s.user.as_deref(), s.meta));
            let kept = keeping_ttl(&record);
            prop_assert_eq!(check_record(&kept), Err(Malformed::Bad));
            let kept = Effect::decode(&kept).unwrap();
            prop_assert_eq!((kept.keep_ttl, kept.after(Session::default(), None)), (true, s.session()));
        }

        #[test]
        fn a_patched_record_is_the_record_of_the_changed_session(s in parts(), meta in meta(), near in any::<bool>()) {
            // Mostly near the old one, as a touch is.
            let mut times = s.meta.times;
            times.accessed = (times.accessed + 1).min(MAX_TIME);
            let meta = if near { Meta { times, ..s.meta } } else { meta };
            let mut record = s.session().record();
            let before = record.clone();
            if patch(&mut record, &Effect::times(meta).encode()) {
                prop_assert_eq!(record, Session { meta, ..s.session() }.record());
            } else {
                prop_assert_eq!(record, before);
            }
        }

        #[test]
        fn an_effect_does_the_same_here_and_there(
            s in parts(), meta in meta(), fields in prop::collection::vec((bytes(2), bytes(9)), 0..20),
            removed in prop::collection::vec(bytes(2), 0..20), user in bytes(9), which in 0..3, whole: bool, clear: bool,
        ) {
            let fields: Vec<Field> = fields.iter().map(|(n, v)| Field::raw(n, v)).collect();
            let fields = Fields::of(&fields);
            let effect = Effect {
                meta, whole, keep_ttl: !whole, clear: clear && !whole,
                user: match which { 0 => UserChange::Set(&user), 1 if !whole => UserChange::Clear, _ => UserChange::Keep },
                removed: if whole || clear { vec![] } else { removed.iter().map(Vec::as_slice).collect() },
                fields: fields.view(),
            };
            let payload = effect.encode();
            prop_assert_eq!(payload.len(), effect.encoded_len());
            let there = Effect::decode(&payload).unwrap();
            prop_assert_eq!(&there, &effect);
            let merged = effect.merged(s.fields.view());
            let here = effect.after(s.session(), merged.as_ref());
            prop_assert_eq!(here.meta, meta);
            let merged = there.merged(s.fields.view());
            prop_assert_eq!(there.after(s.session(), merged.as_ref()), here);
        }

        #[test]
        fn any_bytes_are_refused_or_are_their_own_encoding(tail in bytes(80), flags: u8) {
            let mut payload = vec![FORMAT, flags];
            payload.extend(tail);
            if let Ok(effect) = Effect::decode(&payload) {
                prop_assert_eq!(effect.encode(), payload);
            }
        }
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_refused_or_is_its_own_encoding() {
        let payload = json_session().session().record();
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
    fn a_later_format_is_named() {
        assert_eq!(Effect::decode(&[2, 0]), Err(Malformed::Newer(2)));
        assert_eq!(Effect::decode(&[0]), Err(Malformed::Bad));
        assert_eq!(Effect::decode(&[]), Err(Malformed::Bad));
        assert_eq!(Malformed::Newer(2).to_string(), "session payload of format 2, this module knows 1");
    }
}

//! Configuration: what an operator sets, by `CONFIG SET session.X`, in redis.conf, or as arguments of `loadmodule`.
//!
//! These settings bind commands of clients. Files and replication know only the hard caps.

use crate::session::id::IdFormat;
use crate::session::time::MAX_TIMEOUT;
use crate::session::write::Rules;
use crate::session::{caps, End, Millis};
use redis_module::configuration::{ConfigurationContext, ConfigurationValue, EnumConfigurationValue};
use redis_module::RedisError;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering::Relaxed};

/// What a setting holds until the server has set it for the first time.
const UNSET: i64 = i64::MIN;

/// An integer with a range.
pub struct Setting {
    name: &'static str,
    value: AtomicI64,
    /// What it is until it is set.
    pub default: i64,
    /// The least that it may be.
    pub min: i64,
    /// The most that it may be.
    pub max: i64,
}

impl Setting {
    const fn new(name: &'static str, default: i64, min: i64, max: i64) -> Self {
        Setting { name, value: AtomicI64::new(UNSET), default, min, max }
    }

    fn get(&self) -> i64 {
        self.value.load(Relaxed)
    }

    fn is_set(&self) -> bool {
        self.get() != UNSET
    }

    fn check(&self, value: i64) -> Result<(), String> {
        if (self.min..=self.max).contains(&value) {
            Ok(())
        } else {
            Err(format!("argument must be between {} and {} inclusive", self.min, self.max))
        }
    }
}

impl ConfigurationValue<i64> for Setting {
    fn get(&self, _: &ConfigurationContext) -> i64 {
        Setting::get(self)
    }

    fn set(&self, _: &ConfigurationContext, value: i64) -> Result<(), RedisError> {
        self.check(value).map_err(RedisError::String)?;
        self.value.store(value, Relaxed);
        Ok(())
    }
}

/// `session.default-timeout`: the idle timeout of a new session, in seconds; 0 for none.
pub static DEFAULT_TIMEOUT: Setting = Setting::new("default-timeout", 1800, 0, MAX_TIMEOUT / 1000);
/// `session.default-lifetime`: the lifetime of a new session, in seconds; 0 for none.
pub static DEFAULT_LIFETIME: Setting = Setting::new("default-lifetime", 0, 0, MAX_TIMEOUT / 1000);
/// `session.touch-interval-ms`: a session touched less than this long ago is left as it is.
pub static TOUCH_INTERVAL: Setting = Setting::new("touch-interval-ms", 0, 0, MAX_TIMEOUT);
/// `session.max-fields`: the most fields that a write may leave in a session.
pub static MAX_FIELDS: Setting = Setting::new("max-fields", 1024, 1, caps::FIELDS as i64);
/// `session.max-bytes`: the most bytes of names and values that a write may leave in a session.
pub static MAX_BYTES: Setting = Setting::new("max-bytes", 1024 * 1024, 1, caps::BYTES as i64);

/// All of them.
static NUMBERS: [&Setting; 5] = [&DEFAULT_TIMEOUT, &DEFAULT_LIFETIME, &TOUCH_INTERVAL, &MAX_FIELDS, &MAX_BYTES];

/// `session.id-format`.
pub static ID_FORMAT: IdSetting = IdSetting(AtomicI32::new(IdChoice::UNSET.0));
const ID_FORMAT_NAME: &str = "id-format";

/// The setting behind [`ID_FORMAT`].
pub struct IdSetting(AtomicI32);

/// A choice of an id format as the server knows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdChoice(i32);

impl IdChoice {
    const UNSET: Self = IdChoice(-1);
    /// `uuid`, the default.
    pub const UUID: Self = IdChoice(0);
    const TOKEN: Self = IdChoice(1);
}

impl ConfigurationValue<IdChoice> for IdSetting {
    fn get(&self, _: &ConfigurationContext) -> IdChoice {
        IdChoice(self.0.load(Relaxed))
    }

    fn set(&self, _: &ConfigurationContext, value: IdChoice) -> Result<(), RedisError> {
        self.0.store(value.0, Relaxed);
        Ok(())
    }
}

impl TryFrom<i32> for IdChoice {
    type Error = RedisError;

    fn try_from(value: i32) -> Result<Self, RedisError> {
        [IdChoice::UUID, IdChoice::TOKEN]
            .into_iter()
            .find(|choice| choice.0 == value)
            .ok_or(RedisError::Str("argument must be uuid or token"))
    }
}

impl From<IdChoice> for i32 {
    fn from(value: IdChoice) -> i32 {
        value.0
    }
}

impl EnumConfigurationValue for IdChoice {
    fn get_options(&self) -> (Vec<String>, Vec<i32>) {
        (vec!["uuid".into(), "token".into()], vec![IdChoice::UUID.0, IdChoice::TOKEN.0])
    }
}

/// How a new id is written.
pub fn id_format() -> IdFormat {
    if ID_FORMAT.0.load(Relaxed) == IdChoice::TOKEN.0 {
        IdFormat::Token
    } else {
        IdFormat::Uuid
    }
}

/// The rules for a write of a client.
pub fn rules() -> Rules {
    let lifetime = DEFAULT_LIFETIME.get().saturating_mul(1000);
    let idle = DEFAULT_TIMEOUT.get().saturating_mul(1000);
    Rules {
        idle: (idle > 0).then_some(idle),
        end: if lifetime > 0 { End::Lifetime(lifetime) } else { End::Never },
        max_fields: usize::try_from(MAX_FIELDS.get()).unwrap_or(caps::FIELDS),
        max_bytes: usize::try_from(MAX_BYTES.get()).unwrap_or(caps::BYTES),
    }
}

/// How long after a touch another one is absorbed.
pub fn touch_interval() -> Millis {
    TOUCH_INTERVAL.get()
}

/// Checks the arguments of `loadmodule`: pairs of a setting's name and its value, each name once. (They become the
/// settings' defaults, which the server does not check.)
pub fn check_args(args: &[String]) -> Result<(), String> {
    let mut seen = Vec::new();
    for pair in args.chunks(2) {
        let [name, value] = pair else { return Err(format!("argument {pair:?} has no value")) };
        if seen.contains(&name) {
            return Err(format!("argument {name:?} is given twice"));
        }
        seen.push(name);
        check_arg(name, value).map_err(|why| format!("{name} {value}: {why}"))?;
    }
    Ok(())
}

fn check_arg(name: &str, value: &str) -> Result<(), String> {
    if name == ID_FORMAT_NAME {
        let names = IdChoice::UUID.get_options().0;
        return if names.iter().any(|n| n == value) { Ok(()) } else { Err("argument must be uuid or token".into()) };
    }
    match NUMBERS.iter().find(|setting| setting.name == name) {
        Some(setting) => setting.check(value.parse().map_err(|_| "argument is not an integer")?),
        None => {
            let names: Vec<_> = NUMBERS.iter().map(|setting| setting.name).chain([ID_FORMAT_NAME]).collect();
            Err(format!("no such setting; the arguments are {}, each with a value", names.join(", ")))
        }
    }
}

/// Checks that the server has set every setting, if only to its default. It stops at the first value that it refuses, and
/// the crate does not tell; a module that loads all the same is then unloaded, which crashes some servers.
pub fn check_all_set() -> Result<(), String> {
    if NUMBERS.iter().all(|setting| setting.is_set()) && ID_FORMAT.0.load(Relaxed) != IdChoice::UNSET.0 {
        Ok(())
    } else {
        Err("a value of a session.* setting is refused, the line before says which".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_pairs_of_known_names() {
        let check = |args: &[&str]| check_args(&args.iter().map(|a| a.to_string()).collect::<Vec<_>>());
        assert!(check(&[]).is_ok());
        assert!(check(&["default-timeout", "60", "id-format", "token"]).is_ok());
        assert!(check(&["default-timeout"]).unwrap_err().contains("no value"));
        assert!(check(&["timeout", "60"]).unwrap_err().contains("default-timeout, default-lifetime"));
        assert!(check(&["default-timeout", "-1"]).unwrap_err().contains("between 0 and 315360000"));
        assert!(check(&["max-fields", "many"]).unwrap_err().contains("max-fields many: argument is not an integer"));
        assert!(check(&["id-format", "guid"]).unwrap_err().contains("uuid or token"));
        assert!(check(&["max-fields", "1", "max-fields", "2"]).unwrap_err().contains("twice"));
    }
}

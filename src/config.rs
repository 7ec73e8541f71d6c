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
        Setting { name, value: AtomicI64::new(default), default, min, max }
    }

    fn get(&self) -> i64 {
        self.value.load(Relaxed)
    }
}

impl ConfigurationValue<i64> for Setting {
    fn get(&self, _: &ConfigurationContext) -> i64 {
        Setting::get(self)
    }

    /// The server checks the range of what it is told by CONFIG SET, but not that of a default, which is what an argument
    /// of `loadmodule` becomes.
    fn set(&self, _: &ConfigurationContext, value: i64) -> Result<(), RedisError> {
        if !(self.min..=self.max).contains(&value) {
            return Err(RedisError::String(format!(
                "argument must be between {} and {} inclusive",
                self.min, self.max
            )));
        }
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

/// `session.id-format`.
pub static ID_FORMAT: IdSetting = IdSetting(AtomicI32::new(0));
const ID_FORMAT_NAME: &str = "id-format";

/// The setting behind [`ID_FORMAT`].
pub struct IdSetting(AtomicI32);

impl ConfigurationValue<IdFormat> for IdSetting {
    fn get(&self, _: &ConfigurationContext) -> IdFormat {
        id_format()
    }

    fn set(&self, _: &ConfigurationContext, value: IdFormat) -> Result<(), RedisError> {
        self.0.store(value.into(), Relaxed);
        Ok(())
    }
}

impl TryFrom<i32> for IdFormat {
    type Error = RedisError;

    fn try_from(value: i32) -> Result<Self, RedisError> {
        match value {
            0 => Ok(IdFormat::Uuid),
            1 => Ok(IdFormat::Token),
            _ => Err(RedisError::Str("argument must be uuid or token")),
        }
    }
}

impl From<IdFormat> for i32 {
    fn from(value: IdFormat) -> i32 {
        match value {
            IdFormat::Uuid => 0,
            IdFormat::Token => 1,
        }
    }
}

impl EnumConfigurationValue for IdFormat {
    fn get_options(&self) -> (Vec<String>, Vec<i32>) {
        (vec!["uuid".into(), "token".into()], vec![0, 1])
    }
}

/// How a new id is written.
pub fn id_format() -> IdFormat {
    IdFormat::try_from(ID_FORMAT.0.load(Relaxed)).unwrap_or(IdFormat::Uuid)
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

/// Checks the arguments of `loadmodule`: pairs of a setting's name and its value, each name once. (The values themselves
/// become the settings' defaults, and are checked as such.)
pub fn check_args(args: &[String]) -> Result<(), String> {
    let numbers = [&DEFAULT_TIMEOUT, &DEFAULT_LIFETIME, &TOUCH_INTERVAL, &MAX_FIELDS, &MAX_BYTES];
    let mut seen = Vec::new();
    for pair in args.chunks(2) {
        let [name, _] = pair else { return Err(format!("argument {pair:?} has no value")) };
        if name != ID_FORMAT_NAME && !numbers.iter().any(|setting| setting.name == name) {
            let names: Vec<_> = numbers.iter().map(|setting| setting.name).chain([ID_FORMAT_NAME]).collect();
            return Err(format!("no setting {name:?}; the arguments are {}, each with a value", names.join(", ")));
        }
        if seen.contains(&name) {
            return Err(format!("argument {name:?} is given twice"));
        }
        seen.push(name);
    }
    Ok(())
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
        assert!(check(&["max-fields", "1", "max-fields", "2"]).unwrap_err().contains("twice"));
    }
}

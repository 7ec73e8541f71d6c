//! Configuration: what an operator sets, by `CONFIG SET session.X`, in redis.conf, or as arguments of `loadmodule`.
//!
//! These settings bind commands of clients. Files and replication know only the hard caps.

use crate::session::id::IdFormat;
use crate::session::time::MAX_TIMEOUT;
use crate::session::write::Rules;
use crate::session::{caps, End, Millis};
use redis_module::configuration::{
    register_enum_configuration, register_i64_configuration, ConfigurationContext, ConfigurationFlags,
    ConfigurationValue, EnumConfigurationValue,
};
use redis_module::{Context, RedisError};
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering::Relaxed};

/// An integer with a range.
struct Setting {
    name: &'static str,
    value: AtomicI64,
    /// What it is until it is set.
    default: i64,
    min: i64,
    max: i64,
}

impl Setting {
    const fn new(name: &'static str, default: i64, min: i64, max: i64) -> Self {
        Setting { name, value: AtomicI64::new(default), default, min, max }
    }

    fn get(&self) -> i64 {
        self.value.load(Relaxed)
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
static DEFAULT_TIMEOUT: Setting = Setting::new("default-timeout", 1800, 0, MAX_TIMEOUT / 1000);
/// `session.default-lifetime`: the lifetime of a new session, in seconds; 0 for none.
static DEFAULT_LIFETIME: Setting = Setting::new("default-lifetime", 0, 0, MAX_TIMEOUT / 1000);
/// `session.touch-interval-ms`: a session touched less than this long ago is left as it is.
static TOUCH_INTERVAL: Setting = Setting::new("touch-interval-ms", 0, 0, MAX_TIMEOUT);
/// `session.max-fields`: the most fields that a write may leave in a session.
static MAX_FIELDS: Setting = Setting::new("max-fields", 1024, 1, caps::FIELDS as i64);
/// `session.max-bytes`: the most bytes of names and values that a write may leave in a session.
static MAX_BYTES: Setting = Setting::new("max-bytes", 1024 * 1024, 1, caps::BYTES as i64);

/// All of them.
static NUMBERS: [&Setting; 5] = [&DEFAULT_TIMEOUT, &DEFAULT_LIFETIME, &TOUCH_INTERVAL, &MAX_FIELDS, &MAX_BYTES];

/// `session.id-format`.
static ID_FORMAT: IdSetting = IdSetting(AtomicI32::new(IdChoice::UUID.0));
const ID_FORMAT_NAME: &str = "id-format";

/// The setting behind [`ID_FORMAT`].
struct IdSetting(AtomicI32);

/// A choice of an id format as the server knows it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct IdChoice(i32);

impl IdChoice {
    const UUID: Self = IdChoice(0);
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
/// settings' defaults, which the server does not check.) Nothing is registered yet, so that a refusal leaves no trace.
pub fn check_args(args: &[String]) -> Result<Defaults, String> {
    let mut given: Vec<Given> = Vec::new();
    for pair in args.chunks(2) {
        let [name, value] = pair else { return Err(format!("{}: an argument without a value", pair.concat())) };
        let arg = check_arg(name, value).map_err(|why| format!("{name} {value}: {why}"))?;
        if given.iter().any(|before| before.name == arg.name) {
            return Err(format!("{name} {value}: given twice"));
        }
        given.push(arg);
    }
    Ok(Defaults(given))
}

/// What the arguments of `loadmodule` say, checked.
pub struct Defaults(Vec<Given>);

/// An argument: a setting, and its value as the server keeps it.
struct Given {
    name: &'static str,
    value: i64,
}

fn check_arg(name: &str, value: &str) -> Result<Given, String> {
    if name == ID_FORMAT_NAME {
        let (names, values) = IdChoice::UUID.get_options();
        let value = names.iter().zip(values).find(|(name, _)| *name == value).map(|(_, choice)| choice.into());
        return value.map(|value| Given { name: ID_FORMAT_NAME, value }).ok_or("neither uuid nor token".into());
    }
    let Some(setting) = NUMBERS.iter().find(|setting| setting.name == name) else {
        let names: Vec<_> = NUMBERS.iter().map(|setting| setting.name).chain([ID_FORMAT_NAME]).collect();
        return Err(format!("no such argument; they are {}, each with a value", names.join(", ")));
    };
    let value = value.parse().map_err(|_| "not an integer")?;
    setting.check(value)?;
    Ok(Given { name: setting.name, value })
}

impl Defaults {
    fn of(&self, name: &str, otherwise: i64) -> i64 {
        self.0.iter().find(|given| given.name == name).map_or(otherwise, |given| given.value)
    }

    /// Tells the server of every setting. It sets them when it is told to load the configuration.
    pub fn register(&self, ctx: &Context) {
        let flags = || ConfigurationFlags::DEFAULT;
        for setting in NUMBERS {
            let default = self.of(setting.name, setting.default);
            register_i64_configuration(ctx, setting.name, setting, default, setting.min, setting.max, flags(), None);
        }
        let default = i32::try_from(self.of(ID_FORMAT_NAME, 0)).map_or(IdChoice::UUID, IdChoice);
        register_enum_configuration(ctx, ID_FORMAT_NAME, &ID_FORMAT, default, flags(), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_pairs_of_known_names() {
        let check = |args: &[&str]| check_args(&args.iter().map(|a| a.to_string()).collect::<Vec<_>>()).map(|_| ());
        assert!(check(&[]).is_ok());
        assert!(check(&["default-timeout", "60", "id-format", "token"]).is_ok());
        assert!(check(&["default-timeout"]).unwrap_err().contains("default-timeout: an argument without a value"));
        assert!(check(&["timeout", "60"]).unwrap_err().contains("default-timeout, default-lifetime"));
        assert!(check(&["default-timeout", "-1"]).unwrap_err().contains("between 0 and 315360000"));
        assert!(check(&["max-fields", "many"]).unwrap_err().contains("max-fields many: not an integer"));
        assert!(check(&["id-format", "guid"]).unwrap_err().contains("neither uuid nor token"));
        assert!(check(&["max-fields", "1", "max-fields", "2"]).unwrap_err().contains("twice"));
    }
}

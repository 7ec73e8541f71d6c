//! Telling the server of a command: its flags, keys, arguments and documentation.

use super::api::api;
use super::call::Entry;
use redis_module::commands::{
    get_redis_command_args, get_redis_key_spec, BeginSearch, CommandArgFlags, FindKeys, KeySpec, KeySpecFlags,
    RedisModuleCommandArg,
};
use redis_module::raw::{self, RedisModuleCtx};
use std::ffi::{c_int, CStr, CString};

/// The category of all our commands.
const CATEGORY: &str = "session";

/// A command as the server is told of it.
pub struct Spec {
    /// Its name, in lower case as the server's own are.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// In terms of what it is given and finds.
    pub complexity: &'static str,
    /// The version of this module that had it first.
    pub since: &'static str,
    /// How many arguments, the name included; at least so many if negative.
    pub arity: c_int,
    /// The server's flags.
    pub flags: &'static str,
    /// ACL categories beside `@session`.
    pub categories: &'static str,
    /// Hints for clients.
    pub tips: &'static str,
    /// Which arguments are keys.
    pub keys: &'static [KeyRange],
    /// What it takes.
    pub args: &'static [Arg],
    /// What the server calls.
    pub entry: Entry,
}

/// Keys among the arguments: from `first` to `last`, which counts from `first`, or from the end if negative.
pub struct KeyRange {
    /// The first argument that is a key.
    pub first: i32,
    /// The last.
    pub last: i32,
    /// What the command does with them.
    pub usage: KeyUse,
}

/// What a command does with a key, in the server's terms.
#[derive(Clone, Copy)]
pub enum KeyUse {
    /// `RO ACCESS`
    Read,
    /// `RW UPDATE`
    Update,
    /// `RW ACCESS UPDATE`
    ReadUpdate,
    /// `RM DELETE`
    Remove,
    /// `RW ACCESS DELETE`
    ReadRemove,
    /// `OW INSERT`
    Insert,
}

impl KeyUse {
    fn flags(self) -> KeySpecFlags {
        use KeySpecFlags as F;
        match self {
            KeyUse::Read => F::READ_ONLY | F::ACCESS,
            KeyUse::Update => F::READ_WRITE | F::UPDATE,
            KeyUse::ReadUpdate => F::READ_WRITE | F::ACCESS | F::UPDATE,
            KeyUse::Remove => F::REMOVE | F::DELETE,
            KeyUse::ReadRemove => F::READ_WRITE | F::ACCESS | F::DELETE,
            KeyUse::Insert => F::OVERWRITE | F::INSERT,
        }
    }
}

/// What an argument is.
#[derive(Clone, Copy)]
pub enum ArgKind {
    /// A key, of this range.
    Key(u32),
    /// Any bytes.
    String,
    /// An integer.
    Integer,
    /// A point in time.
    UnixTime,
    /// A word.
    Token,
    /// One of its parts.
    OneOf,
    /// All of its parts.
    Block,
}

impl ArgKind {
    fn raw(self) -> u32 {
        match self {
            ArgKind::Key(_) => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY,
            ArgKind::String => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING,
            ArgKind::Integer => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER,
            ArgKind::UnixTime => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_UNIX_TIME,
            ArgKind::Token => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN,
            ArgKind::OneOf => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF,
            ArgKind::Block => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK,
        }
    }
}

/// An argument of a command, as `COMMAND DOCS` shows it.
#[derive(Clone, Copy)]
pub struct Arg {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: ArgKind,
    /// The word before it, or the word that it is.
    pub token: Option<&'static str>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may repeat.
    pub multiple: bool,
    /// Its parts.
    pub parts: &'static [Arg],
}

impl Arg {
    fn to_server(self) -> RedisModuleCommandArg {
        let mut flags = CommandArgFlags::NONE;
        flags.set(CommandArgFlags::OPTIONAL, self.optional);
        flags.set(CommandArgFlags::MULTIPLE, self.multiple);
        let key = if let ArgKind::Key(range) = self.kind { Some(range) } else { None };
        let parts: Vec<_> = self.parts.iter().map(|part| part.to_server()).collect();
        RedisModuleCommandArg::new(
            self.name.into(),
            self.kind.raw(),
            key,
            self.token.map(Into::into),
            None,
            None,
            flags,
            None,
            (!parts.is_empty()).then_some(parts),
            None,
        )
    }
}

/// Makes our ACL category, on servers that know categories of modules (7.4).
pub fn categories(ctx: *mut RedisModuleCtx) {
    let Ok(category) = CString::new(CATEGORY) else { return };
    // SAFETY: the crate filled the static at load; the context is that of the module being loaded.
    unsafe {
        if let Some(add) = raw::RedisModule_AddACLCategory {
            add(ctx, category.as_ptr());
        }
    }
}

/// Tells the server of a command.
pub fn command(ctx: *mut RedisModuleCtx, spec: &Spec) -> Result<(), String> {
    let text = |s: &str| CString::new(s).map_err(|e| e.to_string());
    let (name, flags) = (text(spec.name)?, text(spec.flags)?);
    // SAFETY: the context is that of the module being loaded; the strings outlive the calls.
    let command = unsafe {
        let entry = Some(spec.entry);
        if api!(RedisModule_CreateCommand(ctx, name.as_ptr(), entry, flags.as_ptr(), 0, 0, 0)) != OK {
            return Err("the server did not take the command".into());
        }
        api!(RedisModule_GetCommand(ctx, name.as_ptr()))
    };
    if command.is_null() {
        return Err("the server does not find the command".into());
    }
    set_categories(command, spec)?;
    let (summary, complexity, since) = (text(spec.summary)?, text(spec.complexity)?, text(spec.since)?);
    let tips = text(spec.tips)?;
    let keys = spec.keys.iter().map(|range| {
        let (begin, find) = (BeginSearch::new_index(range.first), FindKeys::new_range(range.last, 1, 0));
        KeySpec::new(None, range.usage.flags(), begin, find)
    });
    let mut keys = get_redis_key_spec(keys.collect());
    let args = spec.args.iter().map(|arg| arg.to_server());
    let mut args = get_redis_command_args(args.collect()).unwrap_or_default();
    let info = raw::RedisModuleCommandInfo {
        version: &INFO_VERSION,
        summary: summary.as_ptr(),
        complexity: complexity.as_ptr(),
        since: since.as_ptr(),
        history: std::ptr::null_mut(),
        tips: if spec.tips.is_empty() { std::ptr::null() } else { tips.as_ptr() },
        arity: spec.arity,
        key_specs: keys.as_mut_ptr(),
        args: if args.is_empty() { std::ptr::null_mut() } else { args.as_mut_ptr() },
    };
    // SAFETY: the command is the one just made; the server copies all that `info` points to.
    if unsafe { api!(RedisModule_SetCommandInfo(command, &info)) } != OK {
        return Err("the server did not take the command's description".into());
    }
    Ok(())
}

/// Tells the server of a command of one key that only this module itself calls.
pub fn plain(ctx: *mut RedisModuleCtx, name: &CStr, entry: Entry, flags: &CStr) -> Result<(), String> {
    // SAFETY: the context is that of the module being loaded; the strings outlive the call.
    match unsafe { api!(RedisModule_CreateCommand(ctx, name.as_ptr(), Some(entry), flags.as_ptr(), 1, 1, 1)) } {
        OK => Ok(()),
        _ => Err(format!("the server did not take the command {}", name.to_string_lossy())),
    }
}

const OK: c_int = raw::REDISMODULE_OK as c_int;

static INFO_VERSION: raw::RedisModuleCommandInfoVersion = raw::RedisModuleCommandInfoVersion {
    version: 1,
    sizeof_historyentry: std::mem::size_of::<raw::RedisModuleCommandHistoryEntry>(),
    sizeof_keyspec: std::mem::size_of::<raw::RedisModuleCommandKeySpec>(),
    sizeof_arg: std::mem::size_of::<raw::RedisModuleCommandArg>(),
};

/// Categories, where the server has the call (7.2), ours only where it could be made (7.4).
fn set_categories(command: *mut raw::RedisModuleCommand, spec: &Spec) -> Result<(), String> {
    // SAFETY: the crate filled the statics at load.
    let (set, add) = unsafe { (raw::RedisModule_SetCommandACLCategories, raw::RedisModule_AddACLCategory) };
    let ours = add.is_some();
    let Some(set) = set else { return Ok(()) };
    let all = if ours { format!("{CATEGORY} {}", spec.categories) } else { spec.categories.into() };
    let all = CString::new(all).map_err(|e| e.to_string())?;
    // SAFETY: the command is one that was just made; the string outlives the call.
    if unsafe { set(command, all.as_ptr()) } != OK {
        return Err("the server did not take its ACL categories".into());
    }
    Ok(())
}

//! Access control: who calls, and which keys and commands are theirs to use.

use super::api::api;
use super::call::{Arguments, Call};
use super::call_reply::CallReply;
use super::name::{Name, OwnedName};
use super::rules::{RuleSet, Shape};
use super::server;
use redis_module::raw::{self, RedisModuleString, RedisModuleUser};
use std::cell::OnceCell;
use std::ffi::{c_int, CStr, CString};
use std::io::{Error as OsError, ErrorKind};
use std::ptr;
use std::sync::{Mutex, PoisonError};

const OK: c_int = raw::REDISMODULE_OK as c_int;

/// What the server answers to who has no user: "not supported", in the system's numbers.
const ENOTSUP: i32 = if cfg!(target_os = "linux") { 95 } else { 45 };

/// What a caller wants to do with a key that it has not named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Learn of it.
    Read,
    /// Change or end it.
    Write,
}

impl Permission {
    fn flags(self) -> c_int {
        match self {
            Permission::Read => raw::REDISMODULE_CMD_KEY_ACCESS as c_int,
            Permission::Write => (raw::REDISMODULE_CMD_KEY_UPDATE | raw::REDISMODULE_CMD_KEY_DELETE) as c_int,
        }
    }
}

/// Who runs the command.
pub enum Caller<'c> {
    /// Nobody with limits: the primary, a file being loaded, the server itself.
    Unrestricted,
    /// A user of the server.
    User(User<'c>),
    /// A user that the server does not know (any more).
    Gone,
}

/// A user of the server who runs a command.
pub struct User<'c> {
    raw: *mut RedisModuleUser,
    command: Arguments<'c>,
    db: usize,
    /// The keys for which the running command is theirs; found out when a key is judged for the first time.
    scope: OnceCell<Scope>,
}

/// For which keys a command is a user's to run.
enum Scope {
    /// All of them.
    All,
    /// Those of the user's rules, which are one set.
    Own,
    /// Those of the sets of rules that allow the command: the rules of a user of ours.
    Sets(Scratch),
}

/// What makes an operator: to be allowed one of these commands, the first that this server has.
const OPERATORS: [&[&str]; 3] =
    [&["config", "set", "session.max-fields", "1024"], &["acl", "setuser", "default"], &["shutdown"]];

impl Drop for User<'_> {
    fn drop(&mut self) {
        // SAFETY: made by GetModuleUserFromUserName for us, and freed once.
        unsafe { api!(RedisModule_FreeModuleUser(self.raw)) };
    }
}

impl Caller<'_> {
    /// Whether the caller may: a user if this says so, who has no limits always, who is gone never.
    fn judge(&self, may: impl FnOnce(&User<'_>) -> bool) -> bool {
        match self {
            Caller::Unrestricted => true,
            Caller::Gone => false,
            Caller::User(user) => may(user),
        }
    }

    /// Whether the caller may do this to the key.
    pub fn may(&self, permission: Permission, key: Name<'_>) -> bool {
        self.judge(|user| match user.scope.get_or_init(|| user.scope()) {
            Scope::All => true,
            Scope::Own => may_use(user.raw, permission, key),
            Scope::Sets(scratch) => may_use(scratch.0, permission, key),
        })
    }

    /// Whether the caller may read the data in this key: by `SESSION.GET`, the command for that.
    pub fn may_get(&self, key: Name<'_>) -> bool {
        self.judge(|user| {
            let get = OwnedName::new(b"session.get");
            allows(user.raw, &mut [get.name().raw(), key.raw()], user.db)
        })
    }

    /// Whether the caller may run `SESSION.GET`, on whatever keys.
    pub fn may_get_some(&self) -> bool {
        self.judge(|user| {
            let words = [b"session.get", &b"key"[..]].map(OwnedName::new);
            let mut argv = words.each_ref().map(|word| word.name().raw());
            let (scratch, rules) = (Scratch::take(), user.rules());
            let sets = rules.as_ref().map(|rules| RuleSet::all(rules.name().bytes())).unwrap_or_default();
            sets.iter().any(|set| scratch.allows(set, &mut argv, user.db))
        })
    }

    /// Whether this command is the caller's for all keys.
    pub fn may_all(&self) -> bool {
        self.judge(|user| matches!(user.scope.get_or_init(|| user.scope()), Scope::All))
    }

    /// Whether the caller is an operator: may run `CONFIG SET`, or where the server has no such command, because
    /// `rename-command` has taken it away, the next of [`OPERATORS`].
    pub fn may_configure(&self) -> bool {
        self.judge(|user| {
            let first_known = OPERATORS.iter().find_map(|command| user.may_run(command));
            first_known.unwrap_or(false)
        })
    }
}

/// Whether any set of a user's rules has the key.
fn may_use(user: *mut RedisModuleUser, permission: Permission, key: Name<'_>) -> bool {
    // SAFETY: the user and the name live for the call.
    unsafe { api!(RedisModule_ACLCheckKeyPermissions(user, key.raw(), permission.flags())) == OK }
}

/// Whether a user may run a command with these arguments in this database.
fn allows(user: *mut RedisModuleUser, command: &mut [*mut RedisModuleString], db: usize) -> bool {
    let (argv, argc) = (command.as_mut_ptr(), c_int::try_from(command.len()).unwrap_or(0));
    // SAFETY: the user and the strings live for the call.
    unsafe {
        match server::check_permissions() {
            Some(check) => check(user, argv, argc, c_int::try_from(db).unwrap_or(-1), ptr::null_mut()) == OK,
            None => api!(RedisModule_ACLCheckCommandPermissions(user, argv, argc)) == OK,
        }
    }
}

impl User<'_> {
    /// Whether the user may run a command; nothing where the server has none of that name.
    fn may_run(&self, command: &[&str]) -> Option<bool> {
        let words: Vec<OwnedName> = command.iter().map(|word| OwnedName::new(word.as_bytes())).collect();
        let mut argv: Vec<_> = words.iter().map(|word| word.name().raw()).collect();
        let argc = c_int::try_from(argv.len()).unwrap_or(0);
        // SAFETY: the user and the strings live for the call.
        let said = unsafe { api!(RedisModule_ACLCheckCommandPermissions(self.raw, argv.as_mut_ptr(), argc)) };
        match said {
            OK => Some(true),
            _ if OsError::last_os_error().kind() == ErrorKind::NotFound => None,
            _ => Some(false),
        }
    }

    /// The keys for which the running command is the user's. The server itself has judged the command, but not these
    /// keys; and its question about a key alone is content with any set that has the key, for whatever commands and in
    /// whatever database.
    fn scope(&self) -> Scope {
        let Some(rules) = self.rules() else { return Scope::Own };
        let rules = rules.name().bytes();
        match Shape::of(rules) {
            Shape::AllKeys => Scope::All,
            Shape::OneSet => Scope::Own,
            Shape::Conditional => self.scope_of(&RuleSet::all(rules)),
        }
    }

    /// The user's rules, as `ACL LIST` has them.
    fn rules(&self) -> Option<OwnedName> {
        // SAFETY: the user lives for the call; the string becomes ours.
        unsafe {
            let rules = api!(RedisModule_GetModuleUserACLString(self.raw));
            (!rules.is_null()).then(|| OwnedName::adopt(rules))
        }
    }

    /// The keys of those sets that allow the running command.
    fn scope_of(&self, sets: &[RuleSet<'_>]) -> Scope {
        let all = self.command;
        let mut argv: Vec<_> = (0..all.len()).filter_map(|i| all.get(i)).map(Name::raw).collect();
        let scratch = Scratch::take();
        let mut keys: Vec<&[u8]> = Vec::new();
        for set in sets {
            if !scratch.allows(set, &mut argv, self.db) {
                continue;
            }
            if set.has_all_keys() {
                return Scope::All;
            }
            keys.extend(set.keys());
        }
        scratch.become_one_of(keys);
        Scope::Sets(scratch)
    }
}

/// A user of ours, not in the server's list, whose rules are set to judge by.
struct Scratch(*mut RedisModuleUser);

/// Those that nobody judges by at the moment. They are kept: to free one, the server goes through all of its clients.
static SPARE: Mutex<Vec<Scratch>> = Mutex::new(Vec::new());

// SAFETY: the server's user is not bound to a thread, and is used only while the server lets modules run.
unsafe impl Send for Scratch {}

impl Scratch {
    fn take() -> Self {
        let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // SAFETY: the name lives for the call.
        spare.unwrap_or_else(|| Scratch(unsafe { api!(RedisModule_CreateModuleUser(c"session".as_ptr())) }))
    }

    /// Whether a set of rules allows a command in a database, whatever its keys.
    fn allows(&self, set: &RuleSet<'_>, command: &mut [*mut RedisModuleString], db: usize) -> bool {
        self.become_one_of([&b"~*"[..], b"&*"].into_iter().chain(set.databases()).chain(set.commands()));
        allows(self.0, command, db)
    }

    /// Gives it these rules and no others.
    fn become_one_of<'r>(&self, rules: impl IntoIterator<Item = &'r [u8]>) {
        let set = |rule: &CStr| {
            // SAFETY: the user and the rule live for the call. A rule that the server refuses gives nothing.
            unsafe { api!(RedisModule_SetModuleUserACL(self.0, rule.as_ptr())) };
        };
        set(c"reset");
        rules.into_iter().filter_map(|rule| CString::new(rule).ok()).for_each(|rule| set(&rule));
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let kept = Scratch(std::mem::replace(&mut self.0, ptr::null_mut()));
        SPARE.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
    }
}

impl<'c> Call<'c> {
    /// Who runs this command.
    pub fn caller(&self) -> Caller<'c> {
        let flags = self.flags();
        if flags & (raw::REDISMODULE_CTX_FLAGS_REPLICATED | raw::REDISMODULE_CTX_FLAGS_LOADING) != 0 {
            return Caller::Unrestricted;
        }
        let name = match self.client_user_name() {
            Some(name) => name,
            None if !self.has_user() => return Caller::Unrestricted,
            None => match self.attached_user_name() {
                Some(name) => name,
                None => return Caller::Gone,
            },
        };
        // SAFETY: the name lives for the call.
        let user = unsafe { api!(RedisModule_GetModuleUserFromUserName(name.name().raw())) };
        if user.is_null() {
            Caller::Gone
        } else {
            Caller::User(User { raw: user, command: self.args(), db: self.db(), scope: OnceCell::new() })
        }
    }

    /// The name of the user of the client that sent this command: the short way for most. Nothing in a script or where
    /// another module calls, which the server runs by clients that are not in its list.
    fn client_user_name(&self) -> Option<OwnedName> {
        if self.flags() & raw::REDISMODULE_CTX_FLAGS_LUA != 0 {
            return None;
        }
        // SAFETY: the context is that of the running command; the string becomes ours.
        unsafe {
            let name = api!(RedisModule_GetClientUserNameById(self.ctx(), api!(RedisModule_GetClientId(self.ctx()))));
            (!name.is_null()).then(|| OwnedName::adopt(name))
        }
    }

    /// Whether a user is attached to this call; none is where the server itself or another module runs it on its own
    /// account. Found out by asking the server to run a command that is not there for that user.
    fn has_user(&self) -> bool {
        // SAFETY: the context is that of the running command; "C" takes no arguments; a reply would be ours.
        let reply =
            unsafe { CallReply::adopt(api!(RedisModule_Call(self.ctx(), c"session.nosuch".as_ptr(), c"C".as_ptr()))) };
        reply.is_some() || OsError::last_os_error().raw_os_error() != Some(ENOTSUP)
    }

    /// The name of the user that is attached to this call. There must be one: some servers crash where it is asked for
    /// in vain.
    fn attached_user_name(&self) -> Option<OwnedName> {
        // SAFETY: the context is that of the running command, which has a user; the string becomes ours.
        unsafe {
            let name = api!(RedisModule_GetCurrentUserName(self.ctx()));
            (!name.is_null()).then(|| OwnedName::adopt(name))
        }
    }
}

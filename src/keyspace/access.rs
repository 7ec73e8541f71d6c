//! Access control: who calls, and which keys and commands are theirs to use.

use super::api::api;
use super::call::Call;
use super::name::{Name, OwnedName};
use redis_module::raw::{self, RedisModuleUser};
use std::cell::OnceCell;
use std::ffi::c_int;

/// What a caller wants to do with a key that it has not named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Learn of it.
    Read,
    /// Change or end it.
    Write,
}

/// Who runs the command.
pub enum Caller {
    /// Nobody with limits: the primary, a file being loaded, the server itself.
    Unrestricted,
    /// A user of the server.
    User(User),
    /// A user that is no more.
    Gone,
}

/// A user of the server.
pub struct User {
    raw: *mut RedisModuleUser,
    /// Whether the rules are several sets (selectors), each with keys and commands of its own; found out when a key is
    /// judged for the first time.
    selective: OnceCell<bool>,
}

impl Drop for User {
    fn drop(&mut self) {
        // SAFETY: made by GetModuleUserFromUserName for us, and freed once.
        unsafe { api!(RedisModule_FreeModuleUser(self.raw)) };
    }
}

impl Caller {
    /// Whether the caller may do this to the key.
    pub fn may(&self, permission: Permission, key: Name<'_>) -> bool {
        let flags = match permission {
            Permission::Read => raw::REDISMODULE_CMD_KEY_ACCESS,
            Permission::Write => raw::REDISMODULE_CMD_KEY_UPDATE | raw::REDISMODULE_CMD_KEY_DELETE,
        };
        match self {
            Caller::Unrestricted => true,
            Caller::Gone => false,
            Caller::User(user) if !*user.selective.get_or_init(|| user.has_selectors()) => {
                // SAFETY: the user and the name live for the call.
                let said = unsafe { api!(RedisModule_ACLCheckKeyPermissions(user.raw, key.raw(), flags as c_int)) };
                said == raw::REDISMODULE_OK as c_int
            }
            // That call would be content with any set that has the key, for whatever commands.
            Caller::User(user) => {
                let command = match permission {
                    Permission::Read => "session.get",
                    Permission::Write => "session.del",
                };
                user.may_run(&[OwnedName::new(command.as_bytes()).name(), key])
            }
        }
    }

    /// Whether the caller may run `CONFIG SET`: our measure of an operator.
    pub fn may_configure(&self) -> bool {
        match self {
            Caller::Unrestricted => true,
            Caller::Gone => false,
            Caller::User(user) => {
                let words = ["config", "set", "session.max-fields", "1024"].map(|w| OwnedName::new(w.as_bytes()));
                user.may_run(&words.each_ref().map(OwnedName::name))
            }
        }
    }
}

impl User {
    fn may_run(&self, command: &[Name<'_>]) -> bool {
        let mut argv: Vec<_> = command.iter().map(|word| word.raw()).collect();
        let argc = c_int::try_from(argv.len()).unwrap_or(0);
        // SAFETY: the user and the strings live for the call.
        let said = unsafe { api!(RedisModule_ACLCheckCommandPermissions(self.raw, argv.as_mut_ptr(), argc)) };
        said == raw::REDISMODULE_OK as c_int
    }

    /// Whether the user's rules may have selectors, which stand in parentheses. (A parenthesis in a key pattern looks the
    /// same, and is judged by the stricter rule.)
    fn has_selectors(&self) -> bool {
        // SAFETY: the user lives for the call; the string becomes ours.
        let rules = unsafe {
            let rules = api!(RedisModule_GetModuleUserACLString(self.raw));
            if rules.is_null() {
                return true;
            }
            OwnedName::adopt(rules)
        };
        rules.name().bytes().contains(&b'(')
    }
}

impl Call<'_> {
    /// Who runs this command.
    pub fn caller(&self) -> Caller {
        let flags = self.flags();
        if flags & (raw::REDISMODULE_CTX_FLAGS_REPLICATED | raw::REDISMODULE_CTX_FLAGS_LOADING) != 0 {
            return Caller::Unrestricted;
        }
        let Some(name) = self.user_name() else { return Caller::Unrestricted };
        // SAFETY: the name lives for the call.
        let user = unsafe { api!(RedisModule_GetModuleUserFromUserName(name.name().raw())) };
        if user.is_null() {
            Caller::Gone
        } else {
            Caller::User(User { raw: user, selective: OnceCell::new() })
        }
    }

    /// The name of the caller's user; nothing where there is none.
    fn user_name(&self) -> Option<OwnedName> {
        // Servers before 8 crash when asked for the current user of a client that has none. Only a script has no client
        // of this number, and always a user.
        let scripted = self.flags() & raw::REDISMODULE_CTX_FLAGS_LUA != 0;
        // SAFETY: the context is that of the running command, and its client has a user where it is asked for it; the
        // string becomes ours.
        unsafe {
            let name = if scripted {
                api!(RedisModule_GetCurrentUserName(self.ctx()))
            } else {
                api!(RedisModule_GetClientUserNameById(self.ctx(), api!(RedisModule_GetClientId(self.ctx()))))
            };
            (!name.is_null()).then(|| OwnedName::adopt(name))
        }
    }
}

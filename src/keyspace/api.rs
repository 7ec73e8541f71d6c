//! The functions of the server that this module calls.

/// Functions that every server since Redis 7.0 has; [`missing`] checks at load that this one does.
macro_rules! required {
    ($($name:ident)*) => {
        /// Names that [`api`] accepts. (Some are called by the crate alone, or looked at by hand.)
        #[allow(non_upper_case_globals, dead_code)]
        pub mod listed {
            $(pub const $name: () = ();)*
        }

        /// The first of the functions that this server does not have.
        pub fn missing() -> Option<&'static str> {
            $(
                // SAFETY: the crate fills these statics when the module is loaded, before this runs, and nothing
                // writes them afterwards.
                if unsafe { redis_module::raw::$name }.is_none() {
                    return Some(stringify!($name));
                }
            )*
            None
        }
    };
}

required! {
    RedisModule_ACLCheckCommandPermissions RedisModule_ACLCheckKeyPermissions RedisModule_Call RedisModule_CallReplyArrayElement
    RedisModule_CallReplyInteger RedisModule_CallReplyLength RedisModule_CallReplyStringPtr RedisModule_CallReplyType
    RedisModule_CloseKey
    RedisModule_CreateCommand RedisModule_CreateDataType RedisModule_CreateModuleUser RedisModule_CreateString RedisModule_DigestAddStringBuffer
    RedisModule_DigestEndSequence RedisModule_EmitAOF RedisModule_Free RedisModule_FreeCallReply RedisModule_FreeModuleUser RedisModule_FreeServerInfo RedisModule_GetServerInfo RedisModule_ServerInfoGetFieldC RedisModule_FreeString
    RedisModule_GetClientId RedisModule_GetClientUserNameById RedisModule_GetCommand RedisModule_GetContextFlags
    RedisModule_GetCurrentUserName RedisModule_GetAbsExpire RedisModule_GetDbIdFromIO RedisModule_GetDbIdFromModuleKey
    RedisModule_GetDbIdFromOptCtx RedisModule_GetKeyNameFromOptCtx
    RedisModule_GetModuleUserACLString RedisModule_GetModuleUserFromUserName RedisModule_GetSelectedDb RedisModule_InfoAddFieldULongLong RedisModule_InfoAddSection RedisModule_KeyType RedisModule_LoadConfigs RedisModule_LoadStringBuffer
    RedisModule_Log RedisModule_Milliseconds RedisModule_ModuleTypeGetType
    RedisModule_ModuleTypeGetValue RedisModule_ModuleTypeReplaceValue RedisModule_ModuleTypeSetValue RedisModule_NotifyKeyspaceEvent RedisModule_OpenKey
    RedisModule_RegisterEnumConfig RedisModule_RegisterInfoFunc RedisModule_RegisterNumericConfig RedisModule_Replicate RedisModule_ReplicateVerbatim RedisModule_ReplySetArrayLength RedisModule_ReplyWithArray
    RedisModule_ReplyWithError RedisModule_ReplyWithLongLong RedisModule_ReplyWithMap RedisModule_ReplyWithNull
    RedisModule_ReplyWithSimpleString     RedisModule_ReplyWithStringBuffer RedisModule_SaveStringBuffer RedisModule_Scan RedisModule_ScanCursorCreate
    RedisModule_ScanCursorDestroy RedisModule_SelectDb RedisModule_SetAbsExpire RedisModule_SetCommandInfo
    RedisModule_SetModuleOptions RedisModule_SetModuleUserACL RedisModule_SignalModifiedKey RedisModule_StringPtrLen
    RedisModule_SubscribeToKeyspaceEvents RedisModule_SubscribeToServerEvent RedisModule_UnlinkKey
    RedisModule_WrongArity
}

/// Calls a function of the server: `api!(RedisModule_CloseKey(key))`.
///
/// Reading the function is sound because [`missing`] has found it at load; what the function itself asks for is the
/// caller's to see to.
macro_rules! api {
    ($name:ident($($arg:expr),* $(,)?)) => {{
        const _: () = $crate::keyspace::api::listed::$name;
        redis_module::raw::$name.unwrap_unchecked()($($arg),*)
    }};
}
pub(super) use api;

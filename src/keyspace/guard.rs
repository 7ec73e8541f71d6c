//! A panic stops at the border: the server goes on.

use super::api::api;
use std::ffi::CString;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Runs what the server called; a panic in it ends here and gives `default`. (The unwinding has been logged by the hook.)
pub fn guard<T>(default: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(default)
}

/// Makes a panic log one line. The standard hook would capture a backtrace, which crashes servers that load modules with
/// `RTLD_DEEPBIND`.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| log_warning(&format!("session: internal error, please report it: {info}"))));
}

/// Writes to the server's log. May be called in any thread.
pub fn log_warning(text: &str) {
    let Ok(text) = CString::new(text.replace('\0', " ")) else { return };
    // SAFETY: a null context is allowed, and the strings outlive the call; "%s" takes the one argument.
    unsafe { api!(RedisModule_Log(std::ptr::null_mut(), c"warning".as_ptr(), c"%s".as_ptr(), text.as_ptr())) };
}

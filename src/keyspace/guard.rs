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
    std::panic::set_hook(Box::new(|info| {
        let line = info.to_string().replace('\n', " ");
        log_warning(&format!("session: internal error, please report it: {line}"));
    }));
}

/// A place where a test can have a panic: it happens if the bytes hold `panic:` and the name of the place.
#[cfg(feature = "inject-panics")]
#[allow(clippy::panic, reason = "what this is for")]
pub fn fault_point<'b>(place: &str, bytes: impl FnOnce() -> &'b [u8]) {
    let (word, bytes) = (format!("panic:{place}"), bytes());
    if bytes.windows(word.len()).any(|window| window == word.as_bytes()) {
        panic!("injected at {place}");
    }
}

/// No such place in what is shipped.
#[cfg(not(feature = "inject-panics"))]
#[inline(always)]
pub fn fault_point<'b>(_place: &str, _bytes: impl FnOnce() -> &'b [u8]) {}

/// Writes to the server's log. May be called in any thread.
pub fn log_warning(text: &str) {
    let Ok(text) = CString::new(text.replace('\0', " ")) else { return };
    // SAFETY: a null context is allowed, and the strings outlive the call; "%s" takes the one argument.
    unsafe { api!(RedisModule_Log(std::ptr::null_mut(), c"warning".as_ptr(), c"%s".as_ptr(), text.as_ptr())) };
}

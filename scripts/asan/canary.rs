//! A module with a mistake: loading it reads the byte behind what the server's allocator gave it. A sanitizer that works
//! ends the server with a report; `scripts/test-asan.sh` asks for that before it believes the silence of the real tests.
#![allow(missing_docs, clippy::missing_safety_doc)]

use std::ffi::{c_char, c_int, c_void};

type GetApi = unsafe extern "C" fn(*const c_char, *mut c_void) -> c_int;
type Alloc = unsafe extern "C" fn(usize) -> *mut u8;

#[no_mangle]
pub unsafe extern "C" fn RedisModule_OnLoad(ctx: *mut c_void, _: *mut *mut c_void, _: c_int) -> c_int {
    let mut alloc: Option<Alloc> = None;
    // A context begins with the function that gives the others.
    let get_api = *ctx.cast::<GetApi>();
    get_api(c"RedisModule_Alloc".as_ptr(), (&raw mut alloc).cast());
    let Some(alloc) = alloc else { return 1 };
    c_int::from(alloc(16).add(16).read_volatile()) | 1 // refused also where nothing is seen
}

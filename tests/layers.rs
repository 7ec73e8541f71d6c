//! Who may know whom: `session` is plain Rust that knows nothing of the others, `commands` knows nothing of the server's API.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

/// All the Rust files in a folder of src/, with their text but for comments and their own tests, which stand last.
fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    assert!(folders.is_empty() && !files.is_empty(), "{folders:?}: only files are looked at");
    let code = |text: String| {
        let lines = text.lines().take_while(|line| !line.ends_with("mod tests {"));
        lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    files.into_iter().map(|file| (file.clone(), code(std::fs::read_to_string(&file).unwrap()))).collect()
}

#[track_caller]
fn check(folder: &str, allowed: &[&str], forbidden: &[&str]) {
    for (file, mut code) in files(folder) {
        allowed.iter().for_each(|word| code = code.replace(word, ""));
        for word in forbidden {
            assert!(!code.contains(word), "{} has {word:?}, which is none of its layer's business", file.display());
        }
    }
}

#[test]
fn a_session_knows_nothing_of_the_server() {
    let above =
        ["crate::", "super::super::super", "redis_module", "unsafe", "SystemTime", "Instant", "std::env", "std::fs"];
    check("session", &["crate::session"], &above);
}

#[test]
fn a_command_knows_nothing_of_the_servers_api() {
    check("commands", &[], &["raw::", "unsafe", "redis_module"]);
}

//! Servers whose wall clock is another.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// What changes the clock of a server that it is preloaded into.
pub fn library() -> Result<&'static Path, &'static str> {
    static BUILT: OnceLock<Result<TempDir, String>> = OnceLock::new();
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        if !cfg!(target_os = "linux") {
            return Err("clocks are changed on Linux only".into());
        }
        let dir = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clock/skew.c");
        let compiler = Command::new("cc")
            .args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .args([&dir.path().join("skew.so"), &source])
            .output();
        match compiler {
            Err(error) => Err(format!("cc: {error}")),
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                Ok(dir)
            }
        }
    });
    match built {
        Ok(dir) => Ok(PATH.get_or_init(|| dir.path().join("skew.so"))),
        Err(why) => Err(why),
    }
}

//! Runs the scripts of `tests/cli/`, each on a server of its own.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{transcript, Server};

#[test]
fn every_script_gives_the_output_that_it_shows() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli");
    let mut scripts: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|e| e == "sh"));
    scripts.sort();
    assert!(!scripts.is_empty());
    let mut wrong = Vec::new();
    for script in scripts {
        let steps = transcript::of_script(&std::fs::read_to_string(&script).unwrap());
        assert!(!steps.is_empty(), "{} does nothing", script.display());
        let server = Server::new();
        let name = script.file_name().unwrap().to_string_lossy().into_owned();
        wrong.extend(transcript::run(&server, &steps).into_iter().map(|what| format!("{name} {what}")));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

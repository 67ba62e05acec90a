//! Libraries that stand between the program and the system, compiled when a test asks for them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Compiles `tests/shim/<name>.c` into the folder; the result goes into `LD_PRELOAD`.
pub fn compile(name: &str, folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/shim/{name}.c"));
    let library = folder.join(format!("{name}.so"));
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let status = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .status()
        .unwrap();
    assert!(status.success(), "cannot compile {name}.c");
    library
}

//! Embeds the built browser interface, so that one file is all there is to install.
//!
//! Without one the server still compiles, for those who work on something else; a release refuses, because nobody
//! should get a server whose front page is an excuse. Reads the folder and nothing else: parsing the manifest would
//! compile a JSON library a second time, for the build.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

fn main() {
    let dist = PathBuf::from(required("CARGO_MANIFEST_DIR")).join("../web-ui/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", dist.display());

    let mut paths = Vec::new();
    list(&dist, &dist, &mut paths);
    paths.sort();

    let manifest = std::fs::read_to_string(dist.join("manifest.json")).unwrap_or_default();
    let complaint = if !paths.iter().any(|path| path == "index.html") {
        Some("the browser interface is not built: run `cargo xtask ui` first, or `cargo xtask run` for everything")
    } else if manifest.contains("\"effort\": \"draft\"") {
        Some("the browser interface is a draft: run `cargo xtask ui` without --draft before a release build")
    } else {
        None
    };

    let out = PathBuf::from(required("OUT_DIR")).join("embedded.rs");
    let code = table(&dist, &paths, complaint);
    // Unchanged output must not look new: the whole server would be compiled again.
    if std::fs::read_to_string(&out).is_ok_and(|old| old == code) {
        return;
    }
    std::fs::write(&out, code).unwrap_or_else(|error| panic!("cannot write {}: {error}", out.display()));
}

fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|error| panic!("cargo sets {name} for build scripts: {error}"))
}

/// Paths below `root` of the files that have both sidecars; what has none (the manifest) is not part of the site.
fn list(root: &Path, folder: &Path, paths: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            list(root, &path, paths);
        } else if sidecar(&path, "br").is_file() && sidecar(&path, "gz").is_file() {
            let name = path.strip_prefix(root).expect("a listed file lies below the folder that was listed");
            paths.push(name.to_str().expect("xtask writes plain names").replace('\\', "/"));
        }
    }
}

fn sidecar(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn table(dist: &Path, paths: &[String], complaint: Option<&str>) -> String {
    let mut code = String::new();
    if let Some(complaint) = complaint {
        // Debug assertions are on in the profiles dev and ci, and off in what is given to people. Cargo tells a build
        // script neither: PROFILE is "release" for ci as well, which inherits from it.
        writeln!(code, "#[cfg(not(debug_assertions))]\ncompile_error!({complaint:?});")
            .expect("a String takes all writes");
    }
    writeln!(code, "static EMBEDDED: [Embedded; {}] = [", paths.len()).expect("a String takes all writes");
    for path in paths {
        let file = dist.join(path);
        let content = std::fs::read(&file).unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
        let mut digest = DefaultHasher::new();
        content.hash(&mut digest);
        writeln!(
            code,
            "    Embedded {{ path: {path:?}, digest: \"{:016x}\", br: include_bytes!({:?}), gz: include_bytes!({:?}), plain: OnceLock::new() }},",
            digest.finish(),
            sidecar(&file, "br"),
            sidecar(&file, "gz"),
        )
        .expect("a String takes all writes");
    }
    code.push_str("];\n");
    code
}

//! The house rules that a compiler does not check.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// Which crates of the workspace each may depend on (not counting what its own tests need).
const MAY: &[(&str, &[&str])] = &[
    ("spillway-model", &[]),
    ("spillway-api", &[]),
    ("spillway-layout", &[]),
    ("spillway-decode", &["spillway-model"]),
    ("spillway-query", &["spillway-model"]),
    ("spillway-store", &["spillway-model", "spillway-query"]),
    ("spillway-store-sqlite", &["spillway-model", "spillway-query", "spillway-store"]),
    ("spillway-plugin-host", &["spillway-model"]),
    ("spillway-enforcer", &["spillway-api", "spillway-model"]),
    ("spillway-demo", &["spillway-api", "spillway-enforcer"]),
];

/// What a pure crate must not reach: clocks, randomness, runtimes and databases.
const IMPURE: &[&str] = &["tokio", "rand", "hyper", "axum", "sqlx", "wasmtime"];
const PURE: &[&str] = &["spillway-model", "spillway-api", "spillway-decode", "spillway-layout", "spillway-query"];

fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |package: &Value| {
        let normal =
            package["dependencies"].as_array().unwrap().iter().filter(|dependency| dependency["kind"].is_null());
        let names = normal
            .filter(|dependency| dependency["optional"] == false)
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned());
        (package["name"].as_str().unwrap().to_owned(), names.collect())
    };
    metadata["packages"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn dependencies_point_from_the_shell_to_the_pure() {
    let all = dependencies();

    for (name, may) in MAY {
        let own = all[*name].iter().filter(|dependency| dependency.starts_with("spillway"));
        for dependency in own {
            assert!(
                may.contains(&dependency.as_str()),
                "{name} must not depend on {dependency}: update ARCHITECTURE.md first"
            );
        }
    }
    for name in PURE {
        for dependency in &all[*name] {
            assert!(!IMPURE.contains(&dependency.as_str()), "{name} is pure and must not depend on {dependency}");
        }
    }
}

#[test]
fn the_interface_is_an_ordinary_client_of_the_public_api() {
    let all = dependencies();
    let of_server = [
        "spillway",
        "spillway-model",
        "spillway-query",
        "spillway-store",
        "spillway-store-sqlite",
        "spillway-decode",
        "spillway-plugin-host",
    ];

    for name in ["spillway-web-ui"] {
        for dependency in &all[name] {
            assert!(!of_server.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

/// A dependency can switch this on for everybody; floats of OTLP/JSON would then be lost or refused.
#[test]
fn numbers_of_json_stay_numbers() {
    let number: Value = serde_json::from_str("1.5").unwrap();

    assert_eq!(number, serde_json::json!(1.5));
    assert_eq!(serde_json::from_str::<f64>("1e3").unwrap(), 1000.0);
}

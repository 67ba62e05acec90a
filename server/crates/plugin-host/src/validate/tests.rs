//! Every refusal, by the smallest bytes that cause it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn refusal(upload: &[u8]) -> UploadError {
    validate(upload).unwrap_err()
}

fn name(text: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(text.len()).unwrap()];
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![id, u8::try_from(content.len()).unwrap()];
    bytes.extend_from_slice(content);
    bytes
}

/// A core module with one imported function.
fn module_importing(module: &str, item: &str) -> Vec<u8> {
    let types = section(1, &[1, 0x60, 0, 0]);
    let import = [vec![1], name(module), name(item), vec![0, 0]].concat();
    [MODULE.to_vec(), types, section(2, &import)].concat()
}

/// A component with one imported instance of an empty type.
fn component_importing(import: &str) -> Vec<u8> {
    let types = section(7, &[1, 0x42, 0]);
    let import = [vec![1, 0], name(import), vec![5, 0]].concat();
    [COMPONENT.to_vec(), types, section(10, &import)].concat()
}

#[test]
fn what_is_not_wasm_is_named() {
    for (upload, text) in [
        (&b"\x7fELF\x02\x01"[..], "precompiled code is refused: this is an ELF file"),
        (b"MZ\x90\0", "precompiled code is refused: this is a Windows program"),
        (b"(module)", "it is WebAssembly text (assemble it first)"),
        (b"\x1f\x8b\x08", "it is gzip data"),
        (b"PK\x03\x04", "it is a zip archive"),
        (b"<html>", "it is a web page"),
        (b"\x01\x02\x03\x04\x05", "starts with the bytes 01 02 03 04;"),
        (b"", "the upload is empty"),
    ] {
        let message = refusal(upload).to_string();

        assert!(message.contains(text), "{message}");
    }
}

#[test]
fn size_is_checked_before_anything_is_read() {
    let upload = vec![0; limits::UPLOAD_BYTES + 1];

    assert_eq!(
        refusal(&upload),
        UploadError::TooLarge { size_bytes: limits::UPLOAD_BYTES + 1, limit_bytes: limits::UPLOAD_BYTES }
    );
}

#[test]
fn damage_is_located() {
    let cut = &module_importing("env", "clock")[..16];

    let message = refusal(cut).to_string();

    assert!(message.starts_with("the WebAssembly is damaged: "), "{message}");
    assert!(matches!(refusal(b"\0asm\x01"), UploadError::Damaged { .. }));
    assert!(matches!(refusal(b"\0asm\xff\0\0\0"), UploadError::Damaged { .. }));
}

#[test]
fn a_foreign_import_is_named() {
    for (upload, import) in [
        (module_importing("env", "clock"), "env.clock"),
        (module_importing("wasi_snapshot_preview1", "fd_write"), "wasi_snapshot_preview1.fd_write"),
        (component_importing("wasi:clocks/wall-clock@0.2.0"), "wasi:clocks/wall-clock@0.2.0"),
        // The right package and version, but not an interface that rules may import.
        (component_importing(POLICY), POLICY),
    ] {
        assert_eq!(refusal(&upload), UploadError::ForeignImport { name: import.into() });
    }
}

#[test]
fn another_version_of_the_contract_is_named() {
    let upload = component_importing("spillway:rule/log@0.9.0");

    assert_eq!(
        refusal(&upload),
        UploadError::UnknownVersion { name: "spillway:rule/log@0.9.0".into(), known: VERSION.into() }
    );
}

#[test]
fn a_component_without_a_policy_is_no_rule() {
    assert_eq!(refusal(COMPONENT), UploadError::MissingPolicy { exports: "nothing".into() });
    assert_eq!(
        refusal(&component_importing("spillway:rule/log@0.1.0")),
        UploadError::MissingPolicy { exports: "nothing".into() }
    );
}

#[test]
fn a_module_without_metadata_is_told_how_to_get_it() {
    assert_eq!(refusal(MODULE), UploadError::NoMetadata);
    assert_eq!(refusal(&module_importing("spillway:rule/log@0.1.0", "log")), UploadError::NoMetadata);
}

#[test]
fn broken_metadata_is_refused() {
    let metadata = section(0, &[name("component-type:x"), vec![1, 2, 3]].concat());

    let refusal = refusal(&[MODULE.to_vec(), metadata].concat());

    assert!(matches!(refusal, UploadError::NotAComponent { .. }), "{refusal:?}");
}

#[test]
fn a_refusal_survives_the_way_out_of_the_worker() {
    let refusal = refusal(&module_importing("env", "clock"));

    let json = serde_json::to_string(&refusal).unwrap();

    assert_eq!(serde_json::from_str::<UploadError>(&json).unwrap(), refusal);
}

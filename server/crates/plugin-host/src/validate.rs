//! Is this upload a rule? Looks at bytes only; nothing is compiled or run.
//!
//! Imports are judged strictly, because an import is a power. Exports are judged loosely, because tools add their own.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use wasmparser::{Encoding, Parser, Payload};
use wit_component::ComponentEncoder;

use crate::limits;

/// The contract's package, without its version.
const PACKAGE: &str = "spillway:rule/";
/// Released versions that this host runs.
const VERSION: &str = "0.1.0";
/// What a rule must export.
const POLICY: &str = "spillway:rule/policy@0.1.0";
/// What a rule may also export, to judge single requests.
pub(crate) const FILTER: &str = "spillway:rule/filter@0.1.0";
/// What a rule may import.
const IMPORTS: [&str; 4] =
    ["spillway:rule/types@0.1.0", "spillway:rule/log@0.1.0", "spillway:rule/kv@0.1.0", "spillway:rule/metrics@0.1.0"];
/// Names in a message; an upload with a thousand exports must not make a message of a megabyte.
const NAMES_SHOWN: usize = 8;

/// Why an upload is no rule. Each text says what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum UploadError {
    /// Nothing was sent.
    #[error("the upload is empty; send the .wasm file as the body")]
    Empty,
    /// Too much was sent.
    #[error(
        "the upload has {size_bytes} bytes, the limit is {limit_bytes}; build with optimisation for size and without debug information"
    )]
    TooLarge {
        /// Its size.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// Native code.
    #[error(
        "precompiled code is refused: this is {what}, which would run outside of the sandbox; upload the WebAssembly (.wasm) it was made from"
    )]
    Precompiled {
        /// What the first bytes say.
        what: String,
    },
    /// Something else altogether.
    #[error("this is not WebAssembly: it is {what}; upload a .wasm file")]
    NotWasm {
        /// What the first bytes say.
        what: String,
    },
    /// It starts like WebAssembly and then breaks.
    #[error("the WebAssembly is damaged: {message}; build and upload it again")]
    Damaged {
        /// Where and how.
        message: String,
    },
    /// It wants a power that rules do not have.
    #[error(
        "it imports `{name}`, which rules do not get: a rule sees only `spillway:rule` (types, log, kv, metrics), no files, clock, network or randomness; build for wasm32-unknown-unknown, or stub WASI out"
    )]
    ForeignImport {
        /// The import.
        name: String,
    },
    /// It was built for another version of the contract.
    #[error(
        "it needs `{name}`, but this Spillway speaks spillway:rule {known}; build it against that version of the contract"
    )]
    UnknownVersion {
        /// The import or export.
        name: String,
        /// What this host speaks.
        known: String,
    },
    /// It does not offer what a rule must.
    #[error(
        "it does not export `spillway:rule/policy@0.1.0`, so there is nothing to call (it exports {exports}); with the Rust SDK, add `export_policy!(YourRule)`"
    )]
    MissingPolicy {
        /// What it exports instead.
        exports: String,
    },
    /// A core module that does not say what its functions mean.
    #[error(
        "it is a core module without component metadata, so its functions have no types; build it with the Rust SDK or wit-bindgen, or upload a component"
    )]
    NoMetadata,
    /// A core module that cannot become a component.
    #[error("it cannot be made a component: {message}; the contract is plugins/wit/0.1/rule.wit")]
    NotAComponent {
        /// What is missing or wrong.
        message: String,
    },
}

/// Accepts a component of the contract as it is and wraps a core module that carries component metadata.
///
/// # Errors
/// [`UploadError`] with one sentence for the person who uploaded it.
pub fn validate(upload: &[u8]) -> Result<Vec<u8>, UploadError> {
    check_magic(upload)?;
    let component = match encoding(upload)? {
        Encoding::Component => upload.to_vec(),
        Encoding::Module => wrap(upload)?,
    };
    check_component(&component)?;
    Ok(component)
}

/// Size and first bytes: cheap enough to run before anything is queued or started.
pub(crate) fn check_magic(upload: &[u8]) -> Result<(), UploadError> {
    if upload.is_empty() {
        return Err(UploadError::Empty);
    }
    if upload.len() > limits::UPLOAD_BYTES {
        return Err(UploadError::TooLarge { size_bytes: upload.len(), limit_bytes: limits::UPLOAD_BYTES });
    }
    let native = [
        (&b"\x7fELF"[..], "an ELF file (a .cwasm, a shared library or a program)"),
        (b"MZ", "a Windows program"),
        (b"\xcf\xfa\xed\xfe", "a macOS program"),
        (b"\xca\xfe\xba\xbe", "a macOS program"),
    ];
    if let Some((_, what)) = native.iter().find(|(magic, _)| upload.starts_with(magic)) {
        return Err(UploadError::Precompiled { what: (*what).to_owned() });
    }
    if !upload.starts_with(b"\0asm") {
        return Err(UploadError::NotWasm { what: looks_like(upload) });
    }
    Ok(())
}

fn looks_like(upload: &[u8]) -> String {
    let known = [
        (&b"\x1f\x8b"[..], "gzip data (unpack it first)"),
        (b"\x28\xb5\x2f\xfd", "zstd data (unpack it first)"),
        (b"PK", "a zip archive (unpack it first)"),
        (b"(", "WebAssembly text (assemble it first)"),
        (b"<", "a web page"),
        (b"{", "JSON"),
        (b"--", "a multipart form (send the file itself as the body)"),
    ];
    let known = known.iter().find(|(magic, _)| upload.starts_with(magic)).map(|(_, what)| (*what).to_owned());
    known.unwrap_or_else(|| {
        let first: Vec<_> = upload.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("something that starts with the bytes {}", first.join(" "))
    })
}

fn encoding(upload: &[u8]) -> Result<Encoding, UploadError> {
    match Parser::new(0).parse_all(upload).next() {
        Some(Ok(Payload::Version { encoding, .. })) => Ok(encoding),
        Some(Err(error)) => Err(damaged(&error)),
        _ => Err(UploadError::Damaged { message: "it has no header".into() }),
    }
}

fn damaged(error: &wasmparser::BinaryReaderError) -> UploadError {
    UploadError::Damaged { message: error.to_string() }
}

/// A core module names its imports by module; those of the contract are the names of its interfaces.
fn wrap(module: &[u8]) -> Result<Vec<u8>, UploadError> {
    let mut metadata = false;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(|error| damaged(&error))? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(|error| damaged(&error))?;
                    check_import(import.module, Some(import.name))?;
                }
            }
            Payload::CustomSection(section) => metadata |= section.name().starts_with("component-type"),
            _ => {}
        }
    }
    if !metadata {
        return Err(UploadError::NoMetadata);
    }
    let encoded = ComponentEncoder::default().validate(true).module(module).and_then(|mut encoder| encoder.encode());
    // The alternate form prints the whole chain on one line; the outermost context alone never says what is missing.
    encoded.map_err(|error| UploadError::NotAComponent { message: format!("{error:#}") })
}

fn check_import(name: &str, item: Option<&str>) -> Result<(), UploadError> {
    if IMPORTS.contains(&name) {
        return Ok(());
    }
    if name.starts_with(PACKAGE) && !name.ends_with(&format!("@{VERSION}")) {
        return Err(UploadError::UnknownVersion { name: shown(name), known: VERSION.into() });
    }
    let name = item.map_or_else(|| shown(name), |item| shown(&format!("{name}.{item}")));
    Err(UploadError::ForeignImport { name })
}

fn check_component(component: &[u8]) -> Result<(), UploadError> {
    let mut exports = Vec::new();
    let mut other_version = None;
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| damaged(&error))? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            // Only the outermost component meets the host; what is nested inside gets what that one passes on.
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    check_import(import.map_err(|error| damaged(&error))?.name.name, None)?;
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let name = export.map_err(|error| damaged(&error))?.name.name;
                    if name.starts_with("spillway:rule/policy@") && name != POLICY {
                        other_version = Some(name.to_owned());
                    }
                    exports.push(name);
                }
            }
            _ => {}
        }
    }
    if exports.contains(&POLICY) {
        return Ok(());
    }
    if let Some(name) = other_version {
        return Err(UploadError::UnknownVersion { name: shown(&name), known: VERSION.into() });
    }
    let mut names: Vec<_> = exports.iter().take(NAMES_SHOWN).map(|name| format!("`{}`", shown(name))).collect();
    if exports.len() > NAMES_SHOWN {
        names.push(format!("{} more", exports.len() - NAMES_SHOWN));
    }
    Err(UploadError::MissingPolicy { exports: if names.is_empty() { "nothing".into() } else { names.join(", ") } })
}

/// A name out of an upload, fit for a message.
fn shown(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    crate::guest::cut(name, limits::NAME_BYTES)
}

#[cfg(test)]
mod tests;

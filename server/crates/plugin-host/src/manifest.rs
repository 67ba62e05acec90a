//! What a rule says about itself, checked before anybody reads it.

use serde_json::{Map, Value};
use spillway_model::rule::Manifest;
use thiserror::Error;

use crate::limits;

/// What is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// A text is missing or too long.
    #[error("{field} has {length} bytes, it must have {min} to {max}")]
    Length {
        /// Which text.
        field: &'static str,
        /// Its length in bytes.
        length: usize,
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
    /// The name would not fit a URL or a table.
    #[error("name {name:?} must consist of lower-case letters, digits and hyphens")]
    Name {
        /// The name.
        name: String,
    },
    /// A line break or worse in a one-line text.
    #[error("{field} holds control characters")]
    Control {
        /// Which text.
        field: &'static str,
    },
    /// The tick is out of range.
    #[error("tick-ms is {tick_ms}, it must be {} to {}", limits::TICK_MIN_MS, limits::TICK_MAX_MS)]
    Tick {
        /// What it asks for.
        tick_ms: u32,
    },
    /// The schema is not a JSON object.
    #[error("config-schema is not a JSON object: {message}")]
    Schema {
        /// Why.
        message: String,
    },
}

pub(crate) fn check(manifest: &Manifest) -> Result<(), ManifestError> {
    let length = |field, text: &str, min, max| {
        let length = text.len();
        if (min..=max).contains(&length) { Ok(()) } else { Err(ManifestError::Length { field, length, min, max }) }
    };
    length("name", &manifest.name, 1, 64)?;
    if !manifest.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return Err(ManifestError::Name { name: manifest.name.clone() });
    }
    length("version", &manifest.version, 1, 64)?;
    length("description", &manifest.description, 1, 1_024)?;
    for (field, text) in [("version", &manifest.version), ("description", &manifest.description)] {
        if text.chars().any(char::is_control) {
            return Err(ManifestError::Control { field });
        }
    }
    if !(limits::TICK_MIN_MS..=limits::TICK_MAX_MS).contains(&manifest.tick_ms) {
        return Err(ManifestError::Tick { tick_ms: manifest.tick_ms });
    }
    length("config-schema", &manifest.config_schema, 2, limits::CONFIGURATION_BYTES)?;
    default_configuration(&manifest.config_schema).map(drop)
}

/// The configuration that a schema describes when nobody sets anything: the `default` of every property, as JSON.
///
/// # Errors
/// [`ManifestError::Schema`] when the schema is not a JSON object.
pub fn default_configuration(schema: &str) -> Result<String, ManifestError> {
    match serde_json::from_str(schema) {
        Ok(Value::Object(schema)) => Ok(Value::Object(defaults(&schema)).to_string()),
        Ok(other) => Err(ManifestError::Schema { message: format!("it is {}", kind(&other)) }),
        Err(error) => Err(ManifestError::Schema { message: error.to_string() }),
    }
}

/// The recursion is bounded by `serde_json`, which parses 128 levels at most.
fn defaults(schema: &Map<String, Value>) -> Map<String, Value> {
    let Some(Value::Object(properties)) = schema.get("properties") else { return Map::new() };
    let each = properties.iter().filter_map(|(name, property)| {
        let property = property.as_object()?;
        let value = property.get("default").cloned().or_else(|| {
            let nested = defaults(property);
            (!nested.is_empty()).then_some(Value::Object(nested))
        })?;
        Some((name.clone(), value))
    });
    each.collect()
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Manifest {
        Manifest {
            name: "goodput-guard".into(),
            version: "1.0.0".into(),
            description: "Keeps goodput up.".into(),
            config_schema: "{}".into(),
            tick_ms: 1_000,
        }
    }

    #[test]
    fn each_field_is_checked() {
        assert_eq!(check(&good()), Ok(()));
        for (manifest, message) in [
            (Manifest { name: String::new(), ..good() }, "name has 0 bytes, it must have 1 to 64"),
            (
                Manifest { name: "Über".into(), ..good() },
                "name \"Über\" must consist of lower-case letters, digits and hyphens",
            ),
            (Manifest { version: "1\n".into(), ..good() }, "version holds control characters"),
            (
                Manifest { description: "x".repeat(1_025), ..good() },
                "description has 1025 bytes, it must have 1 to 1024",
            ),
            (Manifest { tick_ms: 10, ..good() }, "tick-ms is 10, it must be 250 to 60000"),
            (Manifest { config_schema: "[]".into(), ..good() }, "config-schema is not a JSON object: it is an array"),
        ] {
            assert_eq!(check(&manifest).map_err(|error| error.to_string()), Err(message.to_owned()));
        }
    }

    #[test]
    fn defaults_of_nested_properties_are_collected() {
        let schema = r#"{"properties":{"k":{"type":"number","default":2},"free":{"type":"string"},
            "window":{"type":"object","properties":{"seconds":{"default":30}}}}}"#;

        assert_eq!(default_configuration(schema), Ok(r#"{"k":2,"window":{"seconds":30}}"#.to_owned()));
        assert_eq!(default_configuration(r#"{"type":"object"}"#), Ok("{}".to_owned()));
    }
}

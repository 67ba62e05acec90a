//! Prometheus' discovery by file and by HTTP: groups of targets with labels.
//!
//! Source: `prometheus/docs`, `configuration` (`file_sd_config`, `http_sd_config`): `[{"targets": ["host:port", …], "labels": {"<name>":
//! "<value>", …}}, …]`. JSON only: what writes YAML can write JSON too.

use std::collections::BTreeMap;

use crate::{json::Reader, otlp::error::Read, reading::Unreadable};

/// Targets of one document.
pub const MAX_DISCOVERED: usize = 1_000;
/// Labels of one group.
const MAX_LABELS: usize = 64;
/// Bytes of an address, of a label's name and of its value.
const MAX_TEXT_BYTES: usize = 1_024;

/// One target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// `host:port`.
    pub address: String,
    /// Its group's labels.
    pub labels: BTreeMap<String, String>,
}

/// Reads a document.
///
/// # Errors
/// [`Unreadable`] when it is none, or holds more than [`MAX_DISCOVERED`] targets.
pub fn groups(body: &[u8]) -> Result<Vec<Discovered>, Unreadable> {
    let mut found = Vec::new();
    let mut too_many = false;
    let mut reader = Reader::new(body)?;
    reader.items(|reader| {
        let (mut addresses, mut labels) = (Vec::new(), BTreeMap::new());
        reader.members(|reader, key| match key {
            "targets" => reader.items(|reader| {
                let address = bounded(reader)?;
                if addresses.len() <= MAX_DISCOVERED {
                    addresses.extend(address);
                }
                Ok(())
            }),
            "labels" => reader.members(|reader, name| {
                if let Some(value) = bounded(reader)?
                    && labels.len() < MAX_LABELS
                    && name.len() <= MAX_TEXT_BYTES
                {
                    labels.insert(name.to_owned(), value);
                }
                Ok(())
            }),
            _ => reader.skip(),
        })?;
        for address in addresses {
            if found.len() == MAX_DISCOVERED {
                too_many = true;
                break;
            }
            found.push(Discovered { address, labels: labels.clone() });
        }
        Ok(())
    })?;
    reader.end()?;
    if too_many { Err(Unreadable(format!("more than {MAX_DISCOVERED} targets"))) } else { Ok(found) }
}

fn bounded(reader: &mut Reader<'_>) -> Read<Option<String>> {
    Ok(reader.string_or_skip()?.filter(|text| text.len() <= MAX_TEXT_BYTES).map(Into::into))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_become_targets_with_their_labels() {
        let body = json!([
            {"targets": ["10.0.0.1:9100", "cart:80"], "labels": {"job": "cart", "__metrics_path__": "/m"}},
            {"targets": ["x:1"]}, {"labels": {"job": "none"}}]);

        let found = groups(body.to_string().as_bytes()).unwrap();

        let seen: Vec<_> = found.iter().map(|found| (&*found.address, found.labels.len())).collect();
        assert_eq!(seen, [("10.0.0.1:9100", 2), ("cart:80", 2), ("x:1", 0)]);
        assert_eq!(found[0].labels["__metrics_path__"], "/m");
    }

    #[test]
    fn other_documents_are_refused_with_the_reason() {
        insta::assert_snapshot!(groups(b"- targets: [a]").unwrap_err(), @"expected an array, found `-` (line 1, column 1)");
        insta::assert_snapshot!(groups(b"[{\"targets\": \"a\"}]").unwrap_err(), @"[0].targets: expected an array, found `\"a\"` (line 1, column 14)");
        let many: Vec<String> = (0..=MAX_DISCOVERED).map(|number| format!("a:{number}")).collect();
        assert_eq!(
            groups(json!([{"targets": many}]).to_string().as_bytes()).unwrap_err().to_string(),
            "more than 1000 targets"
        );
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), noise in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut body = json!([{"targets": ["é:1"], "labels": {"a": "b"}}]).to_string().into_bytes();
            let at = at.index(body.len());
            body[at] = byte;
            let _ = (groups(&body), groups(&noise));
        }
    }
}

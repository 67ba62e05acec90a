//! JSON documents with one word for the whole, and parts with words of their own.

use std::borrow::Cow;

use spillway_model::event::HealthStatus;

use super::{Verdict, parts::Parts, plain_word, unreadable};
use crate::{json::Reader, otlp::error::Read};

/// Levels of Spring's composite components that are looked into.
const MAX_LEVELS: u32 = 4;

/// What was found in a document.
#[derive(Default)]
struct Found<'a> {
    /// The word for the whole.
    status: Option<Cow<'a, str>>,
    /// What it says about itself.
    output: Option<Cow<'a, str>>,
    parts: Parts,
}

impl<'a> Found<'a> {
    fn read(
        body: &'a [u8],
        mut member: impl FnMut(&mut Self, &mut Reader<'a>, &str) -> Read<()>,
    ) -> Result<Self, String> {
        let mut found = Self::default();
        let mut read = || {
            let mut reader = Reader::new(body)?;
            reader.members(|reader, key| member(&mut found, reader, key))?;
            reader.end()
        };
        read().map_err(|error| error.to_string())?;
        if found.status.is_none() {
            return Err("`status` is missing, or no text".into());
        }
        Ok(found)
    }

    /// The verdict by a table of words, all of them without regard to case and separators.
    fn judge(self, table: &[(&str, HealthStatus)], other: Option<HealthStatus>) -> Verdict {
        let status = self.status.unwrap_or_default();
        let word = plain_word(&status);
        let known = table.iter().find(|(known, _)| *known == word).map(|(_, status)| *status);
        let Some(judged) = known.or(other) else {
            return Verdict::none(format!("its status is `{}`", super::printable(&status)));
        };
        let parts = self.parts.sentence();
        let said = self.output.as_deref().map(super::printable).unwrap_or_default();
        let own_word = known.is_none().then(|| super::printable(&status));
        let detail: Vec<String> = own_word.into_iter().chain([said, parts]).filter(|text| !text.is_empty()).collect();
        Verdict::says(judged, detail.join(": "))
    }
}

/// Reads Spring Boot's `/actuator/health`. Words that it does not define itself (`CIRCUIT_OPEN` of resilience4j) are "degraded": the process
/// answers and says that something is not as it should be.
pub fn spring(status: u16, body: &[u8]) -> Verdict {
    let found = Found::read(body, |found, reader, key| match key {
        "status" => {
            found.status = reader.string_or_skip()?;
            Ok(())
        }
        "components" | "details" => components(reader, &mut found.parts, MAX_LEVELS),
        _ => reader.skip(),
    });
    match found {
        Ok(found) if found.status.as_deref().map(plain_word).as_deref() == Some("unknown") => {
            Verdict::none("its status is `UNKNOWN`")
        }
        Ok(found) => found.judge(
            &[("up", HealthStatus::Up), ("down", HealthStatus::Down), ("outofservice", HealthStatus::Down)],
            Some(HealthStatus::Degraded),
        ),
        Err(why) => unreadable(status, &why),
    }
}

/// `{"db": {"status": "DOWN", "details": {"error": "…"}}, "all": {"status", "components": {…}}}`.
fn components(reader: &mut Reader<'_>, parts: &mut Parts, levels: u32) -> Read<()> {
    if levels == 0 || reader.next_byte() != Some(b'{') {
        return reader.skip();
    }
    reader.members(|reader, name| {
        if reader.next_byte() != Some(b'{') {
            return reader.skip();
        }
        let (mut status, mut why) = (None, None);
        reader.members(|reader, key| {
            match key {
                "status" => status = reader.string_or_skip()?,
                "components" => components(reader, parts, levels - 1)?,
                "details" if reader.next_byte() == Some(b'{') => reader.members(|reader, key| {
                    match key {
                        "error" | "message" | "reason" => why = reader.string_or_skip()?,
                        _ => reader.skip()?,
                    }
                    Ok(())
                })?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        not_well(parts, name, status.as_deref(), why.as_deref(), &["up", "unknown"]);
        Ok(())
    })
}

fn not_well(parts: &mut Parts, name: &str, status: Option<&str>, why: Option<&str>, well: &[&str]) {
    if let Some(status) = status.filter(|status| !well.contains(&&*plain_word(status))) {
        parts.push(name, status, why.unwrap_or_default());
    }
}

/// Reads `application/health+json`.
pub fn health_json(status: u16, body: &[u8]) -> Verdict {
    let found = Found::read(body, |found, reader, key| {
        match key {
            "status" => found.status = reader.string_or_skip()?,
            "output" => found.output = reader.string_or_skip()?,
            "checks" if reader.next_byte() == Some(b'{') => {
                reader.members(|reader, name| match reader.next_byte() {
                    Some(b'[') => reader.items(|reader| check(reader, name, &mut found.parts)),
                    _ => check(reader, name, &mut found.parts),
                })?
            }
            _ => reader.skip()?,
        }
        Ok(())
    });
    let table = [
        ("pass", HealthStatus::Up),
        ("ok", HealthStatus::Up),
        ("up", HealthStatus::Up),
        ("warn", HealthStatus::Degraded),
        ("fail", HealthStatus::Down),
        ("error", HealthStatus::Down),
        ("down", HealthStatus::Down),
    ];
    found.map_or_else(|why| unreadable(status, &why), |found| found.judge(&table, None))
}

/// One `{"status", "output", …}` of health+json, or `{"name", "status", …}` of MicroProfile.
fn check(reader: &mut Reader<'_>, name: &str, parts: &mut Parts) -> Read<()> {
    if reader.next_byte() != Some(b'{') {
        return reader.skip();
    }
    let (mut own_name, mut status, mut why) = (None, None, None);
    reader.members(|reader, key| {
        match key {
            "name" => own_name = reader.string_or_skip()?,
            "status" => status = reader.string_or_skip()?,
            "output" => why = reader.string_or_skip()?,
            "data" if reader.next_byte() == Some(b'{') => reader.members(|reader, key| {
                match key {
                    "error" | "message" | "reason" | "rootCause" => why = reader.string_or_skip()?,
                    _ => reader.skip()?,
                }
                Ok(())
            })?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    not_well(parts, own_name.as_deref().unwrap_or(name), status.as_deref(), why.as_deref(), &["pass", "ok", "up"]);
    Ok(())
}

/// Reads MicroProfile Health.
pub fn microprofile(status: u16, body: &[u8]) -> Verdict {
    let found = Found::read(body, |found, reader, key| {
        match key {
            "status" => found.status = reader.string_or_skip()?,
            "checks" if reader.next_byte() == Some(b'[') => {
                reader.items(|reader| check(reader, "(no name)", &mut found.parts))?;
            }
            _ => reader.skip()?,
        }
        Ok(())
    });
    let table = [("up", HealthStatus::Up), ("down", HealthStatus::Down)];
    found.map_or_else(|why| unreadable(status, &why), |found| found.judge(&table, None))
}

/// Reads what .NET's `UIResponseWriter` writes.
pub fn dotnet(status: u16, body: &[u8]) -> Verdict {
    let found = Found::read(body, |found, reader, key| {
        match key {
            "status" => found.status = reader.string_or_skip()?,
            "entries" if reader.next_byte() == Some(b'{') => {
                reader.members(|reader, name| entry(reader, name, &mut found.parts))?;
            }
            _ => reader.skip()?,
        }
        Ok(())
    });
    let table =
        [("healthy", HealthStatus::Up), ("degraded", HealthStatus::Degraded), ("unhealthy", HealthStatus::Down)];
    found.map_or_else(|why| unreadable(status, &why), |found| found.judge(&table, None))
}

fn entry(reader: &mut Reader<'_>, name: &str, parts: &mut Parts) -> Read<()> {
    if reader.next_byte() != Some(b'{') {
        return reader.skip();
    }
    let (mut status, mut description, mut exception) = (None, None, None);
    reader.members(|reader, key| {
        match key {
            "status" => status = reader.string_or_skip()?,
            "description" => description = reader.string_or_skip()?,
            "exception" => exception = reader.string_or_skip()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    not_well(parts, name, status.as_deref(), description.or(exception).as_deref(), &["healthy"]);
    Ok(())
}

#[cfg(test)]
mod tests;

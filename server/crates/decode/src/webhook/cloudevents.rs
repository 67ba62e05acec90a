//! CloudEvents 1.0 over HTTP (`cloudevents/spec`, `bindings/http-protocol-binding.md` and `formats/json-format.md`): structured, binary, batch.
//!
//! Four types mean something here, each with a native event as its data: `spillway.breaker.v1`, `spillway.health.v1`, `spillway.limit.v1`,
//! `spillway.change.v1`. What the data leaves out the envelope says: `id`, `time` for `at`, and the last segment of `source` for `service`.
//! Other types are left out and counted, since a broker that forwards everything would otherwise repeat them for ever.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    native::{self, Given, MAX_EVENTS, MAX_LINK_BYTES, MAX_NAME_BYTES, WebhookError, fields::instant},
    posted::{Posted, cut},
};
use crate::{Limits, json::Reader};

mod header;

pub use header::value as header_value;

/// Ids are known by this and the event's own source: those of other webhooks are apart.
const SOURCE: &str = "cloudevents:";

/// How the events of a request stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One, as a JSON object.
    Structured,
    /// Some, as a JSON array.
    Batch,
    /// One: attributes are headers, the body is its data.
    Binary,
}

impl Mode {
    /// Which one a request is in; `None` for a format that is not JSON.
    pub fn of(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // The longer word first: it begins with the shorter.
        if let Some(format) = kind.strip_prefix("application/cloudevents-batch") {
            (format == "+json").then_some(Self::Batch)
        } else if let Some(format) = kind.strip_prefix("application/cloudevents") {
            // Without a format it is JSON, by the format's own words.
            matches!(format, "+json" | "").then_some(Self::Structured)
        } else {
            let json = kind.is_empty() || kind == "application/json" || kind.ends_with("+json");
            json.then_some(Self::Binary)
        }
    }
}

/// The attributes that matter here.
#[derive(Debug, Default)]
struct Attributes<'a> {
    specversion: Option<Cow<'a, str>>,
    r#type: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    time: Option<Cow<'a, str>>,
}

impl<'a> Attributes<'a> {
    fn place(&mut self, name: &str) -> Option<&mut Option<Cow<'a, str>>> {
        Some(match name {
            "specversion" => &mut self.specversion,
            "type" => &mut self.r#type,
            "source" => &mut self.source,
            "id" => &mut self.id,
            "time" => &mut self.time,
            _ => return None,
        })
    }
}

/// Where the data of an event is.
enum Data<'a> {
    Nowhere,
    /// The reader stands before it.
    Json(Reader<'a>),
    Base64(Cow<'a, str>),
}

/// Reads a body in structured or batch mode.
///
/// # Errors
/// [`WebhookError`] for the first thing that is wrong; then no event of the request counts.
pub fn structured(body: &[u8], limits: &Limits, now_ns: i64) -> Result<Posted, WebhookError> {
    let mut reader = native::open(body, limits)?;
    let mut posted = Posted::default();
    envelope(&mut reader, "", limits, now_ns, &mut posted)?;
    reader.end().map_err(native::syntax(""))?;
    Ok(posted)
}

/// Reads a batch of up to [`MAX_EVENTS`]; none at all is one too.
///
/// # Errors
/// As [`structured`].
pub fn batch(body: &[u8], limits: &Limits, now_ns: i64) -> Result<Posted, WebhookError> {
    let mut reader = native::open(body, limits)?;
    let mut posted = Posted::default();
    let mut array = reader.array().map_err(native::syntax(""))?;
    let mut index = 0;
    while reader.item(&mut array).map_err(native::syntax(""))? {
        if index == MAX_EVENTS {
            return Err(WebhookError::new("", format!("more than {MAX_EVENTS} events in one request")));
        }
        envelope(&mut reader, &format!("/{index}"), limits, now_ns, &mut posted)?;
        index += 1;
    }
    reader.end().map_err(native::syntax(""))?;
    Ok(posted)
}

/// Reads a body in binary mode. `headers` are those that begin with `ce-`, without it, in lower case.
///
/// # Errors
/// As [`structured`].
pub fn binary(
    headers: &[(String, Vec<u8>)],
    body: &[u8],
    limits: &Limits,
    now_ns: i64,
) -> Result<Posted, WebhookError> {
    let mut attributes = Attributes::default();
    for (name, value) in headers {
        let Some(place) = attributes.place(name) else { continue };
        let value = header::value(value).map_err(|why| WebhookError::new(format!("ce-{name}"), why))?;
        if place.replace(value.into()).is_some() {
            return Err(WebhookError::new(format!("ce-{name}"), "comes twice"));
        }
    }
    let data = if body.trim_ascii().is_empty() { Data::Nowhere } else { Data::Json(native::open(body, limits)?) };
    let mut posted = Posted::default();
    take(&attributes, data, Place::Headers, limits, now_ns, &mut posted)?;
    Ok(posted)
}

/// Where the attributes of an event stand: what the text of an error says.
#[derive(Clone, Copy)]
enum Place<'a> {
    Headers,
    Json(&'a str),
}

impl Place<'_> {
    fn attribute(self, name: &str) -> String {
        match self {
            Self::Headers => format!("ce-{name}"),
            Self::Json(pointer) => format!("{pointer}/{name}"),
        }
    }

    fn data(self) -> String {
        match self {
            Self::Headers => String::new(),
            Self::Json(pointer) => format!("{pointer}/data"),
        }
    }
}

fn envelope(
    reader: &mut Reader<'_>,
    pointer: &str,
    limits: &Limits,
    now_ns: i64,
    posted: &mut Posted,
) -> Result<(), WebhookError> {
    let syntax = native::syntax(pointer);
    let place = Place::Json(pointer);
    let mut attributes = Attributes::default();
    let mut data = Data::Nowhere;
    let mut members = reader.object().map_err(&syntax)?;
    while let Some(key) = reader.key(&mut members).map_err(&syntax)? {
        // What is null is not there.
        if reader.null() {
            continue;
        }
        let before = match &*key {
            "data" => {
                let at = *reader;
                reader.skip().map_err(&syntax)?;
                std::mem::replace(&mut data, Data::Json(at))
            }
            "data_base64" => std::mem::replace(&mut data, Data::Base64(reader.string().map_err(&syntax)?)),
            name => {
                match attributes.place(name) {
                    Some(attribute) => {
                        let value = reader
                            .string()
                            .map_err(|error| WebhookError::new(place.attribute(name), error.to_string()))?;
                        if attribute.replace(value).is_some() {
                            return Err(WebhookError::new(place.attribute(name), "the key comes twice"));
                        }
                    }
                    // Extensions.
                    None => reader.skip().map_err(&syntax)?,
                }
                continue;
            }
        };
        if !matches!(before, Data::Nowhere) {
            return Err(WebhookError::new(pointer, "has data more than once"));
        }
    }
    take(&attributes, data, place, limits, now_ns, posted)
}

fn take(
    attributes: &Attributes<'_>,
    data: Data<'_>,
    place: Place<'_>,
    limits: &Limits,
    now_ns: i64,
    posted: &mut Posted,
) -> Result<(), WebhookError> {
    let required = |name: &str, value: &Option<Cow<'_, str>>, limit: usize| -> Result<String, WebhookError> {
        let error = |detail: String| WebhookError::new(place.attribute(name), detail);
        match value.as_deref() {
            None => Err(error("is missing".into())),
            Some("") => Err(error("must not be empty".into())),
            Some(text) if text.len() > limit => Err(error(format!("has {} bytes, {limit} are allowed", text.len()))),
            Some(text) => Ok(text.to_owned()),
        }
    };
    let version = required("specversion", &attributes.specversion, MAX_NAME_BYTES)?;
    if version != "1.0" {
        let detail = format!("is `{}`: only 1.0 is understood", cut(&version, 32));
        return Err(WebhookError::new(place.attribute("specversion"), detail));
    }
    let source = required("source", &attributes.source, MAX_LINK_BYTES)?;
    let id = required("id", &attributes.id, MAX_NAME_BYTES)?;
    let kind = required("type", &attributes.r#type, MAX_NAME_BYTES)?;
    let at_ns = match attributes.time.as_deref() {
        Some(time) => Some(instant(time, now_ns).map_err(|detail| WebhookError::new(place.attribute("time"), detail))?),
        None => None,
    };
    let kind = match &*kind {
        "spillway.breaker.v1" => "breaker",
        "spillway.health.v1" => "health",
        "spillway.limit.v1" => "limit",
        "spillway.change.v1" => "change",
        other => {
            posted.ignore(format!("type `{}` means nothing here", cut(other, 64)));
            return Ok(());
        }
    };
    let given = Given { kind: Some(kind), id: Some(&id), service: service_of(&source), at_ns };
    let pointer = place.data();
    let event = match data {
        Data::Nowhere => return Err(WebhookError::new(pointer, "is missing")),
        Data::Json(mut reader) => {
            let event = native::event(&mut reader, &pointer, given, now_ns)?;
            // Of a document, what follows was looked at before.
            if matches!(place, Place::Headers) {
                reader.end().map_err(native::syntax(&pointer))?;
            }
            event
        }
        Data::Base64(text) => {
            let pointer = format!("{pointer}_base64");
            let bytes =
                STANDARD.decode(text.as_bytes()).map_err(|_| WebhookError::new(&*pointer, "is not valid base64"))?;
            let mut reader = native::open(&bytes, limits)?;
            let event = native::event(&mut reader, &pointer, given, now_ns)?;
            reader.end().map_err(native::syntax(&pointer))?;
            event
        }
    };
    posted.add(&format!("{SOURCE}{source}"), event);
    Ok(())
}

/// `checkout` of `checkout`, `/services/checkout` and `urn:service:checkout`.
fn service_of(source: &str) -> Option<&str> {
    let last = source.trim_end_matches('/').rsplit(['/', ':']).next()?;
    (!last.is_empty() && last.len() <= MAX_NAME_BYTES).then_some(last)
}

#[cfg(test)]
mod tests;

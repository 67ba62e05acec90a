//! Hystrix' event stream: server-sent events, one JSON object for each command and thread pool, over and over.
//!
//! Source: Netflix/Hystrix, `hystrix-contrib/hystrix-metrics-event-stream` (README); the format lives on in opossum-hystrix and in what
//! Turbine sums up over hosts. It has no half open: opossum-hystrix says open for it.
//!
//! | field | here |
//! |---|---|
//! | `type` | `HystrixCommand` is a breaker, `HystrixThreadPool` a bulkhead; collapsers and Turbine's `meta` are left out |
//! | `name`, `group` | name; target (of a thread pool both are `name`) |
//! | `isCircuitBreakerOpen` | a boolean; from Turbine also a number of hosts or `{"true": 1, "false": 2}`: open when any host is |
//! | `propertyValue_circuitBreakerForceOpen`, `…ForceClosed`, `…Enabled` = false | forced open, metrics only, disabled, on all hosts |
//! | `currentActiveCount`, `currentMaximumPoolSize`, `currentQueueSize` | in use, limit, waiting; exhausted when all threads are busy |
//! | `currentTime` (ms) | when |

use spillway_model::event::{BreakerState, Guard, LimitState};

use crate::{
    json::Reader,
    otlp::error::Read,
    reading::{Reading, Readings, Says, Unreadable},
};

/// Bytes of one message. A command's has some 3 kB.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// A stream that is being read. Lines may come in any pieces.
#[derive(Debug, Default)]
pub struct Stream {
    /// The line that has begun.
    line: Vec<u8>,
    /// The message that has begun: `data:` lines until an empty one.
    data: Vec<u8>,
    /// More came than a message may have; the rest of it is passed over.
    too_long: bool,
}

impl Stream {
    /// Takes the next piece, and adds what its messages say.
    pub fn push(&mut self, mut piece: &[u8], readings: &mut Readings) {
        while let Some(end) = memchr::memchr(b'\n', piece) {
            self.extend_line(&piece[..end]);
            piece = &piece[end + 1..];
            self.end_line(readings);
        }
        self.extend_line(piece);
    }

    fn extend_line(&mut self, piece: &[u8]) {
        if self.line.len() + self.data.len() + piece.len() > MAX_MESSAGE_BYTES {
            self.too_long = true;
        } else if !self.too_long {
            self.line.extend_from_slice(piece);
        }
    }

    fn end_line(&mut self, readings: &mut Readings) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        // Only `data` counts; `ping:` keeps the connection, and a line that begins with `:` is a comment.
        if let Some(data) = line.strip_prefix(b"data:") {
            self.data.extend_from_slice(data);
            self.data.push(b'\n');
        }
        if !line.is_empty() && !self.too_long {
            return;
        }
        let data = std::mem::take(&mut self.data);
        if std::mem::take(&mut self.too_long) {
            readings.ignored.count("(a message)", "longer than 64 KiB");
        } else if !data.is_empty() {
            match message(&data) {
                Ok(said) => readings.extend(said),
                Err(_) => readings.ignored.count("(a message)", "not a JSON object of the Hystrix stream"),
            }
        }
    }
}

/// Reads one message: the JSON behind `data:`.
///
/// # Errors
/// [`Unreadable`] when it is no such object.
pub fn message(body: &[u8]) -> Result<Readings, Unreadable> {
    let mut message = Message::default();
    let mut reader = Reader::new(body)?;
    reader.members(|reader, key| message.member(reader, key))?;
    reader.end()?;
    let mut readings = Readings::default();
    match &*message.kind {
        "HystrixCommand" => {
            let target = if message.group.is_empty() { &message.name } else { &message.group };
            match message.state() {
                Some(state) => {
                    let at_ns = message.at_ns;
                    readings.push(Reading { at_ns, ..Reading::breaker(target, &message.name, state) });
                }
                None => readings.ignored.count(&message.name, "it does not say whether it is open"),
            }
        }
        "HystrixThreadPool" => readings.push(Reading {
            target: (&*message.name).into(),
            name: (&*message.name).into(),
            instance: None,
            says: message.limit(),
            at_ns: message.at_ns,
        }),
        "" => return Err(Unreadable("`type` is missing".into())),
        kind => readings.ignored.count(kind, "neither HystrixCommand nor HystrixThreadPool"),
    }
    Ok(readings)
}

#[derive(Default)]
struct Message {
    kind: String,
    name: String,
    group: String,
    at_ns: Option<i64>,
    open: Option<bool>,
    forced_open: bool,
    forced_closed: bool,
    disabled: bool,
    active: Option<u32>,
    most: Option<u32>,
    queued: Option<u32>,
}

impl Message {
    fn member(&mut self, reader: &mut Reader<'_>, key: &str) -> Read<()> {
        let text = |reader: &mut Reader<'_>| -> Read<String> {
            let text = reader.string_or_skip()?.unwrap_or_default();
            // One character beyond the limit of names, so that a long one is refused as such.
            Ok(text[..text.floor_char_boundary(crate::webhook::MAX_NAME_BYTES + 4)].to_owned())
        };
        match key {
            "type" => self.kind = text(reader)?,
            "name" => self.name = text(reader)?,
            "group" => self.group = text(reader)?,
            "currentTime" => {
                // 2^53 ms, up to which a double counts, lie beyond what ns in 64 bits reach.
                let ms = reader.number_or_skip()?.filter(|ms| (0.0..=9e12).contains(ms));
                self.at_ns = ms.map(|ms| ms as i64 * 1_000_000);
            }
            "isCircuitBreakerOpen" => self.open = hosts(reader)?.map(|hosts| hosts.yes > 0.0),
            "propertyValue_circuitBreakerForceOpen" => self.forced_open = all(reader)?,
            "propertyValue_circuitBreakerForceClosed" => self.forced_closed = all(reader)?,
            "propertyValue_circuitBreakerEnabled" => {
                self.disabled = hosts(reader)?.is_some_and(|hosts| hosts.no > 0.0 && hosts.yes == 0.0);
            }
            "currentActiveCount" => self.active = count(reader)?,
            "currentMaximumPoolSize" => self.most = count(reader)?,
            "currentQueueSize" => self.queued = count(reader)?,
            _ => reader.skip()?,
        }
        Ok(())
    }

    fn state(&self) -> Option<BreakerState> {
        Some(match self.open? {
            _ if self.disabled => BreakerState::Disabled,
            _ if self.forced_open => BreakerState::ForcedOpen,
            // It still counts, and never opens.
            _ if self.forced_closed => BreakerState::MetricsOnly,
            true => BreakerState::Open,
            false => BreakerState::Closed,
        })
    }

    fn limit(&self) -> Says {
        let full = self.active.zip(self.most).is_some_and(|(active, most)| most > 0 && active >= most);
        Says::Limit {
            guard: Guard::Bulkhead,
            state: if full { LimitState::Exhausted } else { LimitState::Free },
            in_use: self.active,
            limit: self.most,
            waiting: self.queued,
        }
    }
}

/// Of how many hosts something is true. A host alone says it with a boolean.
struct Hosts {
    yes: f64,
    no: f64,
}

fn hosts(reader: &mut Reader<'_>) -> Read<Option<Hosts>> {
    let of = |yes: bool| if yes { Hosts { yes: 1.0, no: 0.0 } } else { Hosts { yes: 0.0, no: 1.0 } };
    Ok(match reader.next_byte() {
        Some(b'{') => {
            let mut hosts = Hosts { yes: 0.0, no: 0.0 };
            reader.members(|reader, key| {
                let number = reader.number_or_skip()?.unwrap_or_default();
                match key {
                    "true" => hosts.yes += number,
                    "false" => hosts.no += number,
                    _ => {}
                }
                Ok(())
            })?;
            Some(hosts)
        }
        Some(b'"') => match reader.string()?.as_ref() {
            "true" => Some(of(true)),
            "false" => Some(of(false)),
            _ => None,
        },
        Some(b'-' | b'0'..=b'9') => reader.number_or_skip()?.map(|number| of(number > 0.0)),
        _ => reader.bool_or_skip()?.map(of),
    })
}

/// True when it is so on every host that says anything.
fn all(reader: &mut Reader<'_>) -> Read<bool> {
    Ok(hosts(reader)?.is_some_and(|hosts| hosts.yes > 0.0 && hosts.no == 0.0))
}

fn count(reader: &mut Reader<'_>) -> Read<Option<u32>> {
    let number = reader.number_or_skip()?;
    Ok(number.filter(|number| (0.0..=f64::from(u32::MAX)).contains(number)).map(|number| number as u32))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn command(key: &str, value: Value) -> Value {
        let mut command = json!({"type": "HystrixCommand", "name": "PlaceOrder", "group": "orders", "currentTime": 5,
            "isCircuitBreakerOpen": false, "propertyValue_circuitBreakerForceOpen": false, "latencyExecute": {"0": 1},
            "propertyValue_circuitBreakerForceClosed": false, "propertyValue_circuitBreakerEnabled": true});
        command[key] = value;
        command
    }

    fn state(command: &Value) -> Option<BreakerState> {
        let readings = message(command.to_string().as_bytes()).unwrap();
        readings.readings.first().map(|reading| match reading.says {
            Says::Breaker(state) => state,
            Says::Limit { .. } => panic!("a limit"),
        })
    }

    #[test]
    fn a_command_is_a_breaker_alone_and_summed_up() {
        use BreakerState::{Closed, Disabled, ForcedOpen, MetricsOnly, Open};
        for (value, expected) in [
            (json!(false), Some(Closed)),
            (json!(true), Some(Open)),
            (json!("true"), Some(Open)),
            (json!(0), Some(Closed)),
            (json!(2), Some(Open)),
            (json!({"false": 2, "true": 1}), Some(Open)),
            (json!({"false": 3}), Some(Closed)),
            (json!(null), None),
            (json!("ajar"), None),
        ] {
            assert_eq!(state(&command("isCircuitBreakerOpen", value.clone())), expected, "{value}");
        }
        assert_eq!(state(&command("propertyValue_circuitBreakerForceOpen", json!(true))), Some(ForcedOpen));
        assert_eq!(state(&command("propertyValue_circuitBreakerForceClosed", json!(true))), Some(MetricsOnly));
        assert_eq!(state(&command("propertyValue_circuitBreakerEnabled", json!(false))), Some(Disabled));
        let some = command("propertyValue_circuitBreakerForceOpen", json!({"true": 1, "false": 1}));
        assert_eq!(state(&some), Some(Closed));

        let readings = message(command("group", json!("orders")).to_string().as_bytes()).unwrap();
        let expected = Reading { at_ns: Some(5_000_000), ..Reading::breaker("orders", "PlaceOrder", Closed) };
        assert_eq!(readings.readings, [expected]);
    }

    #[test]
    fn a_thread_pool_is_a_bulkhead() {
        let pool = |active: u32| {
            let pool = json!({"type": "HystrixThreadPool", "name": "orders", "currentActiveCount": active,
                "currentMaximumPoolSize": 10, "currentQueueSize": 3, "reportingHosts": 1});
            message(pool.to_string().as_bytes()).unwrap().readings[0].says
        };
        let limit = |state, in_use| Says::Limit {
            guard: Guard::Bulkhead,
            state,
            in_use: Some(in_use),
            limit: Some(10),
            waiting: Some(3),
        };

        assert_eq!(pool(9), limit(LimitState::Free, 9));
        assert_eq!(pool(10), limit(LimitState::Exhausted, 10));
    }

    /// What a stream says when it comes in pieces of this size.
    fn streamed(text: &[u8], size: usize) -> Readings {
        let (mut stream, mut readings) = (Stream::default(), Readings::default());
        for piece in text.chunks(size) {
            stream.push(piece, &mut readings);
        }
        readings
    }

    #[test]
    fn a_stream_says_the_same_in_any_pieces_and_pings_say_nothing() {
        let text = format!(
            "ping: \n\ndata: {}\n\n: comment\nid: 4\ndata: {}\r\n\r\ndata: {{\"type\":\"meta\"}}\n\ndata: oops\n\ndata: {}",
            command("name", json!("a")),
            command("name", json!("b")),
            command("name", json!("unfinished")),
        );

        let whole = streamed(text.as_bytes(), text.len());

        let names: Vec<_> = whole.readings.iter().map(|reading| &*reading.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(
            whole.ignored.iter().collect::<Vec<_>>(),
            [
                ("(a message)", "not a JSON object of the Hystrix stream", 1),
                ("meta", "neither HystrixCommand nor HystrixThreadPool", 1)
            ]
        );
        for size in 1..40 {
            assert_eq!(streamed(text.as_bytes(), size), whole, "{size}");
        }
    }

    #[test]
    fn a_message_without_end_takes_no_memory_and_the_next_is_read() {
        let mut text = b"data: ".to_vec();
        text.resize(3 * MAX_MESSAGE_BYTES, b'x');
        text.extend_from_slice(format!("\n\ndata: {}\n\n", command("name", json!("next"))).as_bytes());

        let readings = streamed(&text, 1_000);

        assert_eq!(readings.readings.len(), 1);
        assert_eq!(readings.ignored.iter().next().unwrap(), ("(a message)", "longer than 64 KiB", 1));
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), noise in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut body = command("isCircuitBreakerOpen", json!({"true": 1})).to_string().into_bytes();
            let at = at.index(body.len());
            body[at] = byte;
            let _ = message(&body);
            let _ = message(&noise);
            let _ = streamed(&noise, 7);
        }
    }
}

//! One question to one address, in the form that the target speaks.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use spillway_api::TargetFormat;
use spillway_decode::{
    breaker::{envoy, hystrix, resilience4j},
    health::{self, Verdict},
    prometheus,
    reading::{Readings, Says, Unreadable},
    series::{Fold, Turns},
};
use spillway_model::event::HealthStatus;

use super::{
    fetch::{self, Answer, Enough, Failed},
    target::Target,
};

/// Bytes of an answer that are kept for people.
pub const KEPT_BODY_BYTES: usize = 4 << 10;
/// One character more is held, so that what was cut can be told from what ends there.
const HELD_BODY_BYTES: usize = KEPT_BODY_BYTES + 4;
/// A stream is listened to for this long at most: Hystrix sends each command every half second by default, dashboards are set up for two seconds.
const LISTEN: Duration = Duration::from_secs(3);

/// How long a question to this target may take. A stream is an answer that takes its time.
pub fn patience(target: &Target) -> Duration {
    match target.spec.format {
        TargetFormat::Hystrix => target.timeout() + listen(target),
        _ => target.timeout(),
    }
}

fn listen(target: &Target) -> Duration {
    LISTEN.min((target.every() - target.timeout()) / 2)
}

const JSON: &str = "application/json, application/vnd.spring-boot.actuator.v3+json;q=0.9, */*;q=0.1";
const HEALTH_JSON: &str = "application/health+json, application/json;q=0.9, */*;q=0.1";
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;q=0.5, text/plain;version=0.0.4";

/// What an answer said.
#[derive(Debug, Default)]
pub struct Said {
    /// Its health, where the format has one.
    pub health: Option<Verdict>,
    /// What happened, with the time of each: read before the states, which are newer.
    pub happened: Readings,
    /// How its breakers and limiters are.
    pub states: Readings,
    /// A part of the answer could not be read: which, and why.
    pub trouble: Option<String>,
    /// The HTTP status of the first answer.
    pub status: Option<u16>,
    /// The begin of the first body.
    pub body: Bytes,
}

impl Said {
    fn of(answer: &Answer) -> Self {
        Self { status: Some(answer.status), body: kept(&answer.body), ..Self::default() }
    }

    fn states(mut self, read: Result<Readings, Unreadable>) -> Self {
        match read {
            Ok(readings) => self.states.extend(readings),
            Err(error) => self.trouble = Some(error.to_string()),
        }
        self
    }
}

fn kept(body: &Bytes) -> Bytes {
    body.slice(..body.len().min(HELD_BODY_BYTES))
}

/// Asks. The caller bounds the time.
///
/// # Errors
/// [`Failed`] when there is no answer.
pub async fn ask(target: &Target, address: SocketAddr, turns: &mut Turns) -> Result<Said, Failed> {
    Ok(match target.spec.format {
        TargetFormat::Http => judged(&whole(target, address, "*/*").await?, health::plain),
        TargetFormat::HealthJson => judged(&whole(target, address, HEALTH_JSON).await?, health::health_json),
        TargetFormat::Microprofile => judged(&whole(target, address, JSON).await?, health::microprofile),
        TargetFormat::Dotnet => judged(&whole(target, address, JSON).await?, health::dotnet),
        TargetFormat::Consul => judged(&whole(target, address, JSON).await?, health::consul),
        TargetFormat::Tcp => {
            fetch::connect(address).await?;
            Said { health: Some(Verdict::says(HealthStatus::Up, "")), ..Said::default() }
        }
        TargetFormat::Grpc => {
            let service = target.place.path.trim_start_matches('/');
            let (code, message) = fetch::grpc_check(&target.place, address, service).await?;
            Said { health: Some(health::grpc(code, &message)), ..Said::default() }
        }
        TargetFormat::Actuator => actuator(target, address).await?,
        TargetFormat::Hystrix => stream(target, address).await?,
        TargetFormat::Envoy => envoy(target, address).await?,
        TargetFormat::Prometheus => {
            let answer = whole(target, address, PROMETHEUS).await?;
            match expect_200(&answer) {
                Some(said) => said,
                None => Said::of(&answer).states(scrape(&answer.body, turns)),
            }
        }
    })
}

async fn whole(target: &Target, address: SocketAddr, accept: &str) -> Result<Answer, Failed> {
    fetch::get(&target.place, address, &target.place.path, accept).await
}

fn judged(answer: &Answer, judge: fn(u16, &[u8]) -> Verdict) -> Said {
    Said { health: Some(judge(answer.status, &answer.body)), ..Said::of(answer) }
}

fn expect_200(answer: &Answer) -> Option<Said> {
    let trouble = format!("it answers {}", answer.status);
    (answer.status != 200).then(|| Said { trouble: Some(trouble), ..Said::of(answer) })
}

fn scrape(body: &[u8], turns: &mut Turns) -> Result<Readings, Unreadable> {
    let mut fold = Fold::default();
    prometheus::samples(body, |sample| {
        fold.take(sample);
    })?;
    Ok(fold.finish(turns))
}

/// Health, then what happened, then how things are: a breaker that turns in between is told twice rather than not at all. What is not there
/// (a service without resilience4j, or without limiters) is left out.
async fn actuator(target: &Target, address: SocketAddr) -> Result<Said, Failed> {
    let place = &target.place;
    let answer = fetch::get(place, address, &place.below("/health"), JSON).await?;
    let mut said = Said { health: Some(health::spring(answer.status, &answer.body)), ..Said::of(&answer) };
    type Read = fn(&[u8]) -> Result<Readings, Unreadable>;
    let happened: [(&str, Read); 3] = [
        ("/circuitbreakerevents", resilience4j::circuit_breaker_events),
        ("/bulkheadevents", resilience4j::limit_events),
        ("/ratelimiterevents", resilience4j::limit_events),
    ];
    for (path, read) in happened {
        if let Some(readings) = part(target, address, path, read, &mut said.trouble).await? {
            said.happened.extend(readings);
        }
    }
    let states = part(target, address, "/circuitbreakers", resilience4j::circuit_breakers, &mut said.trouble).await?;
    said.states.extend(states.unwrap_or_default());
    Ok(said)
}

async fn part(
    target: &Target,
    address: SocketAddr,
    path: &str,
    read: fn(&[u8]) -> Result<Readings, Unreadable>,
    trouble: &mut Option<String>,
) -> Result<Option<Readings>, Failed> {
    let answer = fetch::get(&target.place, address, &target.place.below(path), JSON).await?;
    match answer.status {
        200 => match read(&answer.body) {
            Ok(readings) => return Ok(Some(readings)),
            Err(error) => *trouble = Some(format!("{path}: {error}")),
        },
        404 => {}
        status => *trouble = Some(format!("{path} answers {status}")),
    }
    Ok(None)
}

/// Listens until something comes for the second time: then everything came once.
async fn stream(target: &Target, address: SocketAddr) -> Result<Said, Failed> {
    let place = &target.place;
    let (mut stream, mut states) = (hystrix::Stream::default(), Readings::default());
    let (mut body, mut answered) = (Vec::new(), None);
    let mut seen: BTreeSet<(bool, Arc<str>, Arc<str>)> = BTreeSet::new();
    let listen_for = listen(target);
    let listening = fetch::get_pieces(place, address, &place.path, "text/event-stream", |status, piece| {
        answered = Some(status);
        body.extend_from_slice(&piece[..piece.len().min(HELD_BODY_BYTES - body.len())]);
        if status != 200 {
            return Enough::No;
        }
        let known = states.readings.len();
        stream.push(piece, &mut states);
        let again = states.readings[known..].iter().any(|reading| {
            let breaker = matches!(reading.says, Says::Breaker(_));
            !seen.insert((breaker, reading.target.clone(), reading.name.clone()))
        });
        if again { Enough::Yes } else { Enough::No }
    });
    // A stream does not end by itself, so its end is a time; one that said nothing in it is no answer.
    let listened = tokio::time::timeout(listen_for, listening).await;
    let status = match listened {
        Ok(status) => status?,
        Err(_) => answered.ok_or_else(|| Failed::NoAnswer("the stream says nothing".into()))?,
    };
    let trouble = match (status, states.readings.is_empty()) {
        (200, false) => None,
        (200, true) => Some("the stream names no command and no thread pool".into()),
        (503, _) => Some("it answers 503: too many listen to the stream".into()),
        _ => Some(format!("it answers {status}")),
    };
    Ok(Said { states, trouble, status: Some(status), body: body.into(), ..Said::default() })
}

/// Ejected hosts, then limits. `/clusters` as text where the JSON form is not known.
async fn envoy(target: &Target, address: SocketAddr) -> Result<Said, Failed> {
    let place = &target.place;
    let answer = fetch::get(place, address, &place.below("/clusters?format=json"), JSON).await?;
    if let Some(said) = expect_200(&answer) {
        return Ok(said);
    }
    let is_json = answer.body.trim_ascii_start().first() == Some(&b'{');
    let read = if is_json { envoy::clusters::json } else { envoy::clusters::text };
    let said = Said::of(&answer).states(read(&answer.body));
    let limits = fetch::get(place, address, &place.below("/stats?filter=circuit_breakers"), "text/plain").await?;
    if limits.status != 200 {
        return Ok(Said { trouble: Some(format!("/stats answers {}", limits.status)), ..said });
    }
    Ok(said.states(envoy::stats::text(&limits.body)))
}

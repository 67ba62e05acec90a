//! Failures below SQLite: calls on the data's files that fail, a full disk, a clock that jumps.

use std::{collections::BTreeSet, fs::File, os::unix::fs::FileExt as _, time::Duration};

use http::{Method, StatusCode};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use tempfile::TempDir;

use crate::{
    crash::events_stored,
    harness::{
        Answer, Client, Server, eventually, shim,
        telemetry::{breaker, call, hex, otlp, trace_id},
    },
};

const EIO: i64 = 5;
const EMFILE: i64 = 24;
const ENOSPC: i64 = 28;
/// Half of the bytes are written, and then nothing.
const SHORT: i64 = 0;

/// What the shim counts, as in `shim/faults.c`.
const WRITE: i64 = 1;
const SYNC: i64 = 2;
const TRUNCATE: i64 = 4;
const OPEN: i64 = 8;

/// Longer than the pause between two looks at a disk that failed.
const BY_ITSELF: Duration = Duration::from_secs(10);

/// The control file of the shim, and the folder that it is in.
struct Faults {
    folder: TempDir,
    control: File,
}

impl Faults {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        shim::compile("faults", folder.path());
        let control =
            File::options().read(true).write(true).create_new(true).open(folder.path().join("control")).unwrap();
        control.set_len(7 * 8).unwrap();
        Self { folder, control }
    }

    /// A server whose calls can be made to fail.
    async fn server(&self, data: TempDir, variables: &[(&str, &str)]) -> Server {
        let path = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let (library, control, dir) = (path("faults.so"), path("control"), data.path().to_str().unwrap().to_owned());
        let mut all = vec![("LD_PRELOAD", library.as_str()), ("FAULTS_CONTROL", &control), ("FAULTS_DIR", &dir)];
        all.extend(variables);
        Server::start_in_with_variables(data, &all).await
    }

    /// From now on: after `from` calls of that kind, `times` of them fail.
    fn arm(&self, calls: i64, from: i64, times: i64, errno: i64) {
        // The kinds last, since they switch it on.
        self.disarm();
        for (place, number) in [(1, from), (2, times), (3, errno), (4, 0), (5, 0), (0, calls)] {
            self.set(place, number);
        }
    }

    fn disarm(&self) {
        self.set(0, 0);
    }

    /// How many calls failed since they were armed.
    fn failed(&self) -> i64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, 5 * 8).unwrap();
        i64::from_ne_bytes(bytes)
    }

    fn set(&self, place: u64, number: i64) {
        self.control.write_all_at(&number.to_ne_bytes(), place * 8).unwrap();
    }
}

/// A sender that remembers what it was told.
struct Sender {
    client: Client,
    acknowledged: BTreeSet<u64>,
    refused: BTreeSet<u64>,
    events: BTreeSet<u64>,
    /// Acknowledged traces up to this one were found after a restart.
    checked: u64,
}

impl Sender {
    fn new() -> Self {
        let (acknowledged, refused, events) = Default::default();
        Self { client: Client::new(), acknowledged, refused, events, checked: 0 }
    }

    /// Sends a trace; true when it was acknowledged. Any other answer must tell the sender to come back.
    async fn trace(&mut self, server: &Server, number: u64) -> bool {
        let answer = self.client.send(otlp(&server.otlp_http, &call(number))).await;
        let stored = stored(&answer, server);
        if stored { &mut self.acknowledged } else { &mut self.refused }.insert(number);
        stored
    }

    async fn event(&mut self, server: &Server, number: u64) -> bool {
        let event = breaker(&format!("e-{number}"), "open");
        let answer = self.client.json(Method::POST, &server.url("/webhooks/spillway"), &event).await;
        let stored = stored(&answer, server);
        if stored {
            self.events.insert(number);
        }
        stored
    }

    /// Whether a trace is there, with both of its spans and each of them once.
    async fn finds(&self, server: &Server, number: u64) -> bool {
        let answer = self.client.get(&server.url(&format!("/api/v1/traces/{}", hex(&trace_id(number))))).await;
        if answer.status == StatusCode::NOT_FOUND {
            return false;
        }
        assert_eq!(answer.status, StatusCode::OK, "{}{}", answer.text(), server.last_words());
        assert_eq!(answer.value()["spans"].as_array().unwrap().len(), 2, "trace {number} is not whole");
        true
    }

    async fn spans_stored(&self, server: &Server) -> u64 {
        self.client.get(&server.url("/api/v1/status")).await.value()["spans_stored"].as_u64().unwrap()
    }

    /// All that was acknowledged is there, and nothing is there twice.
    async fn assert_kept(&mut self, server: &Server) {
        for number in self.acknowledged.range(self.checked..) {
            assert!(self.finds(server, *number).await, "trace {number} was acknowledged and is gone");
        }
        let mut there = self.acknowledged.len() as u64;
        for number in self.refused.difference(&self.acknowledged) {
            // It may be there: a failure after the bytes were written.
            there += u64::from(self.finds(server, *number).await);
        }
        assert_eq!(self.spans_stored(server).await, 2 * there, "some spans are stored twice");
        self.checked = self.acknowledged.last().copied().unwrap_or_default();
        let ids = events_stored(server).await;
        for number in &self.events {
            assert!(ids.contains(&format!("e-{number}")), "event {number} was acknowledged and is gone");
        }
    }
}

fn stored(answer: &Answer, server: &Server) -> bool {
    match answer.status {
        StatusCode::OK => true,
        StatusCode::SERVICE_UNAVAILABLE => {
            assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0, "when to come back is not said");
            false
        }
        other => panic!("{other}: {}{}", answer.text(), server.last_words()),
    }
}

async fn ready(client: &Client, server: &Server) -> Answer {
    client.get(&server.url("/readyz")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_what_comes_and_takes_it_when_there_is_room() {
    let faults = Faults::new();
    let server = faults.server(tempfile::tempdir().unwrap(), &[]).await;
    let mut sender = Sender::new();
    assert!(sender.trace(&server, 1).await && sender.event(&server, 1).await);

    faults.arm(WRITE, 0, i64::MAX / 2, ENOSPC);
    assert!(!sender.trace(&server, 2).await, "a full disk acknowledged spans");
    assert!(!sender.event(&server, 2).await, "a full disk acknowledged an event");
    let refusal = ready(&sender.client, &server).await;
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refusal.text().contains("no space left"), "{}", refusal.text());
    assert!(sender.finds(&server, 1).await, "reads must go on");
    let search = sender.client.get(&server.url("/api/v1/traces?limit=10")).await;
    assert_eq!(search.value()["traces"].as_array().unwrap().len(), 1);

    faults.disarm();
    assert!(sender.trace(&server, 2).await && sender.event(&server, 2).await, "there is room again");

    // Also when nobody sends: a balancer does not, while it is not ready.
    faults.arm(WRITE, 0, i64::MAX / 2, ENOSPC);
    assert!(!sender.trace(&server, 3).await);
    faults.disarm();
    eventually("readiness", BY_ITSELF, async || {
        (ready(&sender.client, &server).await.status == StatusCode::OK).then_some(())
    })
    .await;
    assert!(sender.trace(&server, 3).await);

    let server = Server::start_in(server.kill().await, &[]).await;
    sender.assert_kept(&server).await;
}

/// What a failed sync leaves is unknown: the commit can be whole in the file. Its sender sends it again, and it must not count twice.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_the_log_goes_on_in_another_file_without_a_restart() {
    let faults = Faults::new();
    let server = faults.server(tempfile::tempdir().unwrap(), &[]).await;
    let mut sender = Sender::new();
    assert!(sender.trace(&server, 1).await && sender.event(&server, 1).await);

    // The sync of the commit, and all that would clean up behind it.
    faults.arm(SYNC, 0, i64::MAX / 2, EIO);
    assert!(!sender.trace(&server, 2).await, "spans were acknowledged whose sync failed");
    assert!(!sender.trace(&server, 3).await && !sender.event(&server, 3).await);
    let refusal = ready(&sender.client, &server).await;
    assert!(refusal.status == StatusCode::SERVICE_UNAVAILABLE && refusal.text().contains("reads go on"));
    assert!(sender.finds(&server, 1).await, "reads must go on");

    faults.disarm();
    assert!(sender.trace(&server, 2).await && sender.event(&server, 3).await, "the disk works again");
    assert_eq!(ready(&sender.client, &server).await.status, StatusCode::OK);
    let fresh = server.data().join("fresh");
    assert!(fresh.join("000002.db").exists(), "the file whose sync failed takes more commits");

    let server = Server::start_in(server.kill().await, &[]).await;
    assert!(!sender.finds(&server, 3).await, "what was refused came back");
    sender.assert_kept(&server).await;
}

/// A day forth and back, ten years, and each time spans come in and are compacted.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_stops_nothing() {
    const DAY_NS: i64 = 24 * 3_600 * 1_000_000_000;
    let faults = Faults::new();
    let variables = [("SPILLWAY_TEST_COMPACT_AT_ONCE", "1")];
    let server = faults.server(tempfile::tempdir().unwrap(), &variables).await;
    let mut sender = Sender::new();
    let mut number = 0;
    for ahead_ns in [0, DAY_NS, 0, -DAY_NS, 3_650 * DAY_NS, 0] {
        faults.set(6, ahead_ns);
        for _ in 0..3 {
            number += 1;
            assert!(sender.trace(&server, number).await && sender.event(&server, number).await);
        }
        eventually("compaction", BY_ITSELF, async || {
            let metrics = sender.client.get(&server.url("/metrics")).await.text();
            metrics.lines().any(|line| line == "spillway_store_uncompacted_spans 0").then_some(())
        })
        .await;
    }
    let server = Server::start_in(server.kill().await, &[]).await;
    sender.assert_kept(&server).await;
}

/// One way in which calls fail.
#[derive(Clone, Copy, Debug)]
struct Case {
    calls: i64,
    from: i64,
    times: i64,
    errno: i64,
}

/// Every n-th call of every kind, alone and in a row.
fn cases(most: i64) -> Vec<Case> {
    let kinds = [
        (WRITE, most, &[EIO, ENOSPC, SHORT][..]),
        (SYNC, most / 4, &[EIO, ENOSPC]),
        (TRUNCATE, most / 16, &[EIO, ENOSPC]),
        (OPEN, most / 8, &[EIO, ENOSPC, EMFILE]),
    ];
    let mut cases = Vec::new();
    for (calls, most, errors) in kinds {
        for &errno in errors {
            for times in [1, 5] {
                cases.extend((0..most.max(2)).map(|from| Case { calls, from, times, errno }));
            }
        }
    }
    cases
}

/// `SPILLWAY_FAULTS=all` goes through all of them, else it is a sample.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_call_fails_nothing_acknowledged_is_lost_and_the_next_request_succeeds() {
    let seed =
        std::env::var("SPILLWAY_FAULTS_SEED").map_or_else(|_| rand::rng().random(), |seed| seed.parse().unwrap());
    println!("SPILLWAY_FAULTS_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut all = cases(if std::env::var_os("SPILLWAY_FAULTS").is_some() { 80 } else { 48 });
    all.shuffle(&mut rng);
    if std::env::var_os("SPILLWAY_FAULTS").is_none() {
        all.truncate(60);
    }
    let faults = Faults::new();
    let mut sender = Sender::new();
    let (mut number, mut hit, mut refused) = (0, 0, 0);
    let mut data = tempfile::tempdir().unwrap();
    // Compaction and the change of files are tried beside it, so that calls of theirs can fail as well.
    let variables = [("SPILLWAY_TEST_COMPACT_AT_ONCE", "1")];
    for cases in all.chunks(30) {
        let server = faults.server(data, &variables).await;
        number += 1;
        assert!(sender.trace(&server, number).await);
        let before = number;
        for case in cases {
            faults.arm(case.calls, case.from, case.times, case.errno);
            for _ in 0..4 {
                number += 1;
                refused += u64::from(!sender.trace(&server, number).await);
            }
            refused += u64::from(!sender.event(&server, number).await);
            // A reader may have to open a file.
            if case.calls != OPEN {
                assert!(sender.finds(&server, before).await, "reads must go on: {case:?}");
            }
            hit += u64::from(faults.failed() > 0);
            faults.disarm();
            number += 1;
            assert!(sender.trace(&server, number).await, "{case:?} is over{}", server.last_words());
            assert!(sender.event(&server, number).await, "{case:?} is over{}", server.last_words());
        }
        let server = Server::start_in(server.kill().await, &[]).await;
        sender.assert_kept(&server).await;
        data = server.kill().await;
    }
    println!("{} cases, {hit} met their call, {refused} requests were refused", all.len());
    assert!(hit > 15 && refused > 10, "too few to mean anything: {hit} and {refused}");
}

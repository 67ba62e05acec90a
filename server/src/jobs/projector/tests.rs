#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Mutex;

use spillway_store::{ProjectProgress, Projection};
use tokio::time::{Instant, sleep, timeout};

use super::*;

/// A log of batches that counts what is done with it; some steps fail.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    committed: usize,
    projected: usize,
    steps: usize,
    warmed: Vec<Duration>,
    settled: usize,
    flushed: usize,
    failures_left: usize,
}

impl Projector for Log {
    async fn project(&self, _: &mut dyn Projection, span_limit: usize) -> Result<ProjectProgress, StoreError> {
        assert_eq!(span_limit, SPANS);
        let mut state = self.0.lock().unwrap();
        state.steps += 1;
        if state.failures_left > 0 {
            state.failures_left -= 1;
            return Err(StoreError::Full { what: "rollups".into() });
        }
        let batches = (state.committed - state.projected).min(2);
        state.projected += batches;
        Ok(ProjectProgress { watermark: None, batches, caught_up: state.projected == state.committed })
    }

    async fn settle(&self, _: &mut dyn Projection, now_ns: i64) -> Result<(), StoreError> {
        assert!(now_ns < clock::unix_ns());
        self.0.lock().unwrap().settled += 1;
        Ok(())
    }

    async fn flush(&self) -> Result<(), StoreError> {
        self.0.lock().unwrap().flushed += 1;
        Ok(())
    }

    async fn unprojected(&self) -> Result<u64, StoreError> {
        let state = self.0.lock().unwrap();
        Ok((state.committed - state.projected) as u64)
    }

    async fn warm(&self, _: &mut dyn Projection, window: Duration) -> Result<(), StoreError> {
        self.0.lock().unwrap().warmed.push(window);
        Ok(())
    }
}

struct Running {
    log: Log,
    committed: Arc<Notify>,
    is_caught_up: oneshot::Receiver<()>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn start(committed_before: usize, failures_left: usize) -> Running {
    let log = Log(Arc::new(Mutex::new(State { committed: committed_before, failures_left, ..State::default() })));
    let (committed, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    let (caught_up, is_caught_up) = oneshot::channel();
    let pairing = crate::live::tests::pairing();
    let task = tokio::spawn(run(log.clone(), pairing, committed.clone(), caught_up, stop.clone()));
    Running { log, committed, is_caught_up, stop, task }
}

impl Running {
    fn commit(&self, batches: usize) {
        self.log.0.lock().unwrap().committed += batches;
        self.committed.notify_one();
    }

    async fn until(&self, condition: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(300);
        while !condition(&self.log.0.lock().unwrap()) {
            assert!(Instant::now() < deadline, "it never happened");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_warms_up_and_catches_up_before_it_waits() {
    let mut running = start(5, 0);

    (&mut running.is_caught_up).await.unwrap();

    let state = running.log.0.lock().unwrap();
    assert_eq!((state.warmed.clone(), state.steps, state.projected), (vec![WARM], 3, 5));
}

#[tokio::test(start_paused = true)]
async fn commits_that_come_together_are_one_step() {
    let running = start(0, 0);
    running.until(|state| state.steps == 1).await;

    running.commit(1);
    sleep(GATHER / 2).await;
    running.commit(1);

    running.until(|state| state.projected == 2).await;
    assert_eq!(running.log.0.lock().unwrap().steps, 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_starts_over_with_a_new_pairing() {
    let running = start(1, 3);
    let began = Instant::now();

    running.until(|state| state.projected == 1).await;

    assert_eq!(running.log.0.lock().unwrap().warmed.len(), 4);
    // 1 + 2 + 4 seconds of pauses.
    assert!((Duration::from_secs(7)..Duration::from_secs(8)).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn without_commits_the_time_goes_on() {
    let running = start(1, 0);

    running.until(|state| state.settled == 3).await;

    assert_eq!(running.log.0.lock().unwrap().steps, 1);
}

#[tokio::test(start_paused = true)]
async fn it_stops_when_told_and_writes_what_is_held() {
    for failures in [0, usize::MAX] {
        let running = start(0, failures);
        running.until(|state| state.steps == 1).await;

        running.stop.cancel();

        timeout(Duration::from_secs(1), running.task).await.unwrap().unwrap();
        assert_eq!(running.log.0.lock().unwrap().flushed, 1);
    }
}

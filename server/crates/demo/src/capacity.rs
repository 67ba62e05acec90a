//! What a service can do at once: a semaphore times a service time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rand::Rng as _;
use spillway_enforcer::QueueMeter;
use tokio::sync::Semaphore;

/// Workers and a queue in front of them.
#[derive(Clone)]
pub(crate) struct Capacity {
    workers: Arc<Semaphore>,
    waiting: Arc<AtomicU32>,
    queue: u32,
    service_time: Duration,
    meter: Arc<Mutex<Option<QueueMeter>>>,
}

/// The queue is full.
#[derive(Debug)]
pub(crate) struct Full;

impl Capacity {
    pub(crate) fn new(workers: usize, service_time: Duration, queue: u32) -> Self {
        Self {
            workers: Arc::new(Semaphore::new(workers)),
            waiting: Arc::default(),
            queue,
            service_time,
            meter: Arc::default(),
        }
    }

    /// Reports waits to the enforcer.
    pub(crate) fn meter(&self, meter: QueueMeter) {
        *self.meter.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(meter);
    }

    /// Waits for a worker, then works for the service time times `factor`. A caller that gives up does not stop it: whoever
    /// calls this spawns it.
    pub(crate) async fn work(&self, factor: f64) -> Result<(), Full> {
        if self.waiting.fetch_add(1, Relaxed) >= self.queue {
            self.waiting.fetch_sub(1, Relaxed);
            return Err(Full);
        }
        let arrived = Instant::now();
        let worker = self.workers.acquire().await;
        self.waiting.fetch_sub(1, Relaxed);
        if let Some(meter) = &*self.meter.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            meter.waited(arrived.elapsed());
        }
        // ±20 %, so that latencies have a shape.
        let time = self.service_time.mul_f64(factor * rand::rng().random_range(0.8..1.2));
        tokio::time::sleep(time).await;
        drop(worker);
        Ok(())
    }
}

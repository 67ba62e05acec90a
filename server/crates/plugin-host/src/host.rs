//! Runs plugins. Every call gets a fresh instance, so nothing of one call can be seen by the next, and a replay starts
//! from the same state as the live run did.

use std::time::{Duration, Instant};

use spillway_model::rule::{Manifest, Outcome, Snapshot};
use thiserror::Error;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Engine, Store, Trap};

use crate::bindings::{ShedPolicy, ShedPolicyPre};
use crate::evaluation::Evaluation;
use crate::guest::Guest;
use crate::slots::{Slot, Slots};
use crate::ticker::Ticker;
use crate::{Artefact, Kv, Limits, convert, engine, limits, validate};

/// Loads plugins and calls them. Cheap to share behind an `Arc`; calls block, so they belong on a blocking thread.
pub struct Host {
    engine: Engine,
    linker: Linker<Guest>,
    ticker: Ticker,
    slots: Slots,
}

/// A loaded version of a rule, ready to be called. Calls that run finish on it even when it is dropped or replaced.
#[derive(Clone)]
pub struct Plugin {
    pre: ShedPolicyPre<Guest>,
    has_filter: bool,
}

/// Why the host cannot start: our own fault.
#[derive(Debug, Error)]
pub enum HostError {
    /// The engine refuses its configuration.
    #[error("cannot start the WebAssembly engine: {message}")]
    Engine {
        /// The engine's words.
        message: String,
    },
    /// No thread for the clock.
    #[error("cannot start the clock that interrupts plugins")]
    Clock(#[source] std::io::Error),
}

/// Why compiled code cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LoadError {
    /// It needs more than an instance may have, or another engine compiled it.
    #[error("it cannot be loaded: {message}")]
    Code {
        /// The engine's words.
        message: String,
    },
    /// Its imports or exports have other types than the contract.
    #[error("it does not fit the contract spillway:rule 0.1: {message}")]
    Contract {
        /// Which, and how.
        message: String,
    },
}

impl Host {
    /// Starts the engine and its clock.
    ///
    /// # Errors
    /// [`HostError`] when this machine cannot run WebAssembly at all.
    pub fn new() -> Result<Self, HostError> {
        let broken = |error: wasmtime::Error| HostError::Engine { message: format!("{error:#}") };
        let engine = engine::running().map_err(broken)?;
        let mut linker = Linker::new(&engine);
        ShedPolicy::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest).map_err(broken)?;
        let ticker = Ticker::start(engine.clone()).map_err(HostError::Clock)?;
        Ok(Self { engine, linker, ticker, slots: Slots::new() })
    }

    /// Makes compiled code callable.
    ///
    /// # Errors
    /// [`LoadError`] when it needs too much or does not fit the contract.
    pub fn load(&self, artefact: &Artefact) -> Result<Plugin, LoadError> {
        let code = |error: wasmtime::Error| LoadError::Code { message: format!("{error:#}") };
        let contract = |error: wasmtime::Error| LoadError::Contract { message: format!("{error:#}") };
        let component = artefact.load(&self.engine).map_err(code)?;
        let has_filter = component.get_export_index(None, validate::FILTER).is_some();
        let pre = self.linker.instantiate_pre(&component).map_err(contract)?;
        let pre = ShedPolicyPre::new(pre).map_err(contract)?;
        Ok(Plugin { pre, has_filter })
    }

    /// Asks a rule what it is. The answer is as the rule gave it: [`Host::self_test`] judges it.
    ///
    /// # Errors
    /// The [`Outcome`] in which the call ended instead; never [`Outcome::Proposed`].
    pub fn describe(&self, plugin: &Plugin) -> Result<Manifest, Outcome> {
        let limits = Limits { deadline: limits::DESCRIBE_DEADLINE, ..Limits::default() };
        let mut run = self.start(Kv::default(), limits.fuel(0), &limits)?;
        let manifest = run.guest(plugin, |policy, store| policy.spillway_rule_policy().call_describe(store));
        manifest.map(convert::manifest)
    }

    /// Asks a rule whether it accepts a configuration, before it is stored.
    ///
    /// # Errors
    /// [`Outcome::Refused`] with the rule's own words, or another end of the call; never [`Outcome::Proposed`].
    pub fn check_configuration(&self, plugin: &Plugin, configuration: &str) -> Result<(), Outcome> {
        let limits = Limits { deadline: limits::DESCRIBE_DEADLINE, ..Limits::default() };
        bounded(configuration)?;
        let mut run = self.start(Kv::default(), limits.fuel(0), &limits)?;
        run.guest(plugin, |policy, store| policy.spillway_rule_policy().call_configure(store, configuration))?
            .map_err(convert::refusal)
    }

    /// Runs one tick: a fresh instance, `configure`, `evaluate`. Whatever the guest does, this returns soon after
    /// `limits.deadline` with an outcome. Blocks: call it on a blocking thread. When [`limits::INSTANCES`] run already,
    /// it waits for one of them to end first.
    #[must_use]
    pub fn evaluate(
        &self,
        plugin: &Plugin,
        snapshot: &Snapshot,
        configuration: &str,
        kv: &Kv,
        limits: &Limits,
    ) -> Evaluation {
        let started = Instant::now();
        let fuel = limits.fuel(snapshot.signals.len());
        let mut run = match bounded(configuration).and_then(|()| self.start(kv.clone(), fuel, limits)) {
            Ok(run) => run,
            Err(outcome) => return Evaluation::without_a_run(outcome, started.elapsed()),
        };
        let outcome = run.evaluate(plugin, snapshot, configuration).unwrap_or_else(|end| end);
        run.finish(outcome, fuel, started)
    }

    fn start(&self, kv: Kv, fuel: u64, limits: &Limits) -> Result<Run<'_>, Outcome> {
        let slot = self.slots.take();
        // The deadline counts from here.
        let clock = self.ticker.run();
        let mut store = Store::new(&self.engine, Guest::new(kv, limits.memory_bytes));
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(limits::HOSTCALL_BYTES);
        store.set_epoch_deadline(Ticker::ticks(limits.deadline));
        store.set_fuel(fuel).map_err(|error| Outcome::Trapped { message: error.to_string() })?;
        Ok(Run { store, _clock: clock, _slot: slot })
    }
}

fn bounded(configuration: &str) -> Result<(), Outcome> {
    if configuration.len() <= limits::CONFIGURATION_BYTES {
        return Ok(());
    }
    let message = format!(
        "the configuration has {} bytes, at most {} are allowed",
        configuration.len(),
        limits::CONFIGURATION_BYTES
    );
    Err(Outcome::Refused { message })
}

impl Plugin {
    /// True when it also judges single requests (world `shed-filter`).
    #[must_use]
    pub fn has_filter(&self) -> bool {
        self.has_filter
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("has_filter", &self.has_filter).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

/// One instance's life.
struct Run<'a> {
    store: Store<Guest>,
    /// Declared after the store, so the clock runs until the instance is gone.
    _clock: crate::ticker::Running<'a>,
    /// Declared last: given back when the pool has its memory back.
    _slot: Slot<'a>,
}

impl Run<'_> {
    /// Starts the instance and makes one call; every way it can fail is an outcome.
    fn guest<T>(
        &mut self,
        plugin: &Plugin,
        call: impl FnOnce(&ShedPolicy, &mut Store<Guest>) -> Result<T, wasmtime::Error>,
    ) -> Result<T, Outcome> {
        let policy = plugin.pre.instantiate(&mut self.store).map_err(|error| self.end(&error))?;
        call(&policy, &mut self.store).map_err(|error| self.end(&error))
    }

    fn evaluate(&mut self, plugin: &Plugin, snapshot: &Snapshot, configuration: &str) -> Result<Outcome, Outcome> {
        let snapshot = convert::snapshot(snapshot);
        let answer = self.guest(plugin, |policy, store| {
            let policy = policy.spillway_rule_policy();
            match policy.call_configure(&mut *store, configuration)? {
                Ok(()) => policy.call_evaluate(store, &snapshot),
                Err(message) => Ok(Err(format!("configuration refused: {message}"))),
            }
        })?;
        Ok(match answer.map(convert::directives) {
            Ok(Ok(directives)) => Outcome::Proposed { directives },
            Ok(Err(malformed)) => Outcome::Malformed { message: malformed.to_string() },
            Err(message) => convert::refusal(message),
        })
    }

    /// Which end an error of the engine is.
    fn end(&self, error: &wasmtime::Error) -> Outcome {
        // The limit that was hit is the cause, whatever the guest or the engine made of it afterwards.
        if let Some(outcome) = self.store.data().memory.outcome() {
            return outcome;
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Outcome::OutOfFuel,
            Some(Trap::Interrupt) => Outcome::TimedOut,
            Some(trap) => Outcome::Trapped { message: trap.to_string() },
            // The engine has no type for this one; a hostile fixture holds the wording.
            None if error.root_cause().to_string().contains("fuel allocated for hostcalls") => {
                let mib = limits::HOSTCALL_BYTES >> 20;
                Outcome::Malformed { message: format!("it handed over more than {mib} MiB in one call") }
            }
            None => Outcome::Trapped { message: crate::guest::cut(format!("{error:#}"), limits::MESSAGE_BYTES) },
        }
    }

    fn finish(self, outcome: Outcome, fuel: u64, started: Instant) -> Evaluation {
        // Fuel is on for this engine, so the answer cannot be an error; 0 left is the honest guess if it were.
        let fuel = fuel - self.store.get_fuel().unwrap_or(0);
        let guest = self.store.into_data();
        let keep = guest.kv_changed && matches!(outcome, Outcome::Proposed { .. });
        Evaluation {
            outcome,
            fuel,
            elapsed: started.elapsed(),
            logs: guest.logs,
            logs_dropped: guest.logs_dropped,
            metrics: guest.metrics,
            metrics_dropped: guest.metrics_dropped,
            kv_after: keep.then_some(guest.kv),
        }
    }
}

impl Evaluation {
    fn without_a_run(outcome: Outcome, elapsed: Duration) -> Self {
        Self {
            outcome,
            fuel: 0,
            elapsed,
            logs: Vec::new(),
            logs_dropped: 0,
            metrics: Vec::new(),
            metrics_dropped: 0,
            kv_after: None,
        }
    }
}

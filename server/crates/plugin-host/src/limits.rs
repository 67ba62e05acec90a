//! Every limit of a plugin in one place, each with its reason.

use std::time::Duration;

/// Largest upload. A rule in Python carries its interpreter: 18.4 MB.
pub const UPLOAD_BYTES: usize = 32 << 20;

/// Longest compilation. A rule on the `SpiderMonkey` JavaScript engine takes 75 s on two cores.
pub const COMPILE_TIMEOUT: Duration = Duration::from_secs(180);
/// CPU seconds of a compilation, for the case that the parent dies and nobody watches the clock.
pub const COMPILE_CPU_SECONDS: u64 = 180;
/// Address space of a compilation. Cranelift takes some 100 bytes for each byte of code, on one thread.
pub const COMPILE_MEMORY_BYTES: u64 = 4 << 30;
/// Compilations that may wait. One runs at a time, because each one takes a core.
pub const COMPILE_QUEUE: usize = 16;
/// Largest compiled artefact: native code is about five times the size of Wasm.
pub const ARTEFACT_BYTES: usize = 256 << 20;
/// What is kept of a dead compiler's last words.
pub const COMPILE_STDERR_BYTES: usize = 8 << 10;

/// Instances that live at once; the next one waits. More would only share the same few cores.
pub const INSTANCES: usize = 8;
/// Linear memory of one instance, all its memories together. JavaScript engines start at 9.3 MiB.
pub const MEMORY_BYTES: usize = 64 << 20;
/// Table entries of one instance, all its tables together. `SpiderMonkey` has 7,694.
pub const TABLE_ELEMENTS: usize = 20_000;
/// Core instances, memories and tables of one component. Adapters and shims take a handful.
pub const CORE_INSTANCES: usize = 32;
/// Memories of one component.
pub const MEMORIES: usize = 8;
/// Tables of one component.
pub const TABLES: usize = 32;
/// Stack of a guest: far below the two MiB of a thread, so that it is the guest that overflows.
pub const STACK_BYTES: usize = 512 << 10;

/// Fuel of an evaluation before any signal is counted.
pub const FUEL_BASE: u64 = 50_000_000;
/// Fuel for each signal. Rust takes 4,600, Python 140,000, `QuickJS` 220,000, `SpiderMonkey` 2.4 M.
pub const FUEL_PER_SIGNAL: u64 = 3_000_000;
/// Most fuel of one evaluation, about a second of one core.
pub const FUEL_CAP: u64 = 1_000_000_000;

/// How often the clock looks at the guests.
pub const EPOCH_TICK: Duration = Duration::from_millis(5);
/// Longest evaluation, start of the instance and `configure` included: a quarter of the usual tick.
pub const EVALUATE_DEADLINE: Duration = Duration::from_millis(250);
/// Longest `describe` or `configure` when it is called on its own, once for each upload or change.
pub const DESCRIBE_DEADLINE: Duration = Duration::from_secs(2);

/// Bytes a guest may hand over in one call; 1,000 directives with full reasons take 0.5 MB. Without it a list of a
/// million strings that all point to the same megabyte would fill the host's memory, not the guest's.
pub const HOSTCALL_BYTES: usize = 4 << 20;
/// Directives of one evaluation.
pub const DIRECTIVES: usize = 1_000;
/// Length of a directive's reason: one sentence.
pub const REASON_BYTES: usize = 200;
/// Length of every other text in a directive: names, route, tenant, variant.
pub const NAME_BYTES: usize = 256;
/// Length of what a rule says when it refuses.
pub const MESSAGE_BYTES: usize = 1_024;
/// A shorter lease would end before the next tick renews it.
pub const TTL_MIN_MS: u32 = 1_000;
/// The lease of a directive that names none.
pub const TTL_DEFAULT_MS: u32 = 5_000;
/// Longest lease: what a rule that went silent can still do.
pub const TTL_MAX_MS: u32 = 60_000;

/// Keys of one plugin's store.
pub const KV_KEYS: usize = 256;
/// Length of a key.
pub const KV_KEY_BYTES: usize = 128;
/// Length of a value.
pub const KV_VALUE_BYTES: usize = 16 << 10;
/// All keys and values together: it is part of every recorded tick.
pub const KV_TOTAL_BYTES: usize = 256 << 10;

/// Log lines of one call; more are counted and dropped.
pub const LOG_LINES: usize = 50;
/// Length of a log line; the rest is cut off.
pub const LOG_LINE_BYTES: usize = 1_024;
/// Different metrics of one call; more are counted and dropped.
pub const METRICS: usize = 32;
/// Length of a metric's name.
pub const METRIC_NAME_BYTES: usize = 64;

/// Length of a configuration and of its schema.
pub const CONFIGURATION_BYTES: usize = 64 << 10;
/// Shortest tick a rule may ask for.
pub const TICK_MIN_MS: u32 = 250;
/// Longest tick a rule may ask for.
pub const TICK_MAX_MS: u32 = 60_000;
/// Most signals of a snapshot: bounds what is copied into a guest each tick.
pub const SIGNALS: usize = 2_000;
/// Most edges of a snapshot.
pub const EDGES: usize = 10_000;

/// What one evaluation may take. The default is right for production; tests and an operator may narrow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, all memories together.
    pub memory_bytes: usize,
    /// Fuel before any signal is counted.
    pub fuel_base: u64,
    /// Fuel for each signal.
    pub fuel_per_signal: u64,
    /// Most fuel.
    pub fuel_cap: u64,
    /// Wall time.
    pub deadline: Duration,
}

impl Limits {
    /// Fuel for a snapshot of so many signals.
    #[must_use]
    pub fn fuel(&self, signals: usize) -> u64 {
        let signals = u64::try_from(signals).unwrap_or(u64::MAX);
        self.fuel_base.saturating_add(self.fuel_per_signal.saturating_mul(signals)).min(self.fuel_cap)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: MEMORY_BYTES,
            fuel_base: FUEL_BASE,
            fuel_per_signal: FUEL_PER_SIGNAL,
            fuel_cap: FUEL_CAP,
            deadline: EVALUATE_DEADLINE,
        }
    }
}

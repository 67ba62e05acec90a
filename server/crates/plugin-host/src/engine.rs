//! The one engine configuration. Compiler and host must agree on it bit by bit, or a compiled artefact is refused.

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::limits;

/// Pages of a used slot that stay mapped, so that the next start of a small guest touches no page table.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;

fn config() -> Config {
    let mut config = Config::new();
    config
        // Nothing in the contract is async; support for it costs 0.5 µs a call.
        .concurrency_support(false)
        // Fuel makes "too much" the same in live and replay, the epoch makes it bounded in wall time.
        .consume_fuel(true)
        .epoch_interruption(true)
        // The same input must give the same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .max_wasm_stack(limits::STACK_BYTES);
    config
}

/// The engine that runs guests: with a pool of instances where the address space allows it. A pool reserves 4 GiB of
/// addresses for each memory (never touched, so bounds checks cost nothing); containers and small machines may refuse.
pub(crate) fn running() -> Result<Engine, wasmtime::Error> {
    // Each slot (see `slots`) can have all that one component may have, so a full pool never fails an evaluation.
    let each = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
    let all = |limit: usize| each(limit * limits::INSTANCES);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(all(1))
        .total_core_instances(all(limits::CORE_INSTANCES))
        .total_memories(all(limits::MEMORIES))
        .total_tables(all(limits::TABLES))
        .max_component_instance_size(10 << 20)
        .max_core_instances_per_component(each(limits::CORE_INSTANCES))
        .max_memories_per_component(each(limits::MEMORIES))
        .max_tables_per_component(each(limits::TABLES))
        .max_tables_per_module(4)
        .table_elements(limits::TABLE_ELEMENTS)
        .max_memory_size(limits::MEMORY_BYTES)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES);
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).or_else(|_| Engine::new(&self::config()))
}

/// The engine of the compile worker: the same code, without the pool, which would not fit the child's address space.
pub(crate) fn compiling() -> Result<Engine, wasmtime::Error> {
    Engine::new(&config())
}

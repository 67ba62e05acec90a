//! The oracle keeps the contract too: a suite that only compared it with itself would say nothing, but most of its tests also say
//! what must hold.

use spillway_store::{
    contract::Engine,
    memory::{MemoryStore, MemoryWriter},
};

struct Memory(MemoryStore);

impl Engine for Memory {
    type Store = MemoryStore;
    type Writer = MemoryWriter;

    async fn open(&self) -> (MemoryStore, MemoryWriter) {
        (self.0.clone(), self.0.writer())
    }
}

spillway_store::contract_suite!(memory, || Memory(MemoryStore::default()));

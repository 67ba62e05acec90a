//! Compiled code, and the one unsafe line of this crate.

use std::fmt;

use wasmtime::Engine;
use wasmtime::component::Component;

/// Native code of one plugin, as our own compile worker wrote it a moment ago.
///
/// Loading native code is trusting it completely, so there is no way to make an `Artefact` from bytes that came from
/// elsewhere: no constructor outside this crate, no deserialisation, no file.
#[derive(Clone)]
pub struct Artefact {
    code: Vec<u8>,
}

impl Artefact {
    /// Only for what [`crate::CompileWorker`] read from its child's stdout.
    pub(crate) fn from_worker(code: Vec<u8>) -> Self {
        Self { code }
    }

    /// Size of the native code with its tables.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.code.len()
    }

    #[expect(unsafe_code, reason = "wasmtime cannot check native code; see the safety comment")]
    pub(crate) fn load(&self, engine: &Engine) -> Result<Component, wasmtime::Error> {
        // SAFETY: `code` is the output of `Engine::precompile_component` of this same wasmtime. It comes straight from
        // the pipe of a child that runs our own program (see `from_worker`, the only constructor) and was neither
        // stored nor sent anywhere in between. Wasmtime itself refuses another version or configuration.
        unsafe { Component::deserialize(engine, &self.code) }
    }
}

impl fmt::Debug for Artefact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artefact").field("size_bytes", &self.code.len()).finish_non_exhaustive()
    }
}

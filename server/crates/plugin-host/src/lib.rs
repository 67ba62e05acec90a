//! Runs untrusted WebAssembly rules inside hard limits.

//! Bytes of a protocol to the model, and what was rejected and why.

//! Pages read the address and compose components.

pub mod breakers;
pub mod decisions;
pub mod missing;
pub mod plugins;
pub mod services;
pub mod settings;
pub mod sign_in;
pub mod topology;
pub mod trace;
pub mod traces;

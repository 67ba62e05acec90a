//! The configuration. `config-schema.json` says the same to the UI; a test compares the two.

use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) accept_multiplier: f64,
    pub(crate) target_wait_ms: f64,
    pub(crate) min_admit: f64,
    pub(crate) min_requests: u32,
    pub(crate) max_age_ms: u32,
    pub(crate) hold_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            accept_multiplier: 1.3,
            target_wait_ms: 50.0,
            min_admit: 0.05,
            min_requests: 20,
            max_age_ms: 10_000,
            hold_ms: 15_000,
        }
    }
}

impl Config {
    pub(crate) fn parse(json: &str) -> Result<Self, String> {
        let config: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        for (field, value, min, max) in [
            ("accept_multiplier", config.accept_multiplier, 1.01, 4.0),
            ("target_wait_ms", config.target_wait_ms, 1.0, 60_000.0),
            ("min_admit", config.min_admit, 0.01, 1.0),
        ] {
            if !(min..=max).contains(&value) {
                return Err(format!("{field} is {value}, it must be between {min} and {max}"));
            }
        }
        Ok(config)
    }
}

//! The configuration. `config-schema.json` says the same to the UI; a test compares the two.

use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) min_limit: u32,
    pub(crate) max_limit: u32,
    pub(crate) tolerance: f64,
    pub(crate) min_samples: u32,
    pub(crate) max_age_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { min_limit: 10, max_limit: 2_000, tolerance: 1.5, min_samples: 20, max_age_ms: 10_000 }
    }
}

impl Config {
    pub(crate) fn parse(json: &str) -> Result<Self, String> {
        let config: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if !(1.0..=10.0).contains(&config.tolerance) {
            return Err(format!("tolerance is {}, it must be between 1 and 10", config.tolerance));
        }
        if config.min_limit == 0 || config.min_limit > config.max_limit {
            return Err(format!(
                "min_limit is {}, it must be between 1 and max_limit, which is {}",
                config.min_limit, config.max_limit
            ));
        }
        Ok(config)
    }
}

//! The configuration. `config-schema.json` says the same to the UI; a test compares the two.

use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) sick_share: f64,
    pub(crate) min_dependence: f64,
    pub(crate) min_admit: f64,
    pub(crate) min_calls: u32,
    pub(crate) max_age_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { sick_share: 0.5, min_dependence: 0.3, min_admit: 0.1, min_calls: 20, max_age_ms: 15_000 }
    }
}

impl Config {
    pub(crate) fn parse(json: &str) -> Result<Self, String> {
        let config: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        for (field, value, min) in [
            ("sick_share", config.sick_share, 0.05),
            ("min_dependence", config.min_dependence, 0.01),
            ("min_admit", config.min_admit, 0.01),
        ] {
            if !(min..=1.0).contains(&value) {
                return Err(format!("{field} is {value}, it must be between {min} and 1"));
            }
        }
        Ok(config)
    }
}

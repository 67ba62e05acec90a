//! The layers, merged as text.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use super::{ConfigError, SETTINGS, Setting};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A TOML file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// The environment, for a key that does not exist.
    Environment,
    /// The command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Environment => f.write_str("the environment"),
            Self::Flag => f.write_str("the command line"),
        }
    }
}

/// One merged value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its key.
    pub key: &'static str,
    /// Its text.
    pub text: String,
    /// Where it came from.
    pub origin: Origin,
    secret: bool,
}

impl Value {
    /// The text as it may be shown.
    pub fn shown(&self) -> &str {
        if self.secret && !self.text.is_empty() { "***" } else { &self.text }
    }

    /// Parses the text.
    pub(super) fn parse<T>(&self, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        parse(&self.text).map_err(|expected| ConfigError::BadValue {
            key: self.key,
            value: self.shown().to_owned(),
            origin: self.origin.clone(),
            expected,
        })
    }
}

/// All values, in the order of [`SETTINGS`].
#[derive(Clone, Debug)]
pub struct Layered {
    values: Vec<Value>,
}

/// Variables that are ours but no setting: `SPILLWAY_CONFIG` names the file; the rest belongs to tests and to programs that embed the enforcer.
const NOT_SETTINGS: [&str; 4] = ["SPILLWAY_CONFIG", "SPILLWAY_GUESTS", "SPILLWAY_PAYLOADS", "SPILLWAY_URL"];

impl Layered {
    /// The lowest layer.
    pub fn defaults() -> Self {
        let value = |setting: &Setting| Value {
            key: setting.key,
            text: setting.default.to_owned(),
            origin: Origin::Default,
            secret: setting.secret,
        };
        Self { values: SETTINGS.iter().map(value).collect() }
    }

    /// One value.
    ///
    /// # Panics
    /// When no setting has this key: a mistake in this program.
    pub fn get(&self, key: &str) -> &Value {
        self.values.iter().find(|value| value.key == key).expect("every key that is read stands in SETTINGS")
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = &Value> {
        self.values.iter()
    }

    fn set(&mut self, key: &str, text: String, origin: Origin) -> Result<(), ConfigError> {
        match self.values.iter_mut().find(|value| value.key == key) {
            Some(value) => {
                value.text = text;
                value.origin = origin;
                Ok(())
            }
            None => Err(ConfigError::UnknownKey { key: key.to_owned(), origin, suggestion: nearest(key) }),
        }
    }

    pub(super) fn add_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ConfigError::NotToml {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        self.add_table("", &table, path)
    }

    fn add_table(&mut self, prefix: &str, table: &toml::Table, path: &Path) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                toml::Value::Table(inner) => self.add_table(&key, inner, path)?,
                value => self.set(&key, text_of(value), Origin::File(path.to_owned()))?,
            }
        }
        Ok(())
    }

    pub(super) fn add_variables(&mut self, variables: &BTreeMap<String, String>) -> Result<(), ConfigError> {
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix("SPILLWAY_") else { continue };
            let fault = cfg!(debug_assertions) && crate::fault::VARIABLES.contains(&name.as_str());
            if fault || NOT_SETTINGS.contains(&name.as_str()) || rest.starts_with("DEMO_") {
                continue;
            }
            match SETTINGS.iter().find(|setting| setting.variable() == *name) {
                Some(setting) => self.set(setting.key, text.clone(), Origin::Variable(name.clone()))?,
                None => {
                    let suggestion = nearest(&rest.to_ascii_lowercase());
                    return Err(ConfigError::UnknownKey { key: name.clone(), origin: Origin::Environment, suggestion });
                }
            }
        }
        Ok(())
    }

    pub(super) fn add_flags(&mut self, flags: &[(&'static str, String)]) -> Result<(), ConfigError> {
        flags.iter().try_for_each(|(key, text)| self.set(key, text.clone(), Origin::Flag))
    }
}

fn text_of(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        // A list of tables is one value: what comes as text elsewhere is JSON there.
        toml::Value::Array(items) if items.first().is_some_and(toml::Value::is_table) => {
            serde_json::to_string(value).unwrap_or_default()
        }
        toml::Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The key with the fewest edits, when it is close enough to be a typing mistake.
fn nearest(key: &str) -> Option<&'static str> {
    let (distance, nearest) = SETTINGS
        .iter()
        .map(|setting| (edits(key, &setting.key.replace('.', "_")).min(edits(key, setting.key)), setting.key))
        .min()?;
    (distance <= 3).then_some(nearest)
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

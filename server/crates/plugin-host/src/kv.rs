//! The small memory a rule has between ticks.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::limits;

/// Keys and values of one installation of one plugin version. Ordered, so that a recorded tick is the same each time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kv {
    entries: BTreeMap<String, Vec<u8>>,
    size_bytes: usize,
}

/// Why a rule may not store something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KvError {
    /// One value is too long.
    #[error("value is longer than {} bytes", limits::KV_VALUE_BYTES)]
    TooLarge,
    /// All of it together is too much.
    #[error("more than {} keys or {} bytes", limits::KV_KEYS, limits::KV_TOTAL_BYTES)]
    Quota,
    /// The key is empty, too long or holds control characters.
    #[error("key is empty, longer than {} bytes or has control characters", limits::KV_KEY_BYTES)]
    InvalidKey,
}

impl Kv {
    /// A store with these entries, as it was recorded or saved.
    ///
    /// # Errors
    /// [`KvError`] when an entry breaks a limit, which nothing this type gave out does.
    pub fn from_entries(entries: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, KvError> {
        let mut kv = Self::default();
        for (key, value) in entries {
            kv.set(key, value)?;
        }
        Ok(kv)
    }

    /// All entries in the order of their keys.
    #[must_use]
    pub fn to_entries(&self) -> Vec<(String, Vec<u8>)> {
        self.entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.entries.get(key).map(Vec::as_slice)
    }

    /// Stores a value.
    ///
    /// # Errors
    /// [`KvError`] when a limit is reached; nothing has changed then.
    pub fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), KvError> {
        if key.is_empty() || key.len() > limits::KV_KEY_BYTES || key.chars().any(char::is_control) {
            return Err(KvError::InvalidKey);
        }
        if value.len() > limits::KV_VALUE_BYTES {
            return Err(KvError::TooLarge);
        }
        let replaced = self.entries.get(&key).map(|old| key.len() + old.len());
        let size_bytes = self.size_bytes - replaced.unwrap_or(0) + key.len() + value.len();
        let keys = self.entries.len() + usize::from(replaced.is_none());
        if size_bytes > limits::KV_TOTAL_BYTES || keys > limits::KV_KEYS {
            return Err(KvError::Quota);
        }
        self.size_bytes = size_bytes;
        self.entries.insert(key, value);
        Ok(())
    }

    /// Forgets a key. True when it was there.
    pub fn delete(&mut self, key: &str) -> bool {
        let removed = self.entries.remove(key);
        self.size_bytes -= removed.as_ref().map_or(0, |value| key.len() + value.len());
        removed.is_some()
    }

    /// Keys that start with `prefix`, in order.
    #[must_use]
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let from = self.entries.range(prefix.to_owned()..);
        from.map(|(key, _)| key).take_while(|key| key.starts_with(prefix)).cloned().collect()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// True when nothing is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_counts_keys_and_bytes_and_gives_them_back() {
        let mut kv = Kv::default();
        let value = vec![0; limits::KV_VALUE_BYTES];
        for key in 0..15 {
            assert_eq!(kv.set(key.to_string(), value.clone()), Ok(()));
        }

        assert_eq!(kv.set("one too many".into(), value.clone()), Err(KvError::Quota));
        assert_eq!(kv.set("0".into(), value.clone()), Ok(()), "replacing takes no more room");
        assert!(kv.delete("0"));
        assert_eq!(kv.set("now it fits".into(), value), Ok(()));
    }

    #[test]
    fn limits_are_exact() {
        let mut kv = Kv::default();

        assert_eq!(kv.set("k".into(), vec![0; limits::KV_VALUE_BYTES + 1]), Err(KvError::TooLarge));
        assert_eq!(kv.set("k".repeat(limits::KV_KEY_BYTES + 1), Vec::new()), Err(KvError::InvalidKey));
        assert_eq!(kv.set("a\nb".into(), Vec::new()), Err(KvError::InvalidKey));
        for key in 0..limits::KV_KEYS {
            assert_eq!(kv.set(key.to_string(), Vec::new()), Ok(()));
        }
        assert_eq!(kv.set("more".into(), Vec::new()), Err(KvError::Quota));
    }

    #[test]
    fn keys_by_prefix_and_entries_come_back() {
        let entries = [("a/1", 1), ("a/2", 2), ("b", 3)].map(|(key, value)| (key.to_owned(), vec![value]));

        let kv = Kv::from_entries(entries.clone());

        assert_eq!(kv.as_ref().map(Kv::to_entries), Ok(entries.to_vec()));
        assert_eq!(kv.as_ref().map(|kv| kv.keys("a/")), Ok(vec!["a/1".to_owned(), "a/2".to_owned()]));
        assert_eq!(kv.map(|kv| kv.size_bytes()), Ok(10));
    }
}

//! What a rule remembers between ticks: at most 256 keys of 128 bytes, 16 KiB a value, 256 KiB in all.
//!
//! It is private to one installed version of a plugin and is kept only when `evaluate` returns `Ok`. Natively it is a map
//! of the current thread, so each test of a rule starts empty.

#[cfg(not(target_arch = "wasm32"))]
use self::native::{delete as host_delete, get as host_get, keys as host_keys, set as host_set};
pub use crate::bindings::spillway::rule::kv::Error;
#[cfg(target_arch = "wasm32")]
use crate::bindings::spillway::rule::kv::{delete as host_delete, get as host_get, keys as host_keys, set as host_set};

/// The value of a key.
#[must_use]
pub fn get(key: &str) -> Option<Vec<u8>> {
    host_get(key)
}

/// Stores a value.
///
/// # Errors
/// [`Error`] when the key or the value is too long, or all of it together.
pub fn set(key: &str, value: &[u8]) -> Result<(), Error> {
    host_set(key, value)
}

/// Forgets a key.
pub fn delete(key: &str) {
    host_delete(key);
}

/// Keys that start with `prefix`, in order.
#[must_use]
pub fn keys(prefix: &str) -> Vec<String> {
    host_keys(prefix)
}

/// A number that was stored with [`set_number`].
#[must_use]
pub fn number(key: &str) -> Option<f64> {
    let bytes = host_get(key)?;
    bytes.try_into().ok().map(f64::from_le_bytes)
}

/// Stores a number.
///
/// # Errors
/// As [`set`].
pub fn set_number(key: &str, value: f64) -> Result<(), Error> {
    host_set(key, &value.to_le_bytes())
}

/// The host's rules, on a map of the current thread.
#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::Error;

    thread_local! {
        static ENTRIES: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(super) fn get(key: &str) -> Option<Vec<u8>> {
        ENTRIES.with_borrow(|entries| entries.get(key).cloned())
    }

    pub(super) fn set(key: &str, value: &[u8]) -> Result<(), Error> {
        if key.is_empty() || key.len() > 128 || key.chars().any(char::is_control) {
            return Err(Error::InvalidKey);
        }
        if value.len() > 16 << 10 {
            return Err(Error::TooLarge);
        }
        ENTRIES.with_borrow_mut(|entries| {
            let others = entries.iter().filter(|(other, _)| *other != key);
            let (count, size) = others.fold((1, key.len() + value.len()), |(count, size), (key, value)| {
                (count + 1, size + key.len() + value.len())
            });
            if count > 256 || size > 256 << 10 {
                return Err(Error::Quota);
            }
            entries.insert(key.to_owned(), value.to_owned());
            Ok(())
        })
    }

    pub(super) fn delete(key: &str) {
        ENTRIES.with_borrow_mut(|entries| entries.remove(key));
    }

    pub(super) fn keys(prefix: &str) -> Vec<String> {
        ENTRIES.with_borrow(|entries| entries.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_quota_holds() {
        assert_eq!(number("baseline"), None);
        assert_eq!(set_number("baseline", 12.5), Ok(()));
        assert_eq!(number("baseline"), Some(12.5));

        assert_eq!(set("", &[]), Err(Error::InvalidKey));
        assert_eq!(set("k", &vec![0; (16 << 10) + 1]), Err(Error::TooLarge));
        for key in 0..15 {
            assert_eq!(set(&format!("big/{key:02}"), &vec![0; 16 << 10]), Ok(()));
        }
        assert_eq!(set("big/15", &vec![0; 16 << 10]), Err(Error::Quota));
        delete("big/00");
        assert_eq!(keys("big/").len(), 14);
    }
}

//! A few numbers for each service, kept from tick to tick.
//!
//! One [`kv`] entry for each service would fill the store's 256 keys and cost a call into the host each. A table packs
//! hundreds of services into one value, and what was not set again in this tick is forgotten, so services that left need
//! no care.

use crate::{Target, kv};

/// Longest value of the store.
const VALUE_BYTES: usize = 16 << 10;

/// `N` numbers for each target that a rule remembers.
///
/// ```
/// use spillway_plugin_sdk::{Target, table::Table};
///
/// let cart = Target::service("prod", "shop", "cart");
/// let mut table = Table::<2>::load("limits");
/// assert_eq!(table.get(&cart), None);
/// table.set(&cart, [100.0, 12.5]);
/// table.save().unwrap();
///
/// assert_eq!(Table::<2>::load("limits").get(&cart), Some([100.0, 12.5]));
/// ```
#[derive(Debug)]
pub struct Table<const N: usize> {
    name: &'static str,
    /// What was stored, by hash.
    before: Vec<(u64, [f64; N])>,
    /// What will be.
    after: Vec<(u64, [f64; N])>,
}

impl<const N: usize> Table<N> {
    const ROW_BYTES: usize = 8 + 8 * N;

    /// The table as the last good tick saved it. `name` starts its keys.
    #[must_use]
    pub fn load(name: &'static str) -> Self {
        let mut before = Vec::new();
        for part in 0.. {
            let Some(value) = kv::get(&key(name, part)) else { break };
            before.extend(value.chunks_exact(Self::ROW_BYTES).map(|row| {
                let hash = u64::from_le_bytes(eight(row, 0));
                (hash, std::array::from_fn(|at| f64::from_le_bytes(eight(row, at + 1))))
            }));
        }
        Self { name, before, after: Vec::new() }
    }

    /// What is remembered of a target.
    #[must_use]
    pub fn get(&self, target: &Target) -> Option<[f64; N]> {
        let hash = hash(target);
        let at = self.before.binary_search_by_key(&hash, |(hash, _)| *hash).ok()?;
        Some(self.before[at].1)
    }

    /// Remembers a target until the next tick.
    pub fn set(&mut self, target: &Target, numbers: [f64; N]) {
        self.after.push((hash(target), numbers));
    }

    /// Stores what was set and forgets the rest.
    ///
    /// # Errors
    /// [`kv::Error::Quota`] when it is too much: some thousand services.
    pub fn save(mut self) -> Result<(), kv::Error> {
        self.after.sort_by_key(|(hash, _)| *hash);
        let per_part = VALUE_BYTES / Self::ROW_BYTES;
        let parts = self.after.chunks(per_part);
        let written = parts.len();
        for (part, rows) in parts.enumerate() {
            let mut value = Vec::with_capacity(rows.len() * Self::ROW_BYTES);
            for (hash, numbers) in rows {
                value.extend_from_slice(&hash.to_le_bytes());
                for number in numbers {
                    value.extend_from_slice(&number.to_le_bytes());
                }
            }
            kv::set(&key(self.name, part), &value)?;
        }
        for part in written..self.before.len().div_ceil(per_part) {
            kv::delete(&key(self.name, part));
        }
        Ok(())
    }
}

fn key(name: &str, part: usize) -> String {
    format!("{name}/{part}")
}

fn eight(row: &[u8], at: usize) -> [u8; 8] {
    std::array::from_fn(|byte| row[at * 8 + byte])
}

/// FNV-1a by eight bytes: small, and the same everywhere. Two of 5,000 services share a hash with a chance of one in a
/// trillion. Plain loops, because guests are built for size and iterator chains stay calls there.
fn hash(target: &Target) -> u64 {
    let service = &target.service;
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for text in [&service.environment, &service.namespace, &service.name, &target.route, &target.tenant] {
        mix(&mut hash, text);
    }
    if let Some(caller) = &target.caller {
        for text in [&caller.environment, &caller.namespace, &caller.name] {
            mix(&mut hash, text);
        }
    }
    // The multiplication only carries upwards: fold the well-mixed half into the other one.
    hash ^ (hash >> 32)
}

fn mix(hash: &mut u64, text: &str) {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    for word in words {
        step(hash, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    step(hash, u64::from_le_bytes(last));
    // The length keeps "a" + "bc" apart from "ab" + "c", and a text apart from the same with zeros behind it.
    step(hash, text.len() as u64);
}

fn step(hash: &mut u64, word: u64) {
    *hash = (*hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn service(at: u32) -> Target {
        Target::service("prod", "shop", &format!("service-{at}"))
    }

    #[test]
    fn hundreds_of_services_come_back_and_those_that_left_are_forgotten() {
        let mut table = Table::<3>::load("t");
        for at in 0..1_200 {
            table.set(&service(at), [f64::from(at), 1.0, 2.0]);
        }
        table.save().unwrap();

        let mut table = Table::<3>::load("t");
        assert!((0..1_200).all(|at| table.get(&service(at)) == Some([f64::from(at), 1.0, 2.0])));
        assert_eq!(kv::keys("t/").len(), 3);
        table.set(&service(7), [8.0; 3]);
        table.save().unwrap();

        let table = Table::<3>::load("t");
        assert_eq!((table.get(&service(7)), table.get(&service(8))), (Some([8.0; 3]), None));
        assert_eq!(kv::keys("t/"), ["t/0"]);
    }

    #[test]
    fn every_part_of_a_target_counts() {
        let base = Target::service("a", "b", "c");
        let caller = Some(base.service.clone());
        let others = [
            Target::service("ab", "", "c"),
            Target { route: "/x".into(), ..base.clone() },
            Target { tenant: "/x".into(), ..base.clone() },
            Target { caller, ..base.clone() },
        ];
        let mut table = Table::<1>::load("t");
        table.set(&base, [1.0]);
        table.save().unwrap();

        let table = Table::<1>::load("t");
        assert!(others.iter().all(|other| table.get(other).is_none()));
    }

    #[test]
    fn too_many_services_are_an_error() {
        let mut table = Table::<6>::load("t");
        for at in 0..5_000 {
            table.set(&service(at), [0.0; 6]);
        }

        assert_eq!(table.save(), Err(kv::Error::Quota));
    }
}

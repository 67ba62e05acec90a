//! Where the space goes.

use std::collections::BTreeMap;

use super::{
    Engine, check,
    generate::{self, EPOCH_NS},
    spans::{commit, oracle, write},
};
use crate::{SpanReader, StorageReader, StorageState};

const SECOND_NS: i64 = 1_000_000_000;
/// Requests, a second apart, each large enough to be compacted by itself.
const REQUESTS: i64 = 8;

fn by_service(state: &StorageState) -> BTreeMap<String, u64> {
    state.lately.services.iter().map(|of| (of.service.name.to_string(), of.spans)).collect()
}

/// Whatever the time that is asked for, what the engine counted is what came later than it says.
pub fn arrivals_are_counted_by_service<E: Engine>(make: &impl Fn() -> E) {
    check(4, 0_u64..1_000, async |seed| {
        let arrival = |number: i64| EPOCH_NS as i64 + number * SECOND_NS;
        let writes: Vec<_> = (1..=REQUESTS)
            .map(|number| {
                let batch = generate::realistic_batch(seed * REQUESTS as u64 + number as u64, 60);
                write(number as usize, batch, arrival(number))
            })
            .collect();
        let engine = make();
        let (store, mut writer) = engine.open().await;
        let empty = store.storage(i64::MIN).await.expect("an empty store is told of");
        assert_eq!((empty.spans, empty.oldest_ns, empty.lately.spans), (0, None, 0));
        commit(&mut writer, &writes, 1).await;
        engine.settle(&store).await;
        let oracle = oracle(&writes).await;

        for since in [i64::MIN, arrival(0), arrival(1), arrival(5), arrival(REQUESTS), i64::MAX] {
            let told = store.storage(since).await.expect("storage is told of");
            let expected = oracle.storage(told.lately.from_ns).await.expect("the oracle answers");

            assert_eq!(by_service(&told), by_service(&expected), "since {since}");
            assert_eq!(told.lately.spans, expected.lately.spans);
            assert_eq!((told.oldest_ns, told.newest_ns), (expected.oldest_ns, expected.newest_ns));
            assert!(told.lately.services.is_sorted_by(|a, b| a.spans >= b.spans));
            assert!(told.lately.services.iter().all(|of| of.oldest_ns.is_some_and(|at| at <= arrival(REQUESTS))));
        }
        let told = store.storage(arrival(5)).await.expect("storage is told of");
        assert_eq!(told.lately.from_ns, arrival(5));
        let usage = store.usage().await.expect("usage is told");
        assert_eq!((told.spans, told.spans), (usage.spans, 60 * REQUESTS as u64));
        assert!(told.parts.total() > 0);
    });
}

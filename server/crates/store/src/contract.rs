//! What every engine must do, as tests that know no engine.
//!
//! An engine implements [`Engine`] (a place that can be opened again and again) and instantiates [`crate::contract_suite!`]. Most tests do the
//! same to the engine and to the oracle ([`crate::memory`]), with generated data, and compare what they answer.

use std::future::Future;

use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestRunner},
};

use crate::{
    Compaction, ControlStore, DecisionLog, EventLog, Projector, Retention, RollupReader, RollupRetention, SpanReader,
    StorageReader, Writer,
};

pub mod control;
pub mod events;
pub mod generate;
pub mod plain;
pub mod rollups;
pub mod spans;
pub mod storage;

/// A place where an engine keeps things, empty at first.
pub trait Engine: Send + Sync {
    /// Reads.
    type Store: SpanReader
        + EventLog
        + RollupReader
        + RollupRetention
        + Projector
        + Compaction
        + Retention
        + StorageReader
        + ControlStore
        + DecisionLog
        + 'static;
    /// Writes.
    type Writer: Writer + 'static;

    /// Opens what is there.
    fn open(&self) -> impl Future<Output = (Self::Store, Self::Writer)> + Send;

    /// Does now what the engine does in the background sooner or later, if it does anything: no answer may change by it.
    fn settle(&self, _: &Self::Store) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Opens it again, as after a restart of the program.
    fn restart(
        &self,
        store: Self::Store,
        writer: Self::Writer,
    ) -> impl Future<Output = (Self::Store, Self::Writer)> + Send {
        async move {
            drop((store, writer));
            self.open().await
        }
    }
}

/// Runs a test for generated values, in a runtime of its own. Failures are shrunk.
fn check<S: Strategy>(cases: u32, strategy: S, test: impl AsyncFn(S::Value)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime can be built");
    // A failing case is printed; a file of past failures in a dependency's folder would be lost.
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&strategy, |value| {
        runtime.block_on(test(value));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// All tests of the suite, for an engine: `contract_suite!(name_of_module, make)`, where `make()` gives a new, empty [`Engine`].
#[macro_export]
macro_rules! contract_suite {
    ($module:ident, $make:expr) => {
        $crate::contract_suite! {
            @tests $module, $make,
            spans: [
                a_search_finds_what_the_oracle_finds,
                completion_offers_what_is_there,
                pages_stay_the_same_under_writes,
                a_cursor_of_another_store_is_refused,
                a_deadline_shortens_pages_and_loses_nothing,
                a_trace_has_each_span_once_in_order,
                a_repeated_request_changes_nothing,
                a_restart_keeps_everything,
                replay_gives_every_batch_in_order,
                a_large_trace_and_extremes_come_back,
                retention_keeps_what_is_newer,
            ],
            storage: [
                arrivals_are_counted_by_service,
            ],
            events: [
                repeats_and_conflicts_are_those_of_the_oracle,
                pages_and_states_are_those_of_the_oracle,
                an_id_is_free_again_after_a_day,
            ],
            rollups: [
                sums_are_those_of_the_oracle_across_restarts,
                a_fact_taken_back_leaves_nothing,
                a_fact_far_in_the_future_is_not_summed_up,
                quantiles_are_exact_within_the_error_of_the_histogram,
                what_is_forgotten_finely_is_answered_coarser,
                what_was_forgotten_does_not_come_back,
                a_long_series_is_cut_or_coarse_but_never_wrong,
                what_time_alone_said_is_said_once,
            ],
            control: [
                an_upload_is_stored_once,
                one_version_of_a_name_is_active,
                only_what_is_off_can_be_deleted,
                a_plugin_keeps_its_values,
                decisions_are_paged_newest_first,
                ticks_are_read_in_order,
                history_is_forgotten_by_age,
            ]
        }
    };
    (@tests $module:ident, $make:expr, $($part:ident: [$($test:ident),* $(,)?]),*) => {
        mod $module {
            #[expect(unused_imports, reason = "a maker may be a path or a closure")]
            use super::*;
            $($(
                #[test]
                fn $test() {
                    $crate::contract::$part::$test(&$make);
                }
            )*)*
        }
    };
}

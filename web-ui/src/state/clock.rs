//! The present, as a signal that ticks once a second while somebody looks.

use std::time::Duration;

use leptos::prelude::*;
use spillway_api::Timestamp;

/// Now, and how far the viewer's wall clock is from UTC.
#[derive(Clone, Copy)]
pub struct Clock {
    now: RwSignal<Timestamp>,
}

/// The browser's time.
pub fn read() -> Timestamp {
    Timestamp::from_unix_ms(js_sys::Date::now() as i64)
}

impl Clock {
    /// Starts the clock and puts it in the context.
    pub fn provide() -> Self {
        let clock = Self { now: RwSignal::new(read()) };
        if let Ok(ticking) = set_interval_with_handle(
            move || {
                if !document().hidden() {
                    clock.now.set(read());
                }
            },
            Duration::from_secs(1),
        ) {
            on_cleanup(move || ticking.clear());
        }
        provide_context(clock);
        clock
    }

    /// From the context.
    pub fn get() -> Self {
        expect_context()
    }

    /// Now; whoever calls it is run again each second.
    pub fn now(self) -> Timestamp {
        self.now.get()
    }

    /// Minutes to add to UTC for the viewer's clock at `at`: summer time is another offset.
    pub fn offset_minutes(at: Timestamp) -> i32 {
        -(js_sys::Date::new(&wasm_bindgen::JsValue::from_f64(at.unix_ms() as f64)).get_timezone_offset() as i32)
    }
}

/// `02:14:05` on the viewer's clock.
pub fn time(at: Timestamp) -> String {
    spillway_view::format::clock(at, Clock::offset_minutes(at))
}

/// `02:14` on the viewer's clock.
pub fn minutes(at: Timestamp) -> String {
    spillway_view::format::clock_minutes(at, Clock::offset_minutes(at))
}

/// `2026-11-23 02:14:05` on the viewer's clock.
pub fn date_time(at: Timestamp) -> String {
    spillway_view::format::date_time(at, Clock::offset_minutes(at))
}

/// The time alone when it is today.
pub fn when(at: Timestamp) -> String {
    spillway_view::format::when(at, read(), Clock::offset_minutes(at))
}

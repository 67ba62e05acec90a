//! One `EventSource`, closed when it is dropped.

use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use web_sys::{Event, EventSource, MessageEvent};

use crate::api;

/// What the stream says.
pub enum Said {
    /// The whole topology, as JSON.
    Snapshot(String),
    /// A change of it, as JSON.
    Delta(String),
    /// The newest decisions, as JSON.
    Decisions(String),
    /// All plugins, as JSON.
    Plugins(String),
    /// The connection broke; the browser tries again by itself, with the last event's id.
    Broken,
    /// The server refused, so the browser will not try again.
    Refused,
}

/// An event's name and what its data mean.
type Meaning = (&'static str, fn(String) -> Said);

const EVENTS: [Meaning; 4] =
    [("snapshot", Said::Snapshot), ("delta", Said::Delta), ("decisions", Said::Decisions), ("plugins", Said::Plugins)];

/// An open stream.
pub struct Stream {
    source: EventSource,
    // The browser calls into these for as long as the source lives.
    _listeners: Vec<Closure<dyn Fn(MessageEvent)>>,
    _on_error: Closure<dyn Fn(Event)>,
}

impl Stream {
    /// Opens it; `hear` is called with everything it says.
    pub fn open(hear: impl Fn(Said) + Copy + 'static) -> Result<Self, JsValue> {
        let source = EventSource::new(api::LIVE)?;
        let mut listeners = Vec::with_capacity(EVENTS.len());
        for (name, said) in EVENTS {
            let listener = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
                if let Some(text) = event.data().as_string() {
                    hear(said(text));
                }
            });
            source.add_event_listener_with_callback(name, listener.as_ref().unchecked_ref())?;
            listeners.push(listener);
        }
        let of_error = source.clone();
        let on_error = Closure::<dyn Fn(Event)>::new(move |_| {
            hear(if of_error.ready_state() == EventSource::CLOSED { Said::Refused } else { Said::Broken });
        });
        source.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Self { source, _listeners: listeners, _on_error: on_error })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.set_onerror(None);
        self.source.close();
    }
}

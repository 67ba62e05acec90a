//! Settings of an element, as described and as they stand.

use std::{borrow::Cow, cell::RefCell, rc::Rc};

use leptos::{
    prelude::RenderEffect,
    tachys::renderer::{Rndr, types::Element},
};
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use web_sys::{Event, HtmlElement};

/// What a setting is set to.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// Not set.
    Nothing,
    /// Present or not; a property is true or false.
    Flag(bool),
    /// Text.
    Text(Cow<'static, str>),
}

/// Called with each event.
pub type Listener = Box<dyn FnMut(Event) + Send>;

/// Where a setting's value comes from.
pub enum Value {
    /// Known.
    Fixed(Given),
    /// Followed.
    Live(Box<dyn FnMut() -> Given + Send>),
    /// For an event.
    Listener(Listener),
    /// For a handle.
    Handle(Box<dyn FnOnce(&Element) + Send>),
}

/// What is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Attribute,
    Property,
    Style,
    Event,
    Handle,
}

/// One setting as described.
pub(super) struct Setting {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) value: Value,
}

/// One setting as it stands.
pub(super) struct BuiltSetting {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    value: BuiltValue,
}

enum BuiltValue {
    Fixed(Given),
    /// Kept, because it is followed for as long as it lives.
    Live(RenderEffect<Given>),
    /// The listener can be exchanged under the closure that the browser calls.
    Listener {
        listener: Rc<RefCell<Listener>>,
        _called: Closure<dyn FnMut(Event)>,
    },
    Handle,
}

impl Setting {
    /// Sets it for the first time.
    pub(super) fn build(self, element: &Element) -> BuiltSetting {
        let Self { kind, name, value } = self;
        let value = match value {
            Value::Fixed(given) => {
                apply(kind, name, &given, element);
                BuiltValue::Fixed(given)
            }
            Value::Live(next) => BuiltValue::Live(follow(kind, name, next, element.clone(), None)),
            Value::Listener(listener) => listen(name, listener, element),
            Value::Handle(handle) => {
                handle(element);
                BuiltValue::Handle
            }
        };
        BuiltSetting { kind, name, value }
    }

    /// Brings `built`, which has the same kind and name, up to date.
    pub(super) fn rebuild(self, built: &mut BuiltSetting, element: &Element) {
        let Self { kind, name, value } = self;
        match (value, &mut built.value) {
            (Value::Fixed(given), BuiltValue::Fixed(old)) => {
                if given != *old {
                    apply(kind, name, &given, element);
                    *old = given;
                }
            }
            (Value::Live(next), BuiltValue::Live(old)) => {
                let last = old.take_value();
                *old = follow(kind, name, next, element.clone(), last);
            }
            (Value::Listener(listener), BuiltValue::Listener { listener: old, .. }) => *old.borrow_mut() = listener,
            (Value::Handle(handle), BuiltValue::Handle) => handle(element),
            (value, old) => *old = Setting { kind, name, value }.build(element).value,
        }
    }
}

fn follow(
    kind: Kind,
    name: &'static str,
    mut next: Box<dyn FnMut() -> Given + Send>,
    element: Element,
    last: Option<Given>,
) -> RenderEffect<Given> {
    RenderEffect::new_with_value(
        move |last: Option<Given>| {
            let given = next();
            if last.as_ref() != Some(&given) {
                apply(kind, name, &given, &element);
            }
            given
        },
        last,
    )
}

fn listen(event: &'static str, listener: Listener, element: &Element) -> BuiltValue {
    let listener = Rc::new(RefCell::new(listener));
    let called = Rc::clone(&listener);
    let closure = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
        // An event that a listener causes itself (closing what it closes) must not reach it while it runs.
        if let Ok(mut listener) = called.try_borrow_mut() {
            listener(event);
        }
    });
    // An element that refuses a listener does not exist: the name is one of the fixed list of the macro.
    let _ = element.add_event_listener_with_callback(event, closure.as_ref().unchecked_ref());
    BuiltValue::Listener { listener, _called: closure }
}

fn apply(kind: Kind, name: &'static str, given: &Given, element: &Element) {
    match (kind, given) {
        (Kind::Attribute, Given::Nothing | Given::Flag(false)) => Rndr::remove_attribute(element, name),
        (Kind::Attribute, Given::Flag(true)) => Rndr::set_attribute(element, name, ""),
        (Kind::Attribute, Given::Text(text)) => Rndr::set_attribute(element, name, text),
        (Kind::Property, given) => {
            let value = match given {
                Given::Nothing => JsValue::from_str(""),
                Given::Flag(flag) => JsValue::from_bool(*flag),
                Given::Text(text) => JsValue::from_str(text),
            };
            // Setting what is there already would move the cursor of a field to its end.
            if js_sys::Reflect::get(element, &JsValue::from_str(name)).ok().as_ref() != Some(&value) {
                Rndr::set_property(element, name, &value);
            }
        }
        (Kind::Style, given) => {
            let style = element.unchecked_ref::<HtmlElement>().style();
            match given {
                Given::Text(text) => Rndr::set_css_property(&style, name, text),
                Given::Nothing | Given::Flag(_) => Rndr::remove_css_property(&style, name),
            }
        }
        (Kind::Event | Kind::Handle, _) => {}
    }
}

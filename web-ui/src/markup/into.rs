//! What may stand in a view: text, options, lists and closures of these.

use std::borrow::Cow;

use leptos::{
    html::ElementType,
    prelude::{AnyView, NodeRef},
    tachys::html::node_ref::NodeRefContainer as _,
};
use wasm_bindgen::JsCast;
use web_sys::Event;

use super::{Given, Markup, Value};

/// A child of an element.
pub trait IntoMarkup {
    /// As a description.
    fn into_markup(self) -> Markup;
}

impl IntoMarkup for Markup {
    fn into_markup(self) -> Markup {
        self
    }
}

impl IntoMarkup for () {
    fn into_markup(self) -> Markup {
        Markup::Nothing
    }
}

impl IntoMarkup for &'static str {
    fn into_markup(self) -> Markup {
        Markup::Text(Cow::Borrowed(self))
    }
}

impl IntoMarkup for String {
    fn into_markup(self) -> Markup {
        Markup::Text(Cow::Owned(self))
    }
}

impl IntoMarkup for AnyView {
    fn into_markup(self) -> Markup {
        Markup::Leptos(Box::new(self))
    }
}

impl<T: IntoMarkup> IntoMarkup for Option<T> {
    fn into_markup(self) -> Markup {
        self.map_or(Markup::Nothing, T::into_markup)
    }
}

impl<T: IntoMarkup> IntoMarkup for Vec<T> {
    fn into_markup(self) -> Markup {
        Markup::Many(self.into_iter().map(T::into_markup).collect())
    }
}

impl<F, T> IntoMarkup for F
where
    F: FnMut() -> T + Send + 'static,
    T: IntoMarkup,
{
    fn into_markup(mut self) -> Markup {
        Markup::Live(Box::new(move || self().into_markup()))
    }
}

/// The value of an attribute, a property or a style.
pub trait IntoValue {
    /// As a description.
    fn into_value(self) -> Value;
}

/// A value that is known.
trait Known {
    fn given(self) -> Given;
}

impl Known for &'static str {
    fn given(self) -> Given {
        Given::Text(Cow::Borrowed(self))
    }
}

impl Known for String {
    fn given(self) -> Given {
        Given::Text(Cow::Owned(self))
    }
}

impl Known for bool {
    fn given(self) -> Given {
        Given::Flag(self)
    }
}

impl<T: Known> Known for Option<T> {
    fn given(self) -> Given {
        self.map_or(Given::Nothing, T::given)
    }
}

macro_rules! known {
    ($($kind:ty),*) => {
        $(impl IntoValue for $kind {
            fn into_value(self) -> Value {
                Value::Fixed(self.given())
            }
        })*
    };
}

known!(&'static str, String, bool, Option<&'static str>, Option<String>);

impl<F, T> IntoValue for F
where
    F: FnMut() -> T + Send + 'static,
    T: Known,
{
    fn into_value(mut self) -> Value {
        Value::Live(Box::new(move || self().given()))
    }
}

/// Listens to an event as its own type.
pub fn handler<E: JsCast, F: FnMut(E) + Send + 'static>(mut handler: F) -> Value {
    Value::Listener(Box::new(move |event: Event| handler(event.unchecked_into())))
}

/// The element at which an event happened.
pub struct Targeted<T>(T);

impl<T> Targeted<T> {
    /// The element.
    pub fn target(self) -> T {
        self.0
    }
}

/// Listens to an event of a form's field.
pub fn target_handler<T: JsCast, F: FnMut(Targeted<T>) + Send + 'static>(mut handler: F) -> Value {
    Value::Listener(Box::new(move |event: Event| {
        if let Some(target) = event.current_target() {
            handler(Targeted(target.unchecked_into()));
        }
    }))
}

/// Fills a reference of Leptos.
pub fn node_ref<E>(reference: NodeRef<E>) -> Value
where
    E: ElementType + 'static,
    E::Output: JsCast + 'static,
{
    Value::Handle(Box::new(move |element| reference.load(element)))
}

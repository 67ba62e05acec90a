//! What `view!` expands to: a description of elements that is built and brought up to date by one piece of code.
//!
//! A description holds plain values, closures that are followed, and views of Leptos itself. When a closure runs again,
//! its new description is compared with what stands in the document, and only what differs is touched: a row that is
//! refreshed each second keeps its focus, and a press on its button is not lost.

mod bridge;
mod built;
mod each;
mod into;
mod setting;

use std::borrow::Cow;

use leptos::prelude::AnyView;

pub use each::{choose, each, when};
pub use into::{IntoMarkup, IntoValue, handler, node_ref, target_handler};
pub use setting::{Given, Value};
pub use spillway_markup::view;

use each::Rows;
use setting::{Kind, Setting};

/// A piece of the page.
pub enum Markup {
    /// An empty place.
    Nothing,
    /// Text; never read as markup.
    Text(Cow<'static, str>),
    /// A tag.
    Element(Box<Element>),
    /// One after the other.
    Many(Vec<Markup>),
    /// Whatever the closure says, as the signals that it reads change.
    Live(Live),
    /// A list whose rows have keys.
    Rows(Box<Rows>),
    /// A view that Leptos builds itself.
    Leptos(Box<AnyView>),
}

/// A closure that is followed.
pub type Live = Box<dyn FnMut() -> Markup + Send>;

/// A tag with its settings and children. Nothing of it is inlined: a view is many calls, and each is to stay small.
pub struct Element {
    tag: &'static str,
    namespace: Option<&'static str>,
    settings: Vec<Setting>,
    children: Vec<Markup>,
}

impl Element {
    /// A tag of HTML.
    #[inline(never)]
    pub fn html(tag: &'static str) -> Self {
        Self { tag, namespace: None, settings: Vec::new(), children: Vec::new() }
    }

    /// A tag of SVG.
    #[inline(never)]
    pub fn svg(tag: &'static str) -> Self {
        Self { namespace: Some("http://www.w3.org/2000/svg"), ..Self::html(tag) }
    }

    /// An attribute that never changes.
    #[inline(never)]
    pub fn fixed(&mut self, name: &'static str, value: &'static str) {
        self.set(name, Value::Fixed(Given::Text(Cow::Borrowed(value))));
    }

    /// An attribute.
    #[inline(never)]
    pub fn set(&mut self, name: &'static str, value: Value) {
        self.settings.push(Setting { kind: Kind::Attribute, name, value });
    }

    /// A property of the element's object: what a person typed or chose is there, not in the attribute.
    #[inline(never)]
    pub fn property(&mut self, name: &'static str, value: Value) {
        self.settings.push(Setting { kind: Kind::Property, name, value });
    }

    /// A computed style, set through the object model: the security policy forbids the attribute.
    #[inline(never)]
    pub fn style(&mut self, name: &'static str, value: Value) {
        self.settings.push(Setting { kind: Kind::Style, name, value });
    }

    /// Listens to an event.
    #[inline(never)]
    pub fn on(&mut self, event: &'static str, listener: Value) {
        self.settings.push(Setting { kind: Kind::Event, name: event, value: listener });
    }

    /// Hands the element out once it is there.
    #[inline(never)]
    pub fn handle(&mut self, handle: Value) {
        self.settings.push(Setting { kind: Kind::Handle, name: "", value: handle });
    }

    /// Text inside.
    #[inline(never)]
    pub fn text(&mut self, text: &'static str) {
        self.children.push(Markup::Text(Cow::Borrowed(text)));
    }

    /// Something inside.
    #[inline(never)]
    pub fn child(&mut self, child: Markup) {
        self.children.push(child);
    }
}

impl From<Element> for Markup {
    #[inline(never)]
    fn from(element: Element) -> Self {
        Self::Element(Box::new(element))
    }
}

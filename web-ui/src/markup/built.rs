//! What stands in the document, and how a new description changes it.

use std::borrow::Cow;

use leptos::{
    prelude::{Mountable, Render as _, RenderEffect},
    tachys::{
        renderer::{
            Rndr,
            types::{Element as DomElement, Node, Placeholder, Text},
        },
        view::any_view::AnyViewState,
    },
};

use super::{Element, Live, Markup, each::BuiltRows, setting::BuiltSetting};

/// A piece of the page as it stands.
pub enum Built {
    /// An invisible node that keeps the place.
    Nothing(Placeholder),
    /// A text node and what it says.
    Text(Text, Cow<'static, str>),
    /// A tag.
    Element(Box<BuiltElement>),
    /// Parts, and a node behind the last, so that there is a place for more.
    Many(Vec<Built>, Placeholder),
    /// What the closure said last; followed for as long as this lives.
    Live(RenderEffect<Built>),
    /// Rows with keys.
    Rows(BuiltRows),
    /// A view of Leptos.
    Leptos(AnyViewState),
}

/// A tag as it stands.
pub struct BuiltElement {
    tag: &'static str,
    node: DomElement,
    settings: Vec<BuiltSetting>,
    children: Vec<Built>,
}

impl Markup {
    /// Builds it; it is not in the document yet.
    pub fn build(self) -> Built {
        match self {
            Self::Nothing => Built::Nothing(Rndr::create_placeholder()),
            Self::Text(text) => Built::Text(Rndr::create_text_node(&text), text),
            Self::Element(element) => Built::Element(Box::new(element.build())),
            Self::Many(parts) => Built::Many(parts.into_iter().map(Self::build).collect(), Rndr::create_placeholder()),
            Self::Live(next) => Built::Live(follow(next, None)),
            Self::Rows(rows) => Built::Rows(rows.build()),
            Self::Leptos(view) => Built::Leptos(view.build()),
        }
    }

    /// Brings `built` up to date.
    pub fn rebuild(self, built: &mut Built) {
        match (self, &mut *built) {
            (Self::Nothing, Built::Nothing(_)) => {}
            (Self::Text(text), Built::Text(node, old)) => {
                if text != *old {
                    Rndr::set_text(node, &text);
                    *old = text;
                }
            }
            (Self::Element(element), Built::Element(old)) if old.is_like(&element) => element.rebuild(old),
            (Self::Many(parts), Built::Many(old, end)) => rebuild_many(parts, old, end),
            (Self::Live(next), Built::Live(old)) => {
                let last = old.take_value();
                *old = follow(next, last);
            }
            (Self::Leptos(view), Built::Leptos(old)) => view.rebuild(old),
            (new, old) => {
                let mut new = new.build();
                old.insert_before_this(&mut new);
                old.unmount();
                *built = new;
            }
        }
    }
}

fn follow(mut next: Live, last: Option<Built>) -> RenderEffect<Built> {
    RenderEffect::new_with_value(
        move |last: Option<Built>| match last {
            Some(mut built) => {
                next().rebuild(&mut built);
                built
            }
            None => next().build(),
        },
        last,
    )
}

fn rebuild_many(parts: Vec<Markup>, old: &mut Vec<Built>, end: &mut Placeholder) {
    let count = parts.len();
    for (index, part) in parts.into_iter().enumerate() {
        match old.get_mut(index) {
            Some(built) => part.rebuild(built),
            None => {
                let mut built = part.build();
                end.insert_before_this(&mut built);
                old.push(built);
            }
        }
    }
    for mut gone in old.drain(count..) {
        gone.unmount();
    }
}

impl Element {
    fn build(self) -> BuiltElement {
        let node = Rndr::create_element(self.tag, self.namespace);
        let children: Vec<Built> = self
            .children
            .into_iter()
            .map(|child| {
                let mut child = child.build();
                child.mount(&node, None);
                child
            })
            .collect();
        // After the children: the value of a `select` needs its options.
        let settings = self.settings.into_iter().map(|setting| setting.build(&node)).collect();
        BuiltElement { tag: self.tag, node, settings, children }
    }

    fn rebuild(self, built: &mut BuiltElement) {
        for (child, old) in self.children.into_iter().zip(&mut built.children) {
            child.rebuild(old);
        }
        for (setting, old) in self.settings.into_iter().zip(&mut built.settings) {
            setting.rebuild(old, &built.node);
        }
    }
}

impl BuiltElement {
    /// True when `element` can take its place by changing values only.
    fn is_like(&self, element: &Element) -> bool {
        self.tag == element.tag
            && self.children.len() == element.children.len()
            && self.settings.len() == element.settings.len()
            && self
                .settings
                .iter()
                .zip(&element.settings)
                .all(|(old, new)| old.kind == new.kind && old.name == new.name)
    }
}

impl Built {
    /// The first node of the document that belongs to it; `None` where only Leptos knows.
    pub(super) fn first(&self) -> Option<Node> {
        match self {
            Self::Nothing(place) => Some(AsRef::<Node>::as_ref(place).clone()),
            Self::Text(node, _) => Some(AsRef::<Node>::as_ref(node).clone()),
            Self::Element(element) => Some(AsRef::<Node>::as_ref(&element.node).clone()),
            Self::Many(parts, end) => {
                parts.first().map_or_else(|| Some(AsRef::<Node>::as_ref(end).clone()), Self::first)
            }
            Self::Live(effect) => effect.with_value_mut(|built| built.first()).flatten(),
            Self::Rows(rows) => Some(rows.first()),
            Self::Leptos(_) => None,
        }
    }
}

impl Mountable for Built {
    fn unmount(&mut self) {
        match self {
            Self::Nothing(place) => place.unmount(),
            Self::Text(node, _) => node.unmount(),
            Self::Element(element) => element.node.unmount(),
            Self::Many(parts, end) => {
                parts.iter_mut().for_each(Mountable::unmount);
                end.unmount();
            }
            Self::Live(effect) => {
                effect.with_value_mut(Mountable::unmount);
            }
            Self::Rows(rows) => rows.unmount(),
            Self::Leptos(state) => state.unmount(),
        }
    }

    fn mount(&mut self, parent: &DomElement, marker: Option<&Node>) {
        match self {
            Self::Nothing(place) => place.mount(parent, marker),
            Self::Text(node, _) => node.mount(parent, marker),
            Self::Element(element) => element.node.mount(parent, marker),
            Self::Many(parts, end) => {
                parts.iter_mut().for_each(|part| part.mount(parent, marker));
                end.mount(parent, marker);
            }
            Self::Live(effect) => {
                effect.with_value_mut(|built| built.mount(parent, marker));
            }
            Self::Rows(rows) => rows.mount(parent, marker),
            Self::Leptos(state) => state.mount(parent, marker),
        }
    }

    fn insert_before_this(&self, child: &mut dyn Mountable) -> bool {
        match self {
            Self::Nothing(place) => place.insert_before_this(child),
            Self::Text(node, _) => node.insert_before_this(child),
            Self::Element(element) => element.node.insert_before_this(child),
            Self::Many(parts, end) => match parts.first() {
                Some(first) => first.insert_before_this(child),
                None => end.insert_before_this(child),
            },
            Self::Live(effect) => effect.with_value_mut(|built| built.insert_before_this(child)).unwrap_or(false),
            Self::Rows(rows) => rows.insert_before_this(child),
            Self::Leptos(state) => state.insert_before_this(child),
        }
    }

    fn elements(&self) -> Vec<DomElement> {
        match self {
            Self::Nothing(_) | Self::Text(..) => Vec::new(),
            Self::Element(element) => vec![element.node.clone()],
            Self::Many(parts, _) => parts.iter().flat_map(Mountable::elements).collect(),
            Self::Live(effect) => effect.with_value_mut(|built| built.elements()).unwrap_or_default(),
            Self::Rows(rows) => rows.elements(),
            Self::Leptos(state) => state.elements(),
        }
    }
}

//! Makes a description a view of Leptos, for the router, for `mount` and for components of Leptos.

use leptos::{
    prelude::{AddAnyAttr, Render, RenderHtml},
    tachys::{
        html::attribute::{Attribute, any_attribute::AnyAttribute},
        hydration::Cursor,
        view::{Position, PositionState},
    },
};

use super::{Markup, built::Built};

impl Render for Markup {
    type State = Built;

    fn build(self) -> Built {
        Markup::build(self)
    }

    fn rebuild(self, state: &mut Built) {
        Markup::rebuild(self, state);
    }
}

impl AddAnyAttr for Markup {
    type Output<NewAttr: Attribute> = Self;

    /// Attributes are given where an element is written; none comes from outside.
    fn add_any_attr<NewAttr: Attribute>(self, _: NewAttr) -> Self {
        self
    }
}

/// The interface is built in the browser only. These exist because the router's bounds ask for them; what a server would
/// do with them is what it does with an empty view.
impl RenderHtml for Markup {
    type AsyncOutput = Self;
    type Owned = Self;

    const MIN_LENGTH: usize = 0;

    fn dry_resolve(&mut self) {}

    async fn resolve(self) -> Self {
        self
    }

    fn to_html_with_buf(self, _: &mut String, _: &mut Position, _: bool, _: bool, _: Vec<AnyAttribute>) {}

    fn hydrate<const FROM_SERVER: bool>(self, _: &Cursor, _: &PositionState) -> Built {
        Markup::build(self)
    }

    fn into_owned(self) -> Self {
        self
    }
}

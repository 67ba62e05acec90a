//! Lists whose rows have keys, and a part that is there or not.

use std::{cell::RefCell, rc::Rc};

use leptos::{
    prelude::{Get as _, Memo, Mountable, Owner, RenderEffect},
    tachys::renderer::{
        Rndr,
        types::{Element as DomElement, Node, Placeholder},
    },
};

use super::{Markup, built::Built};

/// A list: its keys, followed, and what a row is.
pub struct Rows {
    keys: Box<dyn FnMut() -> Vec<String> + Send>,
    row: Box<dyn FnMut(String) -> Markup + Send>,
}

/// A row a key. A row is built once and lives, with its signals, for as long as its key is there; rows that change their
/// order are moved.
pub fn each(
    keys: impl FnMut() -> Vec<String> + Send + 'static,
    row: impl FnMut(String) -> Markup + Send + 'static,
) -> Markup {
    Markup::Rows(Box::new(Rows { keys: Box::new(keys), row: Box::new(row) }))
}

/// What `then` says for as long as `condition` holds. It is not built anew each time that a signal behind the condition
/// changes, only when the answer does.
pub fn when(
    condition: impl Fn() -> bool + Send + Sync + 'static,
    then: impl FnMut() -> Markup + Send + 'static,
) -> Markup {
    choose(condition, then, || Markup::Nothing)
}

/// As [`when`], with something for when it does not hold.
pub fn choose(
    condition: impl Fn() -> bool + Send + Sync + 'static,
    mut then: impl FnMut() -> Markup + Send + 'static,
    mut otherwise: impl FnMut() -> Markup + Send + 'static,
) -> Markup {
    let holds = Memo::new(move |_| condition());
    Markup::Live(Box::new(move || if holds.get() { then() } else { otherwise() }))
}

/// Rows as they stand.
pub struct BuiltRows {
    rows: Rc<RefCell<Vec<Row>>>,
    end: Placeholder,
    _follow: RenderEffect<()>,
}

struct Row {
    key: String,
    built: Built,
    /// Signals and effects of the row end with it.
    owner: Owner,
}

impl Rows {
    pub(super) fn build(self) -> BuiltRows {
        let Self { mut keys, mut row } = self;
        let rows = Rc::new(RefCell::new(Vec::<Row>::new()));
        let end = Rndr::create_placeholder();
        // Rows outlive a run of the effect, so their owner is the list's and not the run's.
        let list_owner = Owner::current().unwrap_or_default();
        let (shown, place) = (Rc::clone(&rows), end.clone());
        let follow = RenderEffect::new(move |_: Option<()>| {
            let keys = keys();
            update(&mut shown.borrow_mut(), keys, &place, |key| {
                let owner = list_owner.with(Owner::new);
                let built = owner.with(|| leptos::prelude::untrack(|| row(key.clone()).build()));
                Row { key, built, owner }
            });
        });
        BuiltRows { rows, end, _follow: follow }
    }
}

fn update(rows: &mut Vec<Row>, keys: Vec<String>, end: &Placeholder, mut build: impl FnMut(String) -> Row) {
    if rows.len() == keys.len() && rows.iter().zip(&keys).all(|(row, key)| row.key == *key) {
        return;
    }
    let mut old: Vec<Option<Row>> = rows.drain(..).map(Some).collect();
    for key in keys {
        let kept = old.iter_mut().find(|row| row.as_ref().is_some_and(|row| row.key == key)).and_then(Option::take);
        rows.push(kept.unwrap_or_else(|| build(key)));
    }
    for mut gone in old.into_iter().flatten() {
        gone.built.unmount();
        gone.owner.cleanup();
    }
    place(rows, end);
}

/// Puts each row before the next, from the last to the first; one that is there already is not touched, so that it keeps
/// the focus.
fn place(rows: &mut [Row], end: &Placeholder) {
    let end: Node = AsRef::<Node>::as_ref(end).clone();
    // Before the list itself is mounted there is no place; mounting puts them in order.
    let Some(parent) = Rndr::get_parent(&end) else { return };
    let mut next = end;
    for row in rows.iter_mut().rev() {
        let first = row.built.first();
        let in_place = matches!((&row.built, &first), (Built::Element(_), Some(node)) if Rndr::next_sibling(node).as_ref() == Some(&next));
        if !in_place {
            row.built.mount(wasm_bindgen::JsCast::unchecked_ref::<DomElement>(&parent), Some(&next));
        }
        if let Some(first) = row.built.first() {
            next = first;
        }
    }
}

impl BuiltRows {
    pub(super) fn first(&self) -> Node {
        let end: Node = AsRef::<Node>::as_ref(&self.end).clone();
        self.rows.borrow().first().and_then(|row| row.built.first()).unwrap_or(end)
    }
}

impl Mountable for BuiltRows {
    fn unmount(&mut self) {
        self.rows.borrow_mut().iter_mut().for_each(|row| row.built.unmount());
        self.end.unmount();
    }

    fn mount(&mut self, parent: &DomElement, marker: Option<&Node>) {
        self.rows.borrow_mut().iter_mut().for_each(|row| row.built.mount(parent, marker));
        self.end.mount(parent, marker);
    }

    fn insert_before_this(&self, child: &mut dyn Mountable) -> bool {
        match self.rows.borrow().first() {
            Some(first) => first.built.insert_before_this(child),
            None => self.end.insert_before_this(child),
        }
    }

    fn elements(&self) -> Vec<DomElement> {
        self.rows.borrow().iter().flat_map(|row| row.built.elements()).collect()
    }
}

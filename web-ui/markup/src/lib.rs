//! `view!` with the syntax of Leptos, expanding to calls of one small builder.
//!
//! Leptos gives every element of every view a type of its own, with code to build, rebuild, mount and drop it. That is
//! fast, and it was half of the 2.2 MB of our module; a first visit should load 200 kB in all. So the pages are written as
//! for Leptos, but each tag becomes a few calls of `crate::markup::Element`, which is compiled once, and a component is a
//! function that returns `crate::markup::Markup`. Signals, effects and the history stay those of Leptos.

mod attribute;
mod element;

use proc_macro2::TokenStream;
use quote::quote;
use rstml::node::Node;

/// Expands to an expression of type `crate::markup::Markup`.
#[proc_macro]
pub fn view(tokens: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(tokens.into()).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(tokens: TokenStream) -> syn::Result<TokenStream> {
    let nodes = rstml::parse2(tokens)?;
    let mut parts = nodes.iter().filter_map(|node| element::node(node).transpose()).collect::<syn::Result<Vec<_>>>()?;
    Ok(match parts.len() {
        0 => quote!(crate::markup::Markup::Nothing),
        1 => parts.remove(0),
        _ => quote!(crate::markup::Markup::Many(::std::vec![#(#parts),*])),
    })
}

/// What may stand where a child may stand.
type AnyNode = Node;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use quote::quote;

    use super::*;

    fn text(tokens: TokenStream) -> String {
        expand(tokens).unwrap().to_string().replace(' ', "")
    }

    #[test]
    fn a_tag_becomes_calls_of_the_builder() {
        let text = text(quote!(<p class="x" data-y=y>"Hello" {name}</p>));

        assert!(text.contains(r#"crate::markup::Element::html("p")"#), "{text}");
        assert!(text.contains(r#"__element.fixed("class","x")"#), "{text}");
        assert!(text.contains(r#"__element.set("data-y",crate::markup::IntoValue::into_value(y))"#), "{text}");
        assert!(text.contains(r#"__element.text("Hello")"#), "{text}");
        assert!(text.contains(r#"__element.child(crate::markup::IntoMarkup::into_markup(name))"#), "{text}");
    }

    #[test]
    fn an_event_is_heard_as_its_own_type() {
        let text = text(quote!(<input on:keydown=keys on:input:target=typed />));

        assert!(
            text.contains(r#"__element.on("keydown",crate::markup::handler::<::web_sys::KeyboardEvent,_>(keys))"#),
            "{text}"
        );
        assert!(
            text.contains(
                r#"__element.on("input",crate::markup::target_handler::<::web_sys::HtmlInputElement,_>(typed))"#
            ),
            "{text}"
        );
    }

    #[test]
    fn several_roots_and_none_are_views_too() {
        assert!(text(quote!(<a /> <b />)).starts_with("crate::markup::Markup::Many("));
        assert_eq!(text(quote!()), "crate::markup::Markup::Nothing");
    }

    #[test]
    fn what_is_not_understood_is_refused_where_it_stands() {
        for wrong in
            [quote!(<p class:x=y />), quote!(<p {..spread} />), quote!(<p on:telepathy=f />), quote!(<Panel label=x />)]
        {
            assert!(expand(wrong.clone()).is_err(), "{wrong}");
        }
    }
}

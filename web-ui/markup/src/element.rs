//! Tags, text, blocks and components.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use rstml::node::{NodeBlock, NodeElement};
use syn::{Stmt, spanned::Spanned as _};

use crate::{AnyNode, attribute};

/// Tags that live in the namespace of SVG.
const SVG: [&str; 8] = ["svg", "path", "circle", "line", "g", "rect", "polyline", "text"];

/// The expression for one node; `None` for a comment.
pub fn node(node: &AnyNode) -> syn::Result<Option<TokenStream>> {
    Ok(Some(match node {
        AnyNode::Element(element) if element.name().to_string().starts_with(char::is_uppercase) => {
            return Err(syn::Error::new(element.name().span(), "a component is a function: call it in {braces}"));
        }
        AnyNode::Element(element) => tag(element)?,
        AnyNode::Text(text) => {
            let text = text.value_string();
            quote!(crate::markup::Markup::Text(::std::borrow::Cow::Borrowed(#text)))
        }
        AnyNode::Block(block) => into_markup(block)?,
        AnyNode::Comment(_) => return Ok(None),
        other => return Err(syn::Error::new(other.span(), "a view holds tags, \"text\" and {blocks}")),
    }))
}

fn into_markup(block: &NodeBlock) -> syn::Result<TokenStream> {
    match block.try_block() {
        Some(block) => {
            // Braces around a lone expression would be called unnecessary by the compiler.
            let inner = match block.stmts.as_slice() {
                [Stmt::Expr(expression, None)] => expression.to_token_stream(),
                _ => block.to_token_stream(),
            };
            Ok(quote!(crate::markup::IntoMarkup::into_markup(#inner)))
        }
        None => Err(syn::Error::new(block.span(), "this block is not an expression")),
    }
}

fn tag(element: &NodeElement<rstml::Infallible>) -> syn::Result<TokenStream> {
    let name = element.name().to_string();
    let constructor = if SVG.contains(&name.as_str()) { quote!(svg) } else { quote!(html) };
    let settings = element
        .attributes()
        .iter()
        .map(|setting| attribute::setting(&name, setting))
        .collect::<syn::Result<Vec<_>>>()?;
    let children = element
        .children()
        .iter()
        .filter_map(|child| match child {
            AnyNode::Text(text) => {
                let text = text.value_string();
                Some(Ok(quote!(__element.text(#text);)))
            }
            other => node(other).transpose().map(|child| child.map(|child| quote!(__element.child(#child);))),
        })
        .collect::<syn::Result<Vec<_>>>()?;
    Ok(quote!({
        let mut __element = crate::markup::Element::#constructor(#name);
        #(#settings)*
        #(#children)*
        crate::markup::Markup::from(__element)
    }))
}

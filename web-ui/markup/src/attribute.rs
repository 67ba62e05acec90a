//! Attributes, properties, styles, events and handles of a tag.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use rstml::node::{KeyedAttribute, NodeAttribute};
use syn::{Expr, Lit, spanned::Spanned as _};

/// The call that makes one setting.
pub fn setting(tag: &str, setting: &NodeAttribute) -> syn::Result<TokenStream> {
    let NodeAttribute::Attribute(setting) = setting else {
        return Err(syn::Error::new(setting.span(), "spreading attributes is not supported"));
    };
    let key = setting.key.to_string().replace(' ', "");
    let mut parts = key.splitn(3, ':');
    match (parts.next().unwrap_or_default(), parts.next(), parts.next()) {
        ("on", Some(event), modifier) => listener(tag, event, modifier, setting),
        ("prop", Some(name), None) => {
            let value = value(setting)?;
            Ok(quote!(__element.property(#name, crate::markup::IntoValue::into_value(#value));))
        }
        ("style", Some(name), None) => {
            let value = value(setting)?;
            Ok(quote!(__element.style(#name, crate::markup::IntoValue::into_value(#value));))
        }
        ("node_ref", None, None) => {
            let value = value(setting)?;
            Ok(quote!(__element.handle(crate::markup::node_ref(#value));))
        }
        (name, None, None) => attribute(name, setting),
        _ => Err(syn::Error::new(setting.key.span(), "only on:, prop: and style: have a part behind the colon")),
    }
}

fn value(setting: &KeyedAttribute) -> syn::Result<&Expr> {
    setting.value().ok_or_else(|| syn::Error::new(setting.key.span(), "this needs a value"))
}

fn attribute(name: &str, setting: &KeyedAttribute) -> syn::Result<TokenStream> {
    // `type` and the like are written with an r# in Rust.
    let name = name.trim_start_matches("r#");
    Ok(match setting.value() {
        None => quote!(__element.fixed(#name, "");),
        Some(Expr::Lit(literal)) if matches!(literal.lit, Lit::Str(_)) => quote!(__element.fixed(#name, #literal);),
        Some(value) => quote!(__element.set(#name, crate::markup::IntoValue::into_value(#value));),
    })
}

fn listener(tag: &str, event: &str, modifier: Option<&str>, setting: &KeyedAttribute) -> syn::Result<TokenStream> {
    let handler = value(setting)?;
    let span = setting.key.span();
    match modifier {
        None => {
            let kind = event_type(event, span)?;
            Ok(quote!(__element.on(#event, crate::markup::handler::<::web_sys::#kind, _>(#handler));))
        }
        Some("target") => {
            let kind = match tag {
                "input" => "HtmlInputElement",
                "select" => "HtmlSelectElement",
                "textarea" => "HtmlTextAreaElement",
                _ => return Err(syn::Error::new(span, ":target is for input, select and textarea")),
            };
            let kind = Ident::new(kind, span);
            Ok(quote!(__element.on(#event, crate::markup::target_handler::<::web_sys::#kind, _>(#handler));))
        }
        Some(_) => Err(syn::Error::new(span, "the only modifier of an event is :target")),
    }
}

fn event_type(event: &str, span: Span) -> syn::Result<Ident> {
    let kind = match event {
        "click" | "dblclick" | "contextmenu" => "MouseEvent",
        "keydown" | "keyup" => "KeyboardEvent",
        "dragover" | "dragleave" | "drop" => "DragEvent",
        "pointerdown" | "pointermove" | "pointerup" | "pointercancel" | "pointerleave" => "PointerEvent",
        "wheel" => "WheelEvent",
        "submit" => "SubmitEvent",
        "input" | "change" | "scroll" | "close" | "toggle" | "focus" | "blur" => "Event",
        _ => {
            return Err(syn::Error::new(span, format!("`{event}` is not in the list of events; add it with its type")));
        }
    };
    Ok(format_ident!("{kind}", span = span))
}

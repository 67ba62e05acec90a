//! A panic in WebAssembly ends the interface for good: say so, and offer the way out, instead of a page that looks alive.

use leptos::prelude::document;
use wasm_bindgen::JsValue;

/// Shows a bar with a link that reloads; the URL holds the whole view, so nothing but the panic is lost.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        web_sys::console::error_1(&JsValue::from_str(&format!("the interface stopped: {panic}")));
        // Nothing can be done about a page that refuses the bar, so each failing step ends it quietly.
        drop(show_bar());
    }));
}

fn show_bar() -> Result<(), JsValue> {
    let document = document();
    let bar = document.create_element("div")?;
    bar.set_class_name("crash");
    bar.set_attribute("role", "alert")?;
    bar.set_text_content(Some("The interface met an error it cannot recover from. The server is not affected. "));
    let link = document.create_element("a")?;
    link.set_attribute("href", "")?;
    link.set_attribute("rel", "external")?;
    link.set_text_content(Some("Reload this view"));
    bar.append_child(&link)?;
    document.body().ok_or(JsValue::NULL)?.append_child(&bar)?;
    Ok(())
}

//! Upload of a plugin: pick a file or drop it, see how far it is, read exactly why it was refused.

use crate::markup::{Markup, view};
use leptos::{prelude::*, task::spawn_local};
use spillway_api::Plugin;
use spillway_view::format;
use web_sys::{DragEvent, File, HtmlInputElement};

use super::icon::{glyph, icon};
use crate::{
    api::{self, Failure},
    state::Session,
};

/// How the present upload is.
#[derive(Clone, Debug, PartialEq)]
enum Upload {
    Idle,
    /// So much has gone out.
    Sending {
        name: String,
        share: f64,
    },
    /// All has gone out; the server validates and compiles.
    Checking {
        name: String,
    },
    Refused {
        name: String,
        why: String,
    },
    Stored {
        name: String,
        version: String,
    },
}

/// The server's own limit; a larger file is refused before it is sent.
const MOST_BYTES: f64 = 32.0 * 1024.0 * 1024.0;

/// Takes a `.wasm` file and calls `stored` with what became of it.
pub fn drop_zone(stored: Callback<Plugin>) -> Markup {
    let upload = RwSignal::new(Upload::Idle);
    let over = RwSignal::new(false);
    let session = Session::get();
    let send = move |file: File| {
        let name = file.name();
        if file.size() > MOST_BYTES {
            let why = format!(
                "It has {}; a plugin may have {}.",
                format::bytes(file.size() as u64),
                format::bytes(MOST_BYTES as u64)
            );
            upload.set(Upload::Refused { name, why });
            return;
        }
        upload.set(Upload::Sending { name: name.clone(), share: 0.0 });
        spawn_local(async move {
            let of_progress = name.clone();
            let progress = move |share: f64| {
                let name = of_progress.clone();
                upload.try_set(if share < 1.0 { Upload::Sending { name, share } } else { Upload::Checking { name } });
            };
            match api::upload(&file, progress).await {
                Ok(plugin) => {
                    upload.try_set(Upload::Stored { name: plugin.name.clone(), version: plugin.version.clone() });
                    stored.run(plugin);
                }
                Err(Failure::SignInNeeded) => session.expired(),
                Err(failure) => {
                    upload.try_set(Upload::Refused { name, why: failure.to_string() });
                }
            }
        });
    };
    let picked = move |input: HtmlInputElement| {
        if let Some(file) = input.files().and_then(|files| files.get(0)) {
            send(file);
        }
        // The same file can be picked again after it was mended.
        input.set_value("");
    };
    let dropped = move |event: DragEvent| {
        event.prevent_default();
        over.set(false);
        if let Some(file) = event.data_transfer().and_then(|data| data.files()).and_then(|files| files.get(0)) {
            send(file);
        }
    };
    let busy = move || matches!(upload.get(), Upload::Sending { .. } | Upload::Checking { .. });
    view! {
        <div
            class="drop"
            data-testid="drop-zone"
            data-over=move || over.get().to_string()
            on:dragover=move |event: DragEvent| {
                event.prevent_default();
                over.set(true);
            }
            on:dragleave=move |_| over.set(false)
            on:drop=dropped
        >
            <label class="drop__pick" data-busy=move || busy().to_string()>
                {icon("upload")}
                <span><strong>"Choose a .wasm file"</strong>" or drop it here"</span>
                <span class="drop__note">"A WebAssembly component of world spillway:rule/shed-policy. It is validated, compiled in a separate process and kept off until you switch it on."</span>
                <input
                    type="file"
                    class="visually-hidden"
                    accept=".wasm,application/wasm"
                    aria-label="Upload a plugin"
                    data-testid="plugin-upload"
                    disabled=busy
                    on:change:target=move |event| picked(event.target())
                />
            </label>
            <div class="drop__state" role="status" aria-live="polite">{move || state(upload.get())}</div>
        </div>
    }
}

fn state(upload: Upload) -> Markup {
    match upload {
        Upload::Idle => Markup::Nothing,
        Upload::Sending { name, share } => view! {
            <p>{format!("Sending {name}, {}", format::percent(Some(share)))}</p>
            <progress class="progress" max="1" value=share.to_string() aria-label="Sent"></progress>
        },
        Upload::Checking { name } => view! {
            <p>{format!("{name} is there. Validating and compiling…")}</p>
            <progress class="progress" aria-label="Compiling"></progress>
        },
        Upload::Stored { name, version } => {
            view! { <p class="drop__ok" data-testid="upload-stored">{icon("check")} {format!(" {name} {version} is stored and off. Try it in shadow first.")}</p> }
        }
        Upload::Refused { name, why } => view! {
            <div class="problem" role="alert" data-testid="upload-refused">
                <p><strong>{glyph("failing", None)} {format!(" {name} was refused")}</strong></p>
                <pre class="problem__why">{why}</pre>
            </div>
        },
    }
}

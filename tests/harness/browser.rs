//! A person in front of a browser: looks, clicks, types, drops a file, takes a picture.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::Method;
use serde_json::{Value, json};

use super::driver::{Driver, Refusal};

/// How long a person would wait for anything on the page before giving up.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);
/// The protocol's constant key of an element reference.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub struct Browser {
    driver: Driver,
}

/// What the page is shown on.
#[derive(Clone, Copy)]
pub struct View {
    pub width: u32,
    pub height: u32,
    pub theme: Theme,
}

#[derive(Clone, Copy)]
pub enum Theme {
    Light,
    Dark,
}

impl View {
    pub const DESK: Self = Self { width: 1280, height: 800, theme: Theme::Light };
    pub const PHONE: Self = Self { width: 390, height: 844, theme: Theme::Light };

    pub fn dark(self) -> Self {
        Self { theme: Theme::Dark, ..self }
    }
}

impl Browser {
    pub async fn start(view: View) -> Self {
        let browser = Self { driver: Driver::start().await };
        browser.look_through(view).await;
        browser
    }

    /// Changes size and theme of the open page, without loading it again.
    pub async fn look_through(&self, view: View) {
        let narrow = view.width < 600;
        let size = json!({ "width": view.width, "height": view.height, "deviceScaleFactor": 2, "mobile": narrow });
        self.driver.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = match view.theme {
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.driver.devtools("Emulation.setEmulatedMedia", media).await;
    }

    pub async fn open(&self, url: &str) {
        self.driver.demand(Method::POST, "/url", json!({ "url": url })).await;
    }

    /// Runs a function body in the page; `arguments[0]`… are `args`.
    pub async fn run(&self, script: &str, args: Value) -> Value {
        self.ask(script, &args)
            .await
            .unwrap_or_else(|refusal| panic!("{script}: {}: {}", refusal.error, refusal.message))
    }

    /// Waits until a script returns something that is neither null, false, 0 nor empty, and returns it.
    pub async fn until(&self, what: &str, script: &str, args: Value) -> Value {
        let began = Instant::now();
        let mut last = String::new();
        while began.elapsed() < PATIENCE {
            // The page may be between two documents; then the question is asked again.
            match self.ask(script, &args).await {
                Ok(value) if truthy(&value) => return value,
                Ok(value) => last = value.to_string(),
                Err(refusal) => last = refusal.message,
            }
            tokio::time::sleep(PAUSE).await;
        }
        let picture = self.screenshot(&format!("failed: {what}")).await;
        let console = self.console().await.join("\n");
        panic!(
            "waited {PATIENCE:?} in vain for: {what}\nlast answer: {last}\npicture: {}\nconsole:\n{console}",
            picture.display()
        );
    }

    /// Waits for a visible element that matches a selector.
    pub async fn see(&self, css: &str) {
        let script = "const e = document.querySelector(arguments[0]); return !!e && e.getClientRects().length > 0";
        self.until(&format!("{css} on the page"), script, json!([css])).await;
    }

    /// Waits for an element that matches and contains a text, whatever its letters' case.
    pub async fn see_text(&self, css: &str, text: &str) {
        let script = "return [...document.querySelectorAll(arguments[0])].some(e => e.getClientRects().length > 0 \
                      && e.innerText.toLowerCase().includes(arguments[1].toLowerCase()))";
        self.until(&format!("“{text}” in {css}"), script, json!([css, text])).await;
    }

    /// Clicks where a person would: the driver scrolls there and refuses when something lies on top.
    pub async fn click(&self, css: &str) {
        self.see(css).await;
        let began = Instant::now();
        loop {
            // Live pages replace elements; a stale or covered one is looked up again.
            let refusal = match self.element(css).await {
                Ok(id) => match self.driver.ask(Method::POST, &format!("/element/{id}/click"), json!({})).await {
                    Ok(_) => return,
                    Err(refusal) => refusal,
                },
                Err(refusal) => refusal,
            };
            assert!(began.elapsed() < PATIENCE, "cannot click {css}: {}: {}", refusal.error, refusal.message);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Types into a field.
    pub async fn type_into(&self, css: &str, text: &str) {
        self.see(css).await;
        self.send_keys(css, text).await;
    }

    /// Presses a key on whatever has the focus: a letter, or one of [`super::keys`].
    pub async fn press(&self, key: &str) {
        let keys = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": keys }] });
        self.driver.demand(Method::POST, "/actions", actions).await;
    }

    /// Chooses a file in a file field, which may be invisible behind a nicer one.
    pub async fn choose_file(&self, css: &str, file: &Path) {
        self.until(&format!("{css} on the page"), "return !!document.querySelector(arguments[0])", json!([css])).await;
        self.send_keys(css, file.canonicalize().unwrap().to_str().unwrap()).await;
    }

    /// Drops a file on an element, with the events that a real drag sends.
    pub async fn drop_file(&self, css: &str, name: &str, content: &[u8]) {
        self.see(css).await;
        let script = "const [css, name, content] = arguments; \
            const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0)); \
            const dataTransfer = new DataTransfer(); \
            dataTransfer.items.add(new File([bytes], name, { type: 'application/wasm' })); \
            for (const type of ['dragenter', 'dragover', 'drop']) \
              document.querySelector(css).dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));";
        self.run(script, json!([css, name, BASE64.encode(content)])).await;
    }

    /// Takes a picture into tests/screenshots and prints where it is.
    pub async fn screenshot(&self, name: &str) -> PathBuf {
        let picture = self.driver.devtools("Page.captureScreenshot", json!({ "format": "png" })).await;
        let bytes = BASE64.decode(picture["data"].as_str().unwrap()).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let name: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
        let file = folder.canonicalize().unwrap().join(format!("{name}.png"));
        std::fs::write(&file, bytes).unwrap();
        println!("screenshot {}", file.display());
        file
    }

    /// Messages on the page's console since the last call, errors and refusals of the security policy among them.
    pub async fn console(&self) -> Vec<String> {
        let log = self.driver.demand(Method::POST, "/se/log", json!({ "type": "browser" })).await;
        let line = |entry: &Value| {
            format!("{} {}", entry["level"].as_str().unwrap_or_default(), entry["message"].as_str().unwrap_or_default())
        };
        log.as_array().into_iter().flatten().map(line).collect()
    }

    async fn ask(&self, script: &str, args: &Value) -> Result<Value, Refusal> {
        let args = if args.is_array() { args.clone() } else { json!([]) };
        self.driver.ask(Method::POST, "/execute/sync", json!({ "script": script, "args": args })).await
    }

    async fn element(&self, css: &str) -> Result<String, Refusal> {
        let found = self.driver.ask(Method::POST, "/element", json!({ "using": "css selector", "value": css })).await?;
        Ok(found[ELEMENT].as_str().unwrap().to_owned())
    }

    async fn send_keys(&self, css: &str, text: &str) {
        let id = self.element(css).await.unwrap_or_else(|refusal| panic!("{css}: {}", refusal.message));
        self.driver.demand(Method::POST, &format!("/element/{id}/value"), json!({ "text": text })).await;
    }
}

fn truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(true) | Value::Object(_) => true,
    }
}

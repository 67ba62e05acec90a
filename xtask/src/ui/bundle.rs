//! From the compiled module to the files of the site: bindings, loader, style sheet, page.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};
use wasm_bindgen_cli_support::Bindgen;

use super::Effort;
use super::page::{Content, Link, Page};

/// The site: path below the root → content. A sorted map, so that equal input gives equal output.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Makes every file of the site.
///
/// # Errors
/// When wasm-bindgen refuses the module or a style sheet refers to a file.
pub fn bundle(page: &Page, module: Vec<u8>, effort: Effort) -> anyhow::Result<Files> {
    let mut files = Files::new();
    let bindings = bind(module, effort)?;

    let snippets = add_snippets(&mut files, bindings.snippets);
    let js = bindings
        .js
        .replace("'./snippets/", &format!("'./{snippets}/"))
        .replace("\"./snippets/", &format!("\"./{snippets}/"));
    let wasm = add_hashed(&mut files, "spillway.wasm", bindings.wasm);
    let js = add_hashed(&mut files, "spillway.js", js.into_bytes());
    let loader = add_hashed(&mut files, "loader.js", loader(&js, &wasm).into_bytes());
    let css = add_hashed(&mut files, "spillway.css", style_sheet(page)?);
    let icons: BTreeMap<_, _> =
        page.others().map(|content| (&content.name, add_other(&mut files, page, content))).collect();

    let mut styled = false;
    let html = page.replaced(|link| match link {
        // The loader is a file of its own because the content security policy allows no inline script. The module is
        // asked for at once: otherwise its download would begin only after two scripts were fetched and parsed.
        Link::Rust => format!(
            "<link rel=\"preload\" href=\"/{wasm}\" as=\"fetch\" type=\"application/wasm\" crossorigin>\n\
             <link rel=\"modulepreload\" href=\"/{js}\">\n\
             <script type=\"module\" src=\"/{loader}\"></script>"
        ),
        Link::Css(_) if std::mem::replace(&mut styled, true) => String::new(),
        Link::Css(_) => format!("<link rel=\"stylesheet\" href=\"/{css}\">"),
        Link::Icon(content) => format!("<link rel=\"icon\" href=\"/{}\">", icons[&content.name]),
        Link::Copy(_) => String::new(),
    });
    files.insert("index.html".to_owned(), html.into_bytes());
    Ok(files)
}

struct Bindings {
    js: String,
    wasm: Vec<u8>,
    snippets: BTreeMap<String, String>,
}

fn bind(module: Vec<u8>, effort: Effort) -> anyhow::Result<Bindings> {
    let release = effort == Effort::Release;
    let mut output = Bindgen::new()
        .input_bytes("spillway", module)
        .web(true)
        .context("wasm-bindgen has no web mode")?
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(release)
        .remove_producers_section(release)
        .generate_output()
        .context("wasm-bindgen refused the module")?;
    if !output.npm_dependencies().is_empty() {
        bail!("a dependency of the interface wants packages from npm: {:?}", output.npm_dependencies().keys());
    }
    let mut snippets: BTreeMap<_, _> =
        output.local_modules().iter().map(|(path, text)| (path.clone(), text.clone())).collect();
    for (crate_name, texts) in output.snippets() {
        for (index, text) in texts.iter().enumerate() {
            // The name under which the generated script imports it.
            snippets.insert(format!("{crate_name}/inline{index}.js"), text.clone());
        }
    }
    Ok(Bindings { js: output.js().to_owned(), wasm: output.wasm_mut().emit_wasm(), snippets })
}

/// Scripts that crates bring along. They import one another by relative paths, so they share one hash: the folder's.
fn add_snippets(files: &mut Files, snippets: BTreeMap<String, String>) -> String {
    let mut all = Sha256::new();
    for (path, text) in &snippets {
        all.update(path);
        all.update([0]);
        all.update(text);
        all.update([0]);
    }
    let folder = format!("snippets-{}", short(&all.finalize()));
    files.extend(snippets.into_iter().map(|(path, text)| (format!("assets/{folder}/{path}"), text.into_bytes())));
    folder
}

/// Starts the module. When that fails there is no interface that could say so, hence the plain text.
fn loader(js: &str, wasm: &str) -> String {
    format!(
        "import start from \"/{js}\";\n\
         const boot = document.getElementById(\"boot\");\n\
         try {{\n  \
           await start({{ module_or_path: \"/{wasm}\" }});\n  \
           boot?.remove();\n\
         }} catch (error) {{\n  \
           console.error(error);\n  \
           if (boot) boot.textContent = `Spillway could not start in this browser: ${{error}}. Reload the page; if that does not help, try a current browser.`;\n\
         }}\n"
    )
}

fn style_sheet(page: &Page) -> anyhow::Result<Vec<u8>> {
    let mut all = Vec::new();
    for Content { name, bytes } in page.css() {
        let text = std::str::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))?;
        // The sheets end up in another folder than they came from, and what they import would not be hashed.
        let refers = text
            .match_indices("url(")
            .any(|(at, _)| !text[at + 4..].trim_start_matches(['"', '\'', ' ']).starts_with(['#', 'd']));
        if refers || text.contains("@import") {
            bail!(
                "{name} refers to another file; name style sheets in index.html and draw icons with data: or inline SVG"
            );
        }
        all.extend_from_slice(bytes);
        all.push(b'\n');
    }
    Ok(all)
}

fn add_other(files: &mut Files, page: &Page, content: &Content) -> String {
    let keeps_its_name =
        page.links.iter().any(|(_, link)| matches!(link, Link::Copy(copied) if copied.name == content.name));
    if keeps_its_name {
        files.insert(content.name.clone(), content.bytes.clone());
        return content.name.clone();
    }
    add_hashed(files, &content.name, content.bytes.clone())
}

/// Adds `assets/<name>-<hash>.<extension>` and returns that path.
fn add_hashed(files: &mut Files, name: &str, bytes: Vec<u8>) -> String {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "bin"));
    let path = format!("assets/{stem}-{}.{extension}", short(&Sha256::digest(&bytes)));
    files.insert(path.clone(), bytes);
    path
}

/// 64 bits: collisions would have to happen between versions of one file, and names stay readable.
fn short(digest: &[u8]) -> String {
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

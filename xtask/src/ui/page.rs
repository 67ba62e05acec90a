//! web-ui/index.html: the `data-trunk` links in it say what the interface is made of.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The page and everything that it names, read once.
pub struct Page {
    /// The text of index.html without comments.
    pub html: String,
    /// Every `data-trunk` link with its place in `html`, in order.
    pub links: Vec<(Range<usize>, Link)>,
}

/// One `<link data-trunk …>`.
#[derive(Debug, PartialEq, Eq)]
pub enum Link {
    /// The crate itself; its loader goes here.
    Rust,
    /// A style sheet. All of them become one file, in the order of the page.
    Css(Content),
    /// The icon of the tab.
    Icon(Content),
    /// A file that keeps its name at the top of the site, such as robots.txt.
    Copy(Content),
}

/// A file that a link names.
#[derive(Debug, PartialEq, Eq)]
pub struct Content {
    /// The file's name without folders.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Page {
    /// Reads index.html in `folder` and the files that it names.
    ///
    /// # Errors
    /// When a file is missing, or a link has a `rel` that this build does not know (Trunk knows more).
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("index.html");
        let html = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&html, |href| {
            let file: PathBuf = folder.join(href);
            std::fs::read(&file)
                .with_context(|| format!("cannot read {}, which {} names", file.display(), path.display()))
        })
        .with_context(|| format!("in {}", path.display()))
    }

    fn parse(html: &str, read: impl Fn(&str) -> anyhow::Result<Vec<u8>>) -> anyhow::Result<Self> {
        let html = without_comments(html)?;
        let mut links = Vec::new();
        let mut at = 0;
        while let Some(start) = html[at..].find("<link").map(|offset| at + offset) {
            let end = tag_end(&html, start).context("a <link> without its closing >")?;
            at = end;
            let attributes = attributes(&html[start + "<link".len()..end - 1]);
            if attributes.contains_key("data-trunk") {
                links.push((start..end, Link::read(&attributes, &read)?));
            }
        }
        for (needed, what) in [(Link::is_rust as fn(&Link) -> bool, "rust"), (Link::is_css, "css")] {
            if !links.iter().any(|(_, link)| needed(link)) {
                bail!("no <link data-trunk rel=\"{what}\" …> in the page");
            }
        }
        Ok(Self { html, links })
    }

    /// The style sheets in the order of the page.
    pub fn css(&self) -> impl Iterator<Item = &Content> {
        self.links.iter().filter_map(|(_, link)| if let Link::Css(content) = link { Some(content) } else { None })
    }

    /// Everything that is not a style sheet and was named by file.
    pub fn others(&self) -> impl Iterator<Item = &Content> {
        self.links.iter().filter_map(|(_, link)| match link {
            Link::Icon(content) | Link::Copy(content) => Some(content),
            Link::Rust | Link::Css(_) => None,
        })
    }

    /// The page with each link replaced by what `with` makes of it.
    pub fn replaced(&self, mut with: impl FnMut(&Link) -> String) -> String {
        let mut out = String::with_capacity(self.html.len() + 512);
        let mut from = 0;
        for (place, link) in &self.links {
            out.push_str(&self.html[from..place.start]);
            out.push_str(&with(link));
            from = place.end;
        }
        out.push_str(&self.html[from..]);
        // Links that became nothing and comments leave blank lines, which every visitor would load.
        out.lines().map(str::trim_end).filter(|line| !line.is_empty()).flat_map(|line| [line, "\n"]).collect()
    }
}

impl Link {
    fn read(
        attributes: &BTreeMap<String, String>,
        read: impl Fn(&str) -> anyhow::Result<Vec<u8>>,
    ) -> anyhow::Result<Self> {
        let rel = attributes.get("rel").map_or("", String::as_str);
        let content = || {
            let href =
                attributes.get("href").with_context(|| format!("<link data-trunk rel=\"{rel}\"> without href"))?;
            let name = Path::new(href)
                .file_name()
                .and_then(|name| name.to_str())
                .with_context(|| format!("href=\"{href}\" names no file"))?;
            Ok::<_, anyhow::Error>(Content { name: name.to_owned(), bytes: read(href)? })
        };
        Ok(match rel {
            "rust" => Self::Rust,
            "css" => Self::Css(content()?),
            "icon" => Self::Icon(content()?),
            "copy-file" => Self::Copy(content()?),
            other => bail!("<link data-trunk rel=\"{other}\"> is not known here; rust, css, icon and copy-file are"),
        })
    }

    fn is_rust(&self) -> bool {
        matches!(self, Self::Rust)
    }

    fn is_css(&self) -> bool {
        matches!(self, Self::Css(_))
    }
}

/// A link in a comment is no link.
fn without_comments(html: &str) -> anyhow::Result<String> {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once("<!--") {
        out.push_str(before);
        rest = after.split_once("-->").context("a comment without its closing -->")?.1;
    }
    out.push_str(rest);
    Ok(out)
}

/// The place after the `>` of the tag that begins at `start`; one in a quoted value does not count.
fn tag_end(html: &str, start: usize) -> Option<usize> {
    let mut quote = None;
    for (offset, c) in html[start..].char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '>') => return Some(start + offset + 1),
            _ => {}
        }
    }
    None
}

fn attributes(tag: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = tag.trim_end_matches('/').trim();
    while !rest.is_empty() {
        let name_end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let name = rest[..name_end].to_ascii_lowercase();
        rest = rest[name_end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            let (text, left) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                _ => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
            };
            value = text;
            rest = left.trim_start();
        }
        found.insert(name, value.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn parse(html: &str) -> anyhow::Result<Page> {
        Page::parse(html, |href| Ok(href.as_bytes().to_vec()))
    }

    #[test]
    fn links_are_found_in_the_order_of_the_page() {
        let page = parse(
            "<head><!-- <link data-trunk rel=css href=no.css> --><link rel=preconnect href=x>\n\
             <link data-trunk rel=\"rust\" data-wasm-opt='0' />\n<link href='styles/a>b.css' data-trunk rel=css>\n\
             <link data-trunk rel=css href=styles/c.css></head>",
        )
        .unwrap();

        let css: Vec<_> = page.css().map(|content| content.name.as_str()).collect();
        assert_eq!(css, ["a>b.css", "c.css"]);
        assert_eq!(page.links[0].1, Link::Rust);
        assert_eq!(page.links.len(), 3);
    }

    #[test]
    fn replacing_links_keeps_the_rest_and_leaves_no_blank_lines() {
        let page = parse("<head>\n<link data-trunk rel=rust>\n<link data-trunk rel=css href=a.css>\n</head>").unwrap();

        let html = page.replaced(|link| if *link == Link::Rust { "<script>".into() } else { String::new() });

        assert_eq!(html, "<head>\n<script>\n</head>\n");
    }

    #[test]
    fn pages_that_cannot_be_built_are_refused_with_the_reason() {
        for (html, reason) in [
            ("<link data-trunk rel=rust>", "rel=\"css\""),
            ("<link data-trunk rel=css href=a.css>", "rel=\"rust\""),
            ("<link data-trunk rel=sass href=a.sass>", "is not known here"),
            ("<link data-trunk rel=css>", "without href"),
            ("<link data-trunk", "closing >"),
            ("<!-- ", "closing -->"),
        ] {
            let error = parse(html).err().map(|error| format!("{error:#}")).unwrap_or_default();
            assert!(error.contains(reason), "{html}: {error}");
        }
    }
}

//! web-ui/dist: the files of the site with their compressed sidecars, and a manifest of what made them.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Effort;
use super::bundle::Files;
use super::page::Page;

const MANIFEST: &str = "manifest.json";
/// Keeps the folder in the repository, so that cargo has something to watch before the first build of the interface.
const KEEP: &str = ".gitkeep";

/// A digest of everything that the output depends on.
pub struct Inputs(String);

impl Inputs {
    /// The page with its files, the module, the effort, and this program's own recipe.
    pub fn of(page: &Page, module: &[u8], effort: Effort) -> Self {
        let mut all = Sha256::new();
        let mut part = |bytes: &[u8]| {
            all.update((bytes.len() as u64).to_le_bytes());
            all.update(bytes);
        };
        for recipe in [
            include_str!("bundle.rs"),
            include_str!("dist.rs"),
            include_str!("page.rs"),
            include_str!("../../Cargo.toml"),
        ] {
            part(recipe.as_bytes());
        }
        part(effort.word().as_bytes());
        part(page.html.as_bytes());
        for content in page.css().chain(page.others()) {
            part(content.name.as_bytes());
            part(&content.bytes);
        }
        part(module);
        Self(all.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// The closing line of an earlier build with the same inputs, when all its files are still there.
pub fn up_to_date(dist: &Path, inputs: &Inputs) -> Option<String> {
    let manifest: Value = serde_json::from_slice(&std::fs::read(dist.join(MANIFEST)).ok()?).ok()?;
    if manifest["inputs"] != inputs.0.as_str() {
        return None;
    }
    let files = manifest["files"].as_array()?;
    let all_there = files.iter().all(|file| {
        file["path"].as_str().is_some_and(|path| {
            let size =
                |suffix: &str| std::fs::metadata(dist.join(format!("{path}{suffix}"))).ok().map(|meta| meta.len());
            size("") == file["bytes"].as_u64()
                && size(".br") == file["br"].as_u64()
                && size(".gz") == file["gz"].as_u64()
        })
    });
    if all_there { summary(&manifest) } else { None }
}

/// Writes the site, removes what an earlier build left, and returns the closing line.
///
/// # Errors
/// When a file cannot be written or removed.
pub fn write(dist: &Path, files: &Files, inputs: &Inputs, effort: Effort) -> anyhow::Result<String> {
    let packed = pack_all(files, effort)?;
    let mut listed = Vec::new();
    let mut kept = vec![MANIFEST.to_owned(), KEEP.to_owned()];
    for (path, bytes) in files {
        let (br, gz) = &packed[path.as_str()];
        for (suffix, content) in [("", bytes), (".br", br), (".gz", gz)] {
            let name = format!("{path}{suffix}");
            put(&dist.join(&name), content)?;
            kept.push(name);
        }
        listed.push(json!({ "path": path, "bytes": bytes.len(), "br": br.len(), "gz": gz.len() }));
    }
    sweep(dist, dist, &kept)?;
    put(&dist.join(KEEP), b"")?;
    // Last: only a complete build has a manifest that matches.
    let manifest = json!({ "effort": effort.word(), "inputs": inputs.0, "files": listed });
    put(&dist.join(MANIFEST), format!("{manifest:#}\n").as_bytes())?;
    summary(&manifest).context("the manifest that was just written has no sizes")
}

/// Bytes of a first visit: everything that the page loads before it draws, which is all of it.
fn summary(manifest: &Value) -> Option<String> {
    let files = manifest["files"].as_array()?;
    let total = |key: &str| files.iter().map(|file| file[key].as_u64()).sum::<Option<u64>>();
    let effort = manifest["effort"].as_str()?;
    let kilobytes = |bytes: u64| bytes.div_ceil(1000);
    let (raw, br, gz) = (total("bytes")?, total("br")?, total("gz")?);
    Some(format!(
        "{effort}: first load {} kB brotli ({} kB gzip, {} kB raw)",
        kilobytes(br),
        kilobytes(gz),
        kilobytes(raw)
    ))
}

type Packed<'a> = std::collections::BTreeMap<&'a str, (Vec<u8>, Vec<u8>)>;

fn pack_all(files: &Files, effort: Effort) -> anyhow::Result<Packed<'_>> {
    // One thread a file: the module takes nearly all the time, so there is nothing to gain by splitting further.
    std::thread::scope(|scope| {
        let jobs: Vec<_> =
            files.iter().map(|(path, bytes)| (path.as_str(), scope.spawn(move || pack(bytes, effort)))).collect();
        jobs.into_iter()
            .map(|(path, job)| {
                let packed = job.join().map_err(|_| anyhow::anyhow!("the compressor panicked"));
                packed.flatten().with_context(|| format!("cannot compress {path}")).map(|packed| (path, packed))
            })
            .collect()
    })
}

fn pack(bytes: &[u8], effort: Effort) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let (quality, level) = match effort {
        Effort::Release => (11, 9),
        Effort::Draft => (4, 1),
    };
    let mut br = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality, lgwin: 22, size_hint: bytes.len(), ..Default::default() };
    brotli::BrotliCompress(&mut &*bytes, &mut br, &params)?;
    // flate2 writes no time stamp unless asked to, so equal input gives equal output.
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    gz.write_all(bytes)?;
    Ok((br, gz.finish()?))
}

/// Leaves a file alone that has this content already: cargo rebuilds the server by modification time.
fn put(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let folder = path.parent().context("a file without a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

fn sweep(root: &Path, folder: &Path, kept: &[String]) -> anyhow::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot list {}", folder.display()));
        }
    };
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
        if path.is_dir() {
            sweep(root, &path, kept)?;
            // Fails while something is in it, which is what we want.
            _ = std::fs::remove_dir(&path);
            continue;
        }
        let name = path.strip_prefix(root).ok().and_then(Path::to_str).map(|name| name.replace('\\', "/"));
        if !name.is_some_and(|name| kept.contains(&name)) {
            std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("spillway-xtask-{}-{name}", std::process::id()));
        _ = std::fs::remove_dir_all(&folder);
        folder
    }

    fn files(pairs: &[(&str, &str)]) -> Files {
        pairs.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn writing_removes_what_an_earlier_build_left() {
        let dist = scratch("sweep");
        let inputs = Inputs("1".into());
        write(&dist, &files(&[("index.html", "a"), ("assets/x-1.js", "x")]), &inputs, Effort::Draft).unwrap();

        write(&dist, &files(&[("index.html", "b"), ("assets/x-2.js", "y")]), &inputs, Effort::Draft).unwrap();

        assert!(!dist.join("assets/x-1.js").exists() && !dist.join("assets/x-1.js.br").exists());
        assert_eq!(std::fs::read(dist.join("assets/x-2.js")).unwrap(), b"y");
        assert!(dist.join("assets/x-2.js.gz").exists() && dist.join(KEEP).exists());
        std::fs::remove_dir_all(dist).unwrap();
    }

    #[test]
    fn a_build_counts_as_done_only_with_the_same_inputs_and_all_its_files() {
        let dist = scratch("fresh");
        let inputs = Inputs("1".into());
        assert_eq!(up_to_date(&dist, &inputs), None);
        write(&dist, &files(&[("index.html", "page")]), &inputs, Effort::Draft).unwrap();

        assert!(up_to_date(&dist, &inputs).is_some());
        assert_eq!(up_to_date(&dist, &Inputs("2".into())), None);
        std::fs::remove_file(dist.join("index.html.br")).unwrap();
        assert_eq!(up_to_date(&dist, &inputs), None);
        std::fs::remove_dir_all(dist).unwrap();
    }

    #[test]
    fn both_sidecars_unpack_to_the_original() {
        let text = "the same words again and again, ".repeat(50);

        let (br, gz) = pack(text.as_bytes(), Effort::Release).unwrap();

        let mut plain = Vec::new();
        brotli::BrotliDecompress(&mut &*br, &mut plain).unwrap();
        assert_eq!(plain, text.as_bytes());
        let mut plain = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*gz), &mut plain).unwrap();
        assert_eq!(plain, text);
        assert!(br.len() < text.len() / 5 && gz.len() < text.len() / 5);
    }
}

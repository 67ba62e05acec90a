//! A name for a program that was given none. Pure.

use std::path::Path;

/// Names that say what kind of file it is, not what it does: the directory says more.
const SAYS_NOTHING: [&str; 14] = [
    "app", "main", "index", "server", "serve", "start", "run", "dev", "manage", "wsgi", "asgi", "dist", "build", "cli",
];
/// Directories that hold programs of something, whose name is one further up.
const HOLDS_PROGRAMS: [&str; 8] = ["src", "bin", "dist", "build", "target", "debug", "release", "out"];
/// Programs that run another one, which is named behind them.
const RUNNERS: [&str; 17] = [
    "python", "python3", "node", "java", "deno", "bun", "npx", "tsx", "ruby", "php", "sh", "bash", "env", "uvicorn",
    "gunicorn", "flask", "dotnet",
];
/// What package managers are told to do; the program is the package in the directory.
const PACKAGE_MANAGERS: [&str; 8] = ["npm", "yarn", "pnpm", "cargo", "go", "mvn", "gradle", "make"];

/// The name of a program by its command line, else by the directory that it is started in.
pub(super) fn of(command: &[String], directory: &Path) -> String {
    let of_directory = || named(directory).unwrap_or_else(|| "service".to_owned());
    let Some(program) = command.first().and_then(|program| stem(program)) else { return of_directory() };
    let plain = super::language::without_version(&program);
    if PACKAGE_MANAGERS.contains(&plain) {
        return of_directory();
    }
    let script = if RUNNERS.contains(&plain) { script(&command[1..]) } else { command.first().cloned() };
    let Some(script) = script else { return of_directory() };
    // `uvicorn shop.api:app` and `python -m shop.api`: the package.
    let script = script.split_once(':').map_or(script.as_str(), |(module, _)| module).to_owned();
    let path = Path::new(&script);
    let name = stem(&script).unwrap_or_default();
    if !name.is_empty() && !SAYS_NOTHING.contains(&name.as_str()) {
        return name;
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.and_then(|parent| named(&directory.join(parent))).unwrap_or_else(of_directory)
}

/// The first word that is no option; what follows `-m` and `-jar` is one.
fn script(words: &[String]) -> Option<String> {
    words.iter().find(|word| !word.starts_with('-') && !word.contains('=')).cloned()
}

/// The last part of a path without its ending.
fn stem(path: &str) -> Option<String> {
    let name = path.rsplit(['/', '\\']).next()?;
    let stem = match name.rsplit_once('.') {
        Some((stem, ending))
            if ["py", "js", "mjs", "cjs", "ts", "jar", "rb", "php", "sh", "exe", "dll"].contains(&ending) =>
        {
            stem
        }
        _ => name,
    };
    (!stem.is_empty()).then(|| stem.to_owned())
}

/// The first directory upwards that is named for what is in it.
fn named(directory: &Path) -> Option<String> {
    let names =
        directory.ancestors().filter_map(|directory| Some(directory.file_name()?.to_string_lossy().into_owned()));
    names.into_iter().find(|name| !HOLDS_PROGRAMS.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_named_for_what_it_does() {
        for (command, name) in [
            ("./checkout", "checkout"),
            ("/opt/shop/bin/payments --port 80", "payments"),
            ("python checkout.py", "checkout"),
            ("python3.12 -u services/cart/app.py --port 1", "cart"),
            ("python app.py", "shop"),
            ("python -m orders", "orders"),
            ("node server.js", "shop"),
            ("node --inspect services/mail/src/index.js", "mail"),
            ("npm run start", "shop"),
            ("java -Xmx1g -jar build/inventory.jar", "inventory"),
            ("uvicorn catalog:app --port 1", "catalog"),
            ("gunicorn main:app", "shop"),
            ("env A=b ./mailer", "mailer"),
            ("target/release/fraud", "fraud"),
            ("./main", "shop"),
            ("", "shop"),
        ] {
            let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
            assert_eq!(of(&words, Path::new("/home/dev/shop")), name, "{command}");
        }
        assert_eq!(of(&[], Path::new("/")), "service");
    }
}

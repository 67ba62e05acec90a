//! Which language a program is written in, and how its instrumentation is switched on without a change of the program. Pure but for one
//! question: whether a file is there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Where a program is started.
pub(super) struct Place {
    pub directory: PathBuf,
    pub variables: BTreeMap<String, String>,
    /// Number of this process.
    pub process: u32,
    pub exists: fn(&Path) -> bool,
}

/// What can be done for a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Instrumented {
    /// It is started by another program.
    Wrapped { language: &'static str, with: PathBuf },
    /// Its runtime loads it because of a variable.
    Loaded { language: &'static str, variable: &'static str, text: String },
    /// It could be, if something were installed.
    Missing { language: &'static str, why: &'static str, install: String },
    /// It must do so itself.
    Unknown,
}

/// `python3.12` is `python`, and so on.
pub(super) fn without_version(program: &str) -> &str {
    let plain = program.trim_end_matches(|digit: char| digit.is_ascii_digit() || digit == '.');
    if plain.is_empty() { program } else { plain }
}

/// What is done for this command.
pub(super) fn instrument(command: &[String], place: &Place) -> Instrumented {
    let Some(program) = command.first() else { return Instrumented::Unknown };
    let name = Path::new(program).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let script_ends = |ending: &str| name.ends_with(ending);
    match without_version(&name) {
        // It does already what would be done.
        "opentelemetry-instrument" => Instrumented::Unknown,
        "python" | "pypy" | "gunicorn" | "uvicorn" | "hypercorn" | "flask" | "fastapi" | "django-admin" | "celery" => {
            python(program, place)
        }
        _ if script_ends(".py") => python(program, place),
        "node" | "npm" | "npx" | "yarn" | "pnpm" | "tsx" | "ts-node" | "nodemon" | "next" => node(command, place),
        _ if script_ends(".js") => node(command, place),
        "java" | "mvn" | "mvnw" | "gradle" | "gradlew" => java(place),
        _ => Instrumented::Unknown,
    }
}

/// `opentelemetry-instrument` of the same environment: beside the interpreter, else the first one of the path.
fn python(program: &str, place: &Place) -> Instrumented {
    let own = found(program, place).and_then(|program| Some(program.parent()?.join("opentelemetry-instrument")));
    let own = own.filter(|path| (place.exists)(path));
    // An active environment comes first in the path, whatever the program's own name resolves to.
    match own.or_else(|| found("opentelemetry-instrument", place)) {
        Some(with) => Instrumented::Wrapped { language: "Python", with },
        None => {
            let python = if without_version(Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or(""))
                == "python"
            {
                program
            } else {
                "python"
            };
            Instrumented::Missing {
                language: "Python",
                why: "there is no opentelemetry-instrument in its environment",
                install: format!(
                    "{python} -m pip install opentelemetry-distro opentelemetry-exporter-otlp-proto-http && opentelemetry-bootstrap -a install"
                ),
            }
        }
    }
}

/// The package in a `node_modules` above the directory, or above the script, as Node itself looks for it.
fn node(command: &[String], place: &Place) -> Instrumented {
    const REGISTER: &str = "@opentelemetry/auto-instrumentations-node/build/src/register.js";
    let scripts = command.iter().skip(1).filter(|word| !word.starts_with('-'));
    let beside = scripts.filter_map(|script| Some(place.directory.join(script).parent()?.to_path_buf()));
    let from: Vec<PathBuf> = std::iter::once(place.directory.clone()).chain(beside).collect();
    let above = from.iter().flat_map(|from| from.ancestors()).map(|directory| directory.join("node_modules"));
    let paths =
        place.variables.get("NODE_PATH").into_iter().flat_map(|paths| std::env::split_paths(paths).collect::<Vec<_>>());
    let found = above.chain(paths).map(|modules| modules.join(REGISTER)).find(|path| (place.exists)(path));
    match found {
        Some(register) => Instrumented::Loaded {
            language: "Node.js",
            variable: "NODE_OPTIONS",
            text: format!("--require {}", quoted(&register)),
        },
        None => Instrumented::Missing {
            language: "Node.js",
            why: "there is no @opentelemetry/auto-instrumentations-node in its node_modules",
            install: "npm install --save-dev @opentelemetry/api @opentelemetry/auto-instrumentations-node".to_owned(),
        },
    }
}

/// The agent where `OTEL_JAVAAGENT_PATH` says, in the directory, or in the home directory.
fn java(place: &Place) -> Instrumented {
    const JAR: &str = "opentelemetry-javaagent.jar";
    let said = place.variables.get("OTEL_JAVAAGENT_PATH").map(PathBuf::from);
    let home = place.variables.get("HOME").map(|home| Path::new(home).join(JAR));
    let places = [said, Some(place.directory.join(JAR)), home];
    match places.into_iter().flatten().find(|path| (place.exists)(path)) {
        Some(agent) => Instrumented::Loaded {
            language: "Java",
            variable: "JAVA_TOOL_OPTIONS",
            text: format!("-javaagent:{}", quoted(&agent)),
        },
        None => Instrumented::Missing {
            language: "Java",
            why: "there is no opentelemetry-javaagent.jar here, in the home directory or at OTEL_JAVAAGENT_PATH",
            install: format!(
                "curl -fLo {JAR} https://github.com/open-telemetry/opentelemetry-java-instrumentation/releases/latest/download/{JAR}"
            ),
        },
    }
}

/// In quotes where a space would end the option.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains(' ') { format!("\"{text}\"") } else { text }
}

/// The file that a shell would start.
fn found(program: &str, place: &Place) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(place.directory.join(program));
    }
    let paths = place.variables.get("PATH")?;
    std::env::split_paths(paths).map(|directory| directory.join(program)).find(|path| (place.exists)(path))
}

//! The compiler runs in a child: whatever becomes of it, the parent gets one error and goes on.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use spillway_plugin_host::{CompileError, CompileWorker, UploadError, limits};

use crate::support::{compile, compile_with, wasm, worker};

fn shell(script: &str) -> CompileWorker {
    CompileWorker::new("/bin/sh", ["-c", script])
}

fn some_wasm() -> Vec<u8> {
    b"\0asm\x01\0\0\0".to_vec()
}

#[test]
fn a_refusal_comes_back_as_it_was_made() {
    let error = compile(&some_wasm()).expect_err("no metadata");

    assert!(matches!(error, CompileError::Upload(UploadError::NoMetadata)), "{error}");
}

#[test]
fn native_code_is_refused_before_a_child_is_started() {
    let nobody = CompileWorker::new("/does/not/exist", [""; 0]);

    let error = compile_with(&nobody, b"\x7fELF").expect_err("an ELF file");

    assert!(error.to_string().starts_with("precompiled code is refused: this is an ELF file"), "{error}");
}

#[test]
fn code_that_does_not_validate_is_refused_with_the_place() {
    let mut upload = wasm("rule_goodput_guard");
    // Breaks the code section: a third of the file is data and names, so its middle is code.
    let middle = upload.len() / 2;
    upload[middle..middle + 64].fill(0xff);

    let error = compile(&upload).expect_err("broken code").to_string();

    assert!(error.contains("offset 0x") || error.contains("at offset"), "{error}");
}

#[test]
fn a_missing_program_is_named() {
    let error = compile_with(&CompileWorker::new("/does/not/exist", [""; 0]), &some_wasm()).expect_err("no program");

    assert_eq!(error.to_string(), "cannot start the compile worker /does/not/exist");
}

#[test]
fn a_dead_child_leaves_its_last_words() {
    let error = compile_with(&shell("echo 'boom' >&2; exit 3"), &some_wasm()).expect_err("it died").to_string();
    assert_eq!(error, "the compiler died on it (exit status: 3): boom");

    let killed = compile_with(&shell("kill -9 $$"), &some_wasm()).expect_err("it was killed").to_string();
    assert!(killed.contains("signal: 9"), "{killed}");
}

#[test]
fn a_child_that_hangs_is_killed() {
    let worker = shell("exec sleep 600").with_timeout(Duration::from_millis(200));
    let started = Instant::now();

    let error = compile_with(&worker, &some_wasm()).expect_err("it hangs");

    assert!(matches!(error, CompileError::TimedOut { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_child_that_talks_nonsense_is_not_believed() {
    for (script, text) in [
        ("cat > /dev/null; printf X", "with the unknown kind 0x58"),
        ("cat > /dev/null", "nothing"),
        ("cat > /dev/null; printf Rx", "a refusal that cannot be read"),
    ] {
        let error = compile_with(&shell(script), &some_wasm()).expect_err("nonsense").to_string();

        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn a_child_that_never_stops_talking_is_cut_off() {
    // `yes` writes gigabytes a second; the parent closes the pipe at its limit.
    let error = compile_with(&shell("printf A; exec yes"), &some_wasm()).expect_err("too much").to_string();

    assert!(error.contains("larger than 256 MiB"), "{error}");
}

#[test]
fn the_child_sees_nothing_of_the_parents_environment() {
    // PATH comes from the shell itself; nothing else may be there.
    let script =
        "cat > /dev/null; env | grep -v -e '^PATH=' -e '^PWD=' -e '^SHLVL=' -e '^_=' -e '^OLDPWD=' >&2; exit 1";

    let error = compile_with(&shell(script), &some_wasm()).expect_err("it exits 1").to_string();

    assert!(error.ends_with("(exit status: 1): "), "{error}");
}

#[test]
fn the_real_worker_refuses_on_its_own() {
    let program = env!("CARGO_BIN_EXE_spillway-compile-worker");

    // The parent checks the upload too, so the worker gets another one than the parent sees: nothing.
    let script = format!("exec '{program}' < /dev/null");
    let error = compile_with(&shell(&script), &some_wasm()).expect_err("nothing was uploaded");

    assert!(matches!(error, CompileError::Upload(UploadError::Empty)), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_real_worker_takes_away_its_own_resources_before_it_reads() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_spillway-compile-worker"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the worker starts");
    let path = format!("/proc/{}/limits", child.id());
    let limited = |limits: &str, name: &str, limit: u64| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line[name.len()..].split_whitespace().take(2).all(|value| value == limit.to_string())
    };

    // Nothing is written to it, so it waits for its upload once the limits are set.
    let deadline = Instant::now() + Duration::from_secs(30);
    let confined = loop {
        let now = std::fs::read_to_string(&path).expect("the worker lives");
        let confined = limited(&now, "Max address space", limits::COMPILE_MEMORY_BYTES)
            && limited(&now, "Max cpu time", limits::COMPILE_CPU_SECONDS)
            && limited(&now, "Max core file size", 0)
            && limited(&now, "Max file size", 0)
            && limited(&now, "Max open files", 16);
        if confined || Instant::now() > deadline {
            break confined;
        }
        std::thread::yield_now();
    };
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");

    assert!(confined);
}

#[test]
fn one_at_a_time_and_a_short_queue() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let worker = shell("exec sleep 600");
        let upload = some_wasm();
        let mut waiting: Vec<_> = (0..limits::COMPILE_QUEUE).map(|_| Box::pin(worker.compile(&upload))).collect();
        for one in &mut waiting {
            // Polled once: each takes its place, the first one starts the child.
            let pending = tokio::time::timeout(Duration::ZERO, one).await;
            assert!(pending.is_err());
        }

        let error = worker.compile(&upload).await.expect_err("the queue is full");
        assert!(matches!(error, CompileError::Busy), "{error}");

        drop(waiting);
        let now = tokio::time::timeout(Duration::ZERO, worker.compile(&upload)).await;
        assert!(now.is_err(), "places are given back, so this one waits for its child");
    });
}

#[test]
fn a_good_rule_compiles() {
    let wasm = wasm("rule_goodput_guard");

    let artefact = compile_with(&worker(), &wasm).expect("the example compiles");

    assert!(artefact.size_bytes() > wasm.len() / 4, "{artefact:?}");
}

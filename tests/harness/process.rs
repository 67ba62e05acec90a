//! A child process that does not outlive its test and whose last words are kept.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// Lines kept for the message of a failure.
const KEPT: usize = 60;

/// Lines of a child, newest last. A plain mutex: it is held for one push, never across an await.
type Tail = Arc<Mutex<VecDeque<String>>>;

pub struct Process {
    name: String,
    child: Child,
    stdout: mpsc::Receiver<String>,
    tail: Tail,
}

impl Process {
    /// Starts it with both outputs captured.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let tail = Tail::default();
        let (lines, stdout) = mpsc::channel(256);
        tokio::spawn(collect(child.stdout.take().unwrap(), tail.clone(), Some(lines)));
        tokio::spawn(collect(child.stderr.take().unwrap(), tail.clone(), None));
        Self { name: name.to_owned(), child, stdout, tail }
    }

    /// The first thing that `find` makes of a line on standard output.
    pub async fn line<T>(&mut self, what: &str, within: Duration, mut find: impl FnMut(&str) -> Option<T>) -> T {
        let search = async {
            while let Some(line) = self.stdout.recv().await {
                if let Some(found) = find(&line) {
                    return Some(found);
                }
            }
            None
        };
        match tokio::time::timeout(within, search).await {
            Ok(Some(found)) => found,
            Ok(None) => panic!("{} ended before it printed {what}{}", self.name, self.last_words()),
            Err(_) => panic!("{} did not print {what} within {within:?}{}", self.name, self.last_words()),
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_else(|| panic!("{} has ended{}", self.name, self.last_words()))
    }

    /// Waits for its end and returns the exit code.
    pub async fn ended(&mut self, within: Duration) -> Option<i32> {
        match tokio::time::timeout(within, self.child.wait()).await {
            Ok(status) => status.unwrap().code(),
            Err(_) => panic!("{} did not end within {within:?}{}", self.name, self.last_words()),
        }
    }

    /// What it said last, for a failure message.
    pub fn last_words(&self) -> String {
        let lines: Vec<_> = self.tail.lock().unwrap().iter().cloned().collect();
        format!("\n--- last lines of {} ---\n{}\n---", self.name, lines.join("\n"))
    }
}

async fn collect(output: impl AsyncRead + Unpin, tail: Tail, lines: Option<mpsc::Sender<String>>) {
    let mut reader = BufReader::new(output).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        if let Some(lines) = &lines {
            // Nobody reads on after the lines that a test waits for; the tail still keeps the last ones.
            _ = lines.try_send(line.clone());
        }
        let mut tail = tail.lock().unwrap();
        if tail.len() == KEPT {
            tail.pop_front();
        }
        tail.push_back(line);
    }
}

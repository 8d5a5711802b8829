//! A child process run to its end, within bounds.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a child may say on each stream, in bytes; the rest is read and dropped.
const OUTPUT_BYTES_MAX: u64 = 64 * 1024;
/// How often a child is looked at.
const POLL: Duration = Duration::from_millis(5);

/// What a child left.
#[derive(Debug)]
pub struct Finished {
    /// Whether it exited with 0.
    pub success: bool,
    /// Its stdout.
    pub stdout: String,
    /// Its stderr, or stdout where that is all it said, trimmed.
    pub complaint: String,
}

/// Returns PATH with the system's own folders at its end: small tools are found however we were started.
pub fn path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(if path.is_empty() { "/usr/bin:/bin" } else { ":/usr/bin:/bin" });
    path
}

/// Runs `command` with `input`. One that takes longer than `limit` is killed, and is an error (`TimedOut`).
pub fn run(command: &mut Command, input: &str, limit: Duration) -> io::Result<Finished> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // The inputs are small: a pipe takes them whole. A child that does not read is its own affair.
        stdin.write_all(input.as_bytes()).ok();
    }
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let stdout = scope.spawn(|| read(stdout));
        let stderr = scope.spawn(|| read(stderr));
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Ok(status);
            }
            if Instant::now() > deadline {
                child.kill()?;
                child.wait()?;
                break Err(io::Error::new(io::ErrorKind::TimedOut, format!("not done after {} s", limit.as_secs())));
            }
            thread::sleep(POLL);
        };
        let stdout = stdout.join().unwrap_or_default();
        let stderr = stderr.join().unwrap_or_default();
        let complaint = if stderr.trim().is_empty() { &stdout } else { &stderr };
        let complaint = complaint.trim().to_owned();
        Ok(Finished { success: status?.success(), stdout, complaint })
    })
}

fn read(pipe: Option<impl Read>) -> String {
    let mut text = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.by_ref().take(OUTPUT_BYTES_MAX).read_to_end(&mut text).ok();
        io::copy(&mut pipe, &mut io::sink()).ok();
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_run_with_its_input_or_ended() {
        let mut cat = Command::new("cat");
        let finished = run(&mut cat, "hello", Duration::from_secs(20)).unwrap();
        assert!(finished.success);
        assert_eq!(finished.stdout, "hello");

        let mut sleep = Command::new("sleep");
        let error = run(sleep.arg("60"), "", Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}

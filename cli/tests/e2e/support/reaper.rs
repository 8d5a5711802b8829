//! Cleans up when the test process ends, in whatever way: also when it is killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A `sh` that waits for the end of a pipe this process holds, and then runs its script.
///
/// Dropping it runs the script now, and waits for it.
#[derive(Debug)]
pub struct Reaper(Child);

impl Reaper {
    /// Starts `sh` in `folder`; at the end it runs `script`. `as_user` is (uid, gid).
    pub fn new(folder: &Path, script: &str, as_user: Option<(u32, u32)>) -> Self {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("cat >/dev/null\n{script}")]).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own: Ctrl-C ends the tests, and the end of the tests ends this one.
        command.process_group(0);
        if let Some((uid, gid)) = as_user {
            command.uid(uid).gid(gid);
        }
        Self(command.spawn().expect("/bin/sh starts"))
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}

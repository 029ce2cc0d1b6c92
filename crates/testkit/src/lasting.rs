//! Directories of statics, which are never dropped.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Ends with its input, which does with the process that holds the other end.
const KEEPER: &str = r#"cat >/dev/null; rm -rf -- "$0""#;

/// A directory for what a test binary makes once and keeps in a static: it goes when the process does, however that ends.
#[derive(Debug)]
pub struct LastingDirectory {
    directory: TempDir,
    keeper: Child,
}

impl LastingDirectory {
    /// Makes an empty one.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn new() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER]).arg(directory.path()).current_dir("/");
        // In a group of its own, so that what ends the tests does not end it before its work is done.
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let keeper = keeper.spawn()?;
        Ok(Self { directory, keeper })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for LastingDirectory {
    fn drop(&mut self) {
        // Waiting closes its input first.
        let _ = self.keeper.wait();
    }
}

//! The program in its own place: the same process id, arguments and environment.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The running program, whatever its file is called now.
const OWN: &str = "/proc/self/exe";

/// Starts the program anew, and returns only when that fails. Every file but the standard streams is closed: all are opened
/// with `O_CLOEXEC`. No thread may be in the midst of something that another start must not find unfinished.
pub(crate) fn execute() -> io::Error {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| OsString::from("nephoscope"));
    let program = program(Path::new(&name));
    Command::new(program).arg0(name).args(arguments).exec()
}

/// The file by the name with which it was started, so that the process keeps its name, unless another file has that name now,
/// after an upgrade: what was begun is completed by the release that began it.
fn program(name: &Path) -> PathBuf {
    let own = Path::new(OWN);
    let is_path = name.components().count() > 1;
    let names = [is_path.then(|| name.to_owned()), std::fs::read_link(own).ok()];
    let is_own = |path: &PathBuf| match (std::fs::metadata(path), std::fs::metadata(own)) {
        (Ok(found), Ok(own)) => (found.dev(), found.ino()) == (own.dev(), own.ino()),
        _ => false,
    };
    names.into_iter().flatten().find(is_own).unwrap_or_else(|| own.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_program_is_found_also_under_another_name() {
        let own = std::env::current_exe().unwrap();
        assert_eq!(program(Path::new("nephoscope")), own);
        assert_eq!(program(Path::new("/usr/bin/env")), own);
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("gnocchi-api");
        std::os::unix::fs::symlink(&own, &link).unwrap();
        assert_eq!(program(&link), link);
    }
}

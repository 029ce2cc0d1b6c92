//! Where the repository's scripts and the Python environment are.

use std::env;
use std::path::{Path, PathBuf};

use crate::Error;

/// The root of the repository that this crate was built from.
pub fn repository() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest)
}

/// The Python environment that `scripts/provision` makes: `$NEPHOSCOPE_VENV`, or `target/venv`.
pub fn venv() -> PathBuf {
    env::var_os("NEPHOSCOPE_VENV").map_or_else(|| repository().join("target/venv"), PathBuf::from)
}

/// The interpreter of the Python environment, in which upstream's libraries are installed.
pub fn venv_python() -> Result<PathBuf, Error> {
    let python = venv().join("bin/python");
    if python.exists() { Ok(python) } else { Err(Error::Missing { what: python.display().to_string() }) }
}

/// The interpreter for the launchers, which need the standard library only.
pub fn launcher_python() -> PathBuf {
    let system = Path::new("/usr/bin/python3");
    if system.exists() { system.to_owned() } else { PathBuf::from("python3") }
}

/// A launcher or another script of `scripts/services`.
pub(crate) fn service_script(name: &str) -> PathBuf {
    repository().join("scripts/services").join(name)
}

//! A directory with configuration files, and a loader for them that looks nowhere else.

use nephoscope_oslo_config::{LoadError, Loaded, Loader, Source};
use std::path::PathBuf;

pub(crate) struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("temporary directory") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        std::fs::write(path, text).expect("file");
    }

    /// A loader of `a.conf` as it is.
    pub(crate) fn loader_of_file(&self) -> Loader {
        let mut loader = Loader::new("ceilometer-agent-notification");
        loader.default_sources = false;
        loader.etc = self.path("etc");
        loader.sources = vec![Source::File(self.path("a.conf"))];
        loader
    }

    /// A loader of `a.conf` with this text.
    pub(crate) fn loader(&self, text: &str) -> Loader {
        self.write("a.conf", text);
        self.loader_of_file()
    }

    pub(crate) fn load(&self, text: &str) -> Result<Loaded, LoadError> {
        self.loader(text).load()
    }
}

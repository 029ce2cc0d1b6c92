//! From files, environment and command line to a checked configuration.

use crate::config::Config;
use crate::find;
use crate::ini::{self, IniFile, MAX_FILE_BYTES};
use crate::problem::{Origin, Problem};
use crate::registry::Registry;
use crate::resolve;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Errors, and warnings, of one load that are kept at most; the rest is counted.
pub(crate) const MAX_PROBLEMS: usize = 200;

/// A file or a directory named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `--config-file`.
    File(PathBuf),
    /// `--config-dir`: its `*.conf` in order of their names.
    Directory(PathBuf),
}

/// A value from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// One text, read like the text in a file.
    Text(String),
    /// Items that are already apart; a comma in one does not split it.
    Items(Vec<String>),
}

/// An option set on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Group, for example `DEFAULT`.
    pub group: String,
    /// Option, as in a file.
    pub name: String,
    /// Value.
    pub given: Given,
    /// The flag as the user wrote it, for messages.
    pub flag: String,
}

impl Override {
    /// Sets an option by its handle.
    pub fn new<T>(handle: &crate::Handle<T>, given: Given, flag: impl Into<String>) -> Self {
        Self {
            group: handle.opt.group.to_owned(),
            name: handle.opt.name.to_owned(),
            given,
            flag: flag.into(),
        }
    }
}

/// Everything that decides the configuration. Loading does not change it, so the same loader serves
/// to reload.
#[derive(Debug, Clone)]
pub struct Loader {
    /// Name of the program, such as `ceilometer-polling`; `<program>.conf` is a default file.
    pub program: String,
    /// Name of the project, `ceilometer`; `<project>.conf` is a default file.
    pub project: String,
    /// Files and directories in command line order.
    pub sources: Vec<Source>,
    /// Whether default files are searched where the command line names none. True.
    pub default_sources: bool,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// The working directory, base of relative paths.
    pub working_directory: Option<PathBuf>,
    /// `/etc`.
    pub etc: PathBuf,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// Options from the command line; a later one wins.
    pub overrides: Vec<Override>,
    /// The machine's host name, default of `host`.
    pub host_name: String,
    /// The number of processors.
    pub processors: usize,
    /// The options that are known.
    pub registry: Registry,
}

/// A configuration that can be used, and what is still worth saying about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Unknown and deprecated options, options without effect; at most 200.
    pub warnings: Vec<Problem>,
    /// Warnings beyond those.
    pub omitted_warnings: usize,
}

/// What the sources say, whether or not it can be used: for tools that go on to what else may be wrong.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The configuration. Where an option's value is in error it has its default; of a file that breaks the
    /// grammar, what is sound of it counts.
    pub config: Config,
    /// The errors, at most 200. With none, this is what [`Loader::load`] gives.
    pub errors: Vec<Problem>,
    /// Errors beyond those.
    pub omitted_errors: usize,
    /// Warnings, at most 200.
    pub warnings: Vec<Problem>,
    /// Warnings beyond those.
    pub omitted_warnings: usize,
}

/// A configuration that cannot be used: every error that was found, not only the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LoadError {
    /// The errors, at most 200.
    pub problems: Vec<Problem>,
    /// Errors beyond that.
    pub omitted: usize,
    /// Warnings found on the way.
    pub warnings: Vec<Problem>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        if self.omitted > 0 {
            write!(f, "\nand {} more errors", self.omitted)?;
        }
        Ok(())
    }
}

/// Problems up to [`MAX_PROBLEMS`]; the rest is counted.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    pub(crate) list: Vec<Problem>,
    pub(crate) omitted: usize,
}

impl Problems {
    /// Whether further problems are counted only, so that nothing need be done to describe them.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MAX_PROBLEMS
    }

    pub(crate) fn count(&mut self) {
        self.omitted += 1;
    }

    pub(crate) fn push(&mut self, problem: Problem) {
        if self.is_full() {
            self.count();
        } else {
            self.list.push(problem);
        }
    }
}

/// A file that has been read.
#[derive(Debug)]
pub(crate) struct ParsedFile {
    pub(crate) path: PathBuf,
    pub(crate) ini: IniFile,
}

impl Loader {
    /// A loader for `program` with the built-in options, default files under `/etc`, an empty
    /// environment and nothing on the command line.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            project: "ceilometer".to_owned(),
            sources: Vec::new(),
            default_sources: true,
            home: None,
            working_directory: None,
            etc: PathBuf::from("/etc"),
            env: BTreeMap::new(),
            overrides: Vec::new(),
            host_name: "localhost".to_owned(),
            processors: 1,
            registry: Registry::builtin(),
        }
    }

    /// Reads and checks everything.
    ///
    /// # Errors
    ///
    /// Files that cannot be read or parsed, values that are invalid or refused, references to
    /// options that do not exist: all of them together.
    pub fn load(&self) -> Result<Loaded, LoadError> {
        let Inspection { config, errors, omitted_errors, warnings, omitted_warnings } = self.inspect();
        if errors.is_empty() {
            Ok(Loaded { config, warnings, omitted_warnings })
        } else {
            Err(LoadError { problems: errors, omitted: omitted_errors, warnings })
        }
    }

    /// Reads and checks everything, and goes on past errors.
    pub fn inspect(&self) -> Inspection {
        let plan = find::plan(self);
        let mut errors = Problems::default();
        let mut warnings = Problems::default();
        for problem in plan.problems {
            errors.push(problem);
        }
        let mut files = Vec::new();
        let mut total_bytes = 0;
        for path in plan.files {
            let (ini, problems) = match read(&path, &mut total_bytes) {
                Ok(bytes) => parse_bytes(&path, &bytes),
                Err(problem) => (IniFile::default(), vec![problem]),
            };
            for problem in problems {
                errors.push(problem);
            }
            files.push(ParsedFile { path, ini });
        }
        let config = resolve::resolve(self, &files, plan.search, &mut errors, &mut warnings);
        crate::check::options_together(&config, &mut errors);
        Inspection {
            config,
            errors: errors.list,
            omitted_errors: errors.omitted,
            warnings: warnings.list,
            omitted_warnings: warnings.omitted,
        }
    }
}

/// Bytes of all files together that are read at most.
pub(crate) const MAX_TOTAL_BYTES: u64 = 8 << 20;

/// Reads one file.
fn read(path: &Path, total_bytes: &mut u64) -> Result<Vec<u8>, Problem> {
    let whole = |message: String, hint: &str| Problem::new(Origin::Path(path.to_owned()), message).hint(hint);
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| {
            whole(
                format!("cannot read configuration file: {error}"),
                "check the path and its permissions, or name another file with --config-file",
            )
        })?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(whole(
            format!("configuration file is larger than {MAX_FILE_BYTES} bytes"),
            "split it, or remove what is no configuration",
        ));
    }
    *total_bytes += bytes.len() as u64;
    if *total_bytes > MAX_TOTAL_BYTES {
        return Err(whole(
            format!("configuration files are larger than {MAX_TOTAL_BYTES} bytes together"),
            "remove what is no configuration",
        ));
    }
    Ok(bytes)
}

/// Parses the bytes of one file: what is sound of it, and what is wrong with the rest.
pub(crate) fn parse_bytes(path: &Path, bytes: &[u8]) -> (IniFile, Vec<Problem>) {
    let at = |line, column| Origin::File { path: path.to_owned(), line, column };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = crate::python::lines(&good).count().max(1);
            let last = good.rsplit(['\n', '\r']).next().unwrap_or_default();
            let line = if last.is_empty() && !good.is_empty() { line + 1 } else { line };
            let at = at(
                u32::try_from(line).unwrap_or(u32::MAX),
                u32::try_from(last.chars().count() + 1).unwrap_or(u32::MAX),
            );
            let problem = Problem::new(at, "byte that is not UTF-8").hint("save the file as UTF-8");
            return (IniFile::default(), vec![problem]);
        }
    };
    let (ini, faults) = ini::parse_sound(text);
    let problems = faults.into_iter().map(|fault| {
        let hint = if text.starts_with('\u{feff}') && fault.at.line == 1 {
            "remove the byte order mark: save the file as UTF-8 without it"
        } else {
            fault.hint
        };
        Problem::new(at(fault.at.line, fault.at.column), fault.message).hint(hint)
    });
    (ini, problems.collect())
}

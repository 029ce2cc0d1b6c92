//! The oslo.config ini dialect and the table of every option.
//!
//! A [`Loader`] is told everything that it needs (program name, files, directories, environment,
//! command line); it reads the files, checks every value and gives back a [`Config`] together with
//! warnings, or all errors at once. Options are declared once, in [`options`]; reading one goes
//! through its handle, so a misspelt option does not compile:
//!
//! ```
//! use nephoscope_oslo_config::{Loader, options};
//!
//! let mut loader = Loader::new("ceilometer-agent-notification");
//! loader.default_sources = false;
//! loader.env.insert("OS_NOTIFICATION__BATCH_SIZE".into(), "10".into());
//! let loaded = loader.load()?;
//! assert_eq!(loaded.config.get(&options::notification::BATCH_SIZE), 10);
//! # Ok::<(), nephoscope_oslo_config::LoadError>(())
//! ```
//!
//! The crate reads files, and nothing else of its surroundings: no environment, no arguments, no
//! host name. The binary hands these over.

mod check;
mod config;
mod environment;
mod find;
pub mod fuzz;
mod ini;
mod loader;
mod option;
pub mod options;
mod problem;
mod python;
mod reference;
mod registry;
mod resolve;
mod suggest;
mod template;
mod types;
mod uri;
mod value;
mod write;

pub use config::{Change, Config, Credentials, CredentialsOf, Shown};
pub use ini::{Entry, Fault, IniFile, MAX_FILE_BYTES, Position, Section, parse};
pub use loader::{Given, Inspection, LoadError, Loaded, Loader, Override, Source};
pub use option::{
    Bool, Default, Deprecated, Float, Handle, Int, Kind, List, Opt, OptFloat, OptInt, OptStr, Read,
    RefusedValue, Str, Support, Type,
};
pub use problem::{Origin, Problem};
pub use reference::{metric_reference, reference};
pub use registry::Registry;
pub use value::Value;

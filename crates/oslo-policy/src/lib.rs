//! oslo.policy's rule language and policy files: who may do what.
//!
//! A [`Check`] is a rule that has been read: `role:admin or project_id:%(project_id)s`. A [`Policy`] holds the rules of a
//! service under their names: its defaults ([`RuleDefault`]), and what an operator's files say instead ([`PolicyFiles`]).
//! [`Policy::allows`] decides about a [`Target`], which is what somebody wants to do something with, and [`Credentials`],
//! which are what is known of them.
//!
//! Decisions are oslo.policy's (6.0). What it denies because it cannot be read is refused here when it is loaded, with its
//! place: a rule that nobody can read guards nothing on purpose. The same goes for rules that refer to themselves.
//!
//! ```
//! use nephoscope_oslo_policy::{Credentials, Policy, RuleDefault};
//! use model::{Map, Value};
//!
//! let defaults = [RuleDefault::new("get metric", "role:admin or project_id:%(project_id)s")];
//! let policy = Policy::of_defaults(&defaults)?;
//! let mut known = Map::new();
//! known.insert("roles", Value::List(vec!["Member".into()]));
//! known.insert("project_id", "p");
//! let mut target = Map::new();
//! target.insert("project_id", "p");
//! assert!(policy.allows("get metric", &target, &Credentials::new(known)));
//! # Ok::<(), nephoscope_oslo_policy::Error>(())
//! ```

mod check;
mod credentials;
mod error;
mod files;
mod literal;
mod parse;
mod policy;
mod template;

pub use check::Check;
pub use credentials::{Credentials, Target};
pub use error::{Error, Place};
pub use files::{Loaded, PolicyFiles, Stamp};
pub use policy::{Policy, RuleDefault, Scope};

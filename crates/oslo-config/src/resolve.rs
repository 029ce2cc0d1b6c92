//! From parsed files to the effective value of every option.

mod lookup;
mod refer;
mod remark;
mod unknown;

pub(crate) use remark::default_text;

use crate::config::Config;
use crate::environment;
use crate::ini::quoted;
use crate::loader::{Given, Loader, ParsedFile, Problems};
use crate::option::Default;
use crate::problem::{Origin, Problem};
use crate::registry::{Index, Slot};
use crate::template::{self, Piece};
use crate::types::{self, Invalid};
use crate::value::Value;
use lookup::Occurrences;
use remark::refuse;
use std::path::PathBuf;

/// Length of a value after interpolation, at most. Without a bound, options that refer to each other
/// twice double in length at each step.
pub(crate) const MAX_INTERPOLATED_BYTES: usize = 64 << 10;

/// References that lead on to further references, at most. oslo.config's own limit is Python's stack, which
/// is reached a little later.
pub(crate) const MAX_DEPTH: usize = 100;

/// Values of a multi-valued option, at most.
pub(crate) const MAX_VALUES: usize = 10_000;

/// An option's value and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Effective {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
    /// The option is secret, or a reference in it led to one that is.
    pub(crate) secret: bool,
    /// What was written is in error; the value is the default.
    pub(crate) refused: bool,
}

/// Text as found, before interpolation and conversion.
pub(crate) enum Raw {
    Text(String),
    /// Values of a multi-valued option, each with the place that it stands in.
    Many(Vec<(String, Origin)>),
    /// Items from the command line.
    Items(Vec<String>),
}

enum State {
    Waiting,
    Working,
    Ready(Effective),
    /// Reported already; what refers to it fails without another report.
    Failed,
}

/// Resolves every option of the loader's registry.
pub(crate) fn resolve(
    loader: &Loader,
    files: &[ParsedFile],
    search: Vec<PathBuf>,
    errors: &mut Problems,
    warnings: &mut Problems,
) -> Config {
    let occurrences = Occurrences::new(files);
    let mut registry = loader.registry.clone();
    for section in credential_sections(loader, &occurrences) {
        registry.add_credentials(&section);
    }
    let slots = registry.slots;
    let mut resolver = Resolver {
        loader,
        index: Index::new(&slots),
        states: slots.iter().map(|_| State::Waiting).collect(),
        slots: &slots,
        occurrences: &occurrences,
        errors,
        warnings,
        depth: 0,
    };
    for number in 0..slots.len() {
        resolver.run(number);
    }
    for given in &loader.overrides {
        if resolver.index.get(&given.group, &given.name).is_none() {
            resolver.errors.push(Problem::new(
                Origin::CommandLine(given.flag.clone()),
                format!("there is no option {} in [{}]", given.name, given.group),
            ));
        }
    }
    let fallbacks: Vec<Option<Effective>> =
        (0..slots.len()).map(|number| resolver.fallback(number)).collect();
    let states = std::mem::take(&mut resolver.states);
    let index = std::mem::take(&mut resolver.index);
    unknown::report(loader, files, &slots, &index, warnings);
    let values = states
        .into_iter()
        .zip(fallbacks)
        .map(|(state, fallback)| match (state, fallback) {
            (State::Ready(effective), _) | (_, Some(effective)) => effective,
            _ => Effective { value: Value::Null, origin: Origin::Default, secret: true, refused: true },
        })
        .collect();
    Config::new(slots, index, values, search)
}

/// Sections that an `auth_section` option points to, besides those that are known.
fn credential_sections(loader: &Loader, occurrences: &Occurrences<'_>) -> Vec<String> {
    loader
        .registry
        .slots
        .iter()
        .filter(|slot| slot.opt.name == crate::options::AUTH_SECTION_NAME)
        .filter_map(|slot| {
            let found = loader
                .overrides
                .iter()
                .rev()
                .find(|given| given.group == slot.group && given.name == slot.opt.name)
                .and_then(|given| match &given.given {
                    Given::Text(text) => Some(text.clone()),
                    Given::Items(_) => None,
                })
                .or_else(|| loader.env.get(&environment::variable(&slot.group, slot.opt.name)).cloned())
                .or_else(|| occurrences.single(slot).map(|(text, ..)| text.to_owned()))?;
            // A reference here would need the options that the section is to bring.
            (!found.is_empty() && template::is_plain(&found)).then_some(found)
        })
        .collect()
}

struct Resolver<'a> {
    loader: &'a Loader,
    slots: &'a [Slot],
    index: Index,
    states: Vec<State>,
    occurrences: &'a Occurrences<'a>,
    errors: &'a mut Problems,
    warnings: &'a mut Problems,
    depth: usize,
}

impl Resolver<'_> {
    fn run(&mut self, number: usize) {
        if !matches!(self.states[number], State::Waiting) {
            return;
        }
        self.states[number] = State::Working;
        let slots = self.slots;
        let slot = &slots[number];
        let (raw, origin) = self.find(slot);
        self.states[number] = match self.evaluate(slot, raw, &origin) {
            Ok((value, tainted)) => {
                State::Ready(Effective { value, origin, secret: tainted || slot.opt.secret, refused: false })
            }
            Err(problem) => {
                if let Some(mut problem) = problem {
                    if let Some(former) = self.written_as(slot, &problem.origin) {
                        problem.message = format!("{} (written as {former})", problem.message);
                    }
                    self.errors.push(problem);
                }
                State::Failed
            }
        };
        self.remark(slot, number);
    }

    /// The default of an option whose value is in error, so that what depends on it can be looked at all the same.
    fn fallback(&mut self, number: usize) -> Option<Effective> {
        if matches!(self.states[number], State::Ready(_)) {
            return None;
        }
        let slots = self.slots;
        let mut tainted = false;
        // A default that refers to another option in error has been reported with that one.
        let value = self.default(&slots[number], &mut tainted).unwrap_or(Value::Null);
        let secret = tainted || slots[number].opt.secret;
        Some(Effective { value, origin: Origin::Default, secret, refused: true })
    }

    /// The former name under which the option stands at `origin`, if it does.
    fn written_as(&self, slot: &Slot, origin: &Origin) -> Option<&'static str> {
        let (_, at, former) = self.occurrences.single(slot)?;
        slot.opt.deprecated.get(former?).filter(|_| at == *origin)?.name
    }

    /// The raw value by precedence: command line, environment, files, default.
    fn find(&mut self, slot: &Slot) -> (Option<Raw>, Origin) {
        let opt = slot.opt;
        let overridden = self
            .loader
            .overrides
            .iter()
            .rev()
            .find(|given| given.group == slot.group && given.name == opt.name);
        if let Some(given) = overridden {
            let origin = Origin::CommandLine(given.flag.clone());
            let raw = match &given.given {
                Given::Text(text) => Raw::Text(text.clone()),
                Given::Items(items) => Raw::Items(items.clone()),
            };
            return (Some(raw), origin);
        }
        let variable = environment::variable(&slot.group, opt.name);
        if let Some(text) = self.loader.env.get(&variable) {
            return (Some(Raw::Text(text.clone())), Origin::Env(variable));
        }
        let found = if opt.kind.is_multi() {
            self.occurrences.many(slot, self.warnings)
        } else {
            self.occurrences.one(slot, self.warnings)
        };
        if let Some(found) = found {
            return found;
        }
        for name in opt.default_env {
            if let Some(text) = self.loader.env.get(*name) {
                return (Some(Raw::Text(text.clone())), Origin::DefaultFromEnv((*name).to_owned()));
            }
        }
        (None, Origin::Default)
    }

    /// Interpolates and converts. The error is `None` where it has been reported already.
    fn evaluate(
        &mut self,
        slot: &Slot,
        raw: Option<Raw>,
        origin: &Origin,
    ) -> Result<(Value, bool), Option<Problem>> {
        let mut tainted = false;
        let value = match raw {
            None => return Ok((self.default(slot, &mut tainted)?, tainted)),
            Some(Raw::Text(text)) => {
                let text = self.interpolate(slot, &text, origin, &mut tainted)?;
                let value = types::convert(&slot.opt.kind, &text)
                    .map_err(|invalid| Some(complain(slot, &text, origin, invalid, tainted)))?;
                if slot.opt.kind.is_multi() { Value::List(vec![text]) } else { value }
            }
            Some(Raw::Many(values)) if values.len() > MAX_VALUES => {
                return Err(Some(
                    Problem::new(
                        origin.clone(),
                        format!("option {} has more than {MAX_VALUES} values", slot.opt.name),
                    )
                    .hint("remove what is not needed"),
                ));
            }
            Some(Raw::Many(values)) => {
                let mut items = Vec::with_capacity(values.len());
                for (text, origin) in values {
                    let text = self.interpolate(slot, &text, &origin, &mut tainted)?;
                    refuse(slot, std::slice::from_ref(&text), &origin)?;
                    items.push(text);
                }
                return Ok((Value::List(items), tainted));
            }
            Some(Raw::Items(items)) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    out.push(self.interpolate(slot, &item, origin, &mut tainted)?);
                }
                types::convert_items(&slot.opt.kind, out)
            }
        };
        match &value {
            Value::Str(text) => refuse(slot, std::slice::from_ref(text), origin)?,
            Value::List(items) => refuse(slot, items, origin)?,
            _ => {}
        }
        Ok((value, tainted))
    }

    fn default(&mut self, slot: &Slot, tainted: &mut bool) -> Result<Value, Option<Problem>> {
        Ok(match slot.opt.default {
            Default::Null => Value::Null,
            Default::Bool(value) => Value::Bool(value),
            Default::Int(value) => Value::Int(value),
            Default::Float(value) => Value::Float(value),
            Default::HostName => Value::Str(self.loader.host_name.clone()),
            Default::Program => Value::Str(self.loader.program.clone()),
            Default::Processors => Value::Int(i64::try_from(self.loader.processors).unwrap_or(i64::MAX)),
            Default::Str(text) => {
                let text = self.interpolate(slot, text, &Origin::Default, tainted)?;
                types::convert(&slot.opt.kind, &text)
                    .map_err(|invalid| Some(complain(slot, &text, &Origin::Default, invalid, *tainted)))?
            }
            Default::List(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    out.push(self.interpolate(slot, item, &Origin::Default, tainted)?);
                }
                Value::List(out)
            }
        })
    }

    fn interpolate(
        &mut self,
        slot: &Slot,
        text: &str,
        origin: &Origin,
        tainted: &mut bool,
    ) -> Result<String, Option<Problem>> {
        if template::is_plain(text) {
            return Ok(text.to_owned());
        }
        let text = template::unescaped(text);
        let mut out = String::with_capacity(text.len());
        for piece in template::pieces(&text) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Reference(name) => {
                    let number = self.refer(slot, name, origin)?;
                    if self.depth >= MAX_DEPTH {
                        return Err(Some(
                            Problem::new(
                                origin.clone(),
                                format!(
                                    "option {} is the end of more than {MAX_DEPTH} references",
                                    slot.opt.name
                                ),
                            )
                            .hint("write the value out"),
                        ));
                    }
                    self.depth += 1;
                    self.run(number);
                    self.depth -= 1;
                    match &self.states[number] {
                        State::Ready(effective) => {
                            out.push_str(&effective.value.interpolated());
                            *tainted |= effective.secret;
                        }
                        State::Working => {
                            return Err(Some(
                                Problem::new(
                                    origin.clone(),
                                    format!(
                                        "option {} refers to itself, by way of {}",
                                        slot.opt.name, self.slots[number].opt.name
                                    ),
                                )
                                .hint("break the circle; write $$ for a dollar sign"),
                            ));
                        }
                        State::Waiting | State::Failed => return Err(None),
                    }
                }
            }
            if out.len() > MAX_INTERPOLATED_BYTES {
                return Err(Some(
                    Problem::new(
                        origin.clone(),
                        format!(
                            "value of option {} grows beyond {MAX_INTERPOLATED_BYTES} bytes through its references",
                            slot.opt.name
                        ),
                    )
                    .hint("write the value out, or refer to fewer options"),
                ));
            }
        }
        Ok(out)
    }
}

fn complain(slot: &Slot, text: &str, origin: &Origin, invalid: Invalid, tainted: bool) -> Problem {
    let value =
        if slot.opt.secret || tainted { "the value".to_owned() } else { format!("value {}", quoted(text)) };
    Problem::new(
        origin.clone(),
        format!("{value} of option {} in [{}] {}", slot.opt.name, slot.group, invalid.what),
    )
    .hint(invalid.hint)
}

//! Warnings about values that somebody set, and the refusal of those that ask for something unsupported.

use super::{Resolver, State};
use crate::option::{Default, Kind, Opt, RefusedValue, Support};
use crate::problem::{Origin, Problem};
use crate::registry::Slot;
use crate::value::Value;

impl Resolver<'_> {
    /// Warnings about an option that somebody set.
    pub(super) fn remark(&mut self, slot: &Slot, number: usize) {
        let State::Ready(effective) = &self.states[number] else {
            return;
        };
        if matches!(effective.origin, Origin::Default | Origin::DefaultFromEnv(_)) {
            return;
        }
        let opt = slot.opt;
        let origin = effective.origin.clone();
        let blank_number = effective.value == Value::Null && opt.default != Default::Null;
        if let (true, Some(default)) = (blank_number, default_text(opt)) {
            self.warnings.push(
                Problem::new(
                    origin.clone(),
                    format!("option {} has no value; its default is used", opt.name),
                )
                .hint(format!("write {} = {default}, or remove the line", opt.name)),
            );
        }
        match opt.support {
            Support::NoEffect(why) if !blank_number && !is_default(opt, &effective.value) => {
                self.warnings.push(Problem::new(origin, format!("option {} has no effect: {why}", opt.name)));
            }
            _ => {
                if let Some(why) = opt.leaving {
                    self.warnings.push(Problem::new(
                        origin,
                        format!("option {} is going to be removed: {why}", opt.name),
                    ));
                }
            }
        }
    }
}

/// Values whose form is right but which ask for something that is not supported.
pub(super) fn refuse(slot: &Slot, texts: &[String], origin: &Origin) -> Result<(), Option<Problem>> {
    for text in texts {
        let scheme = text.split(':').next().unwrap_or_default().to_lowercase();
        let (base, transport) = match scheme.split_once('+') {
            Some((base, transport)) => (base, transport),
            None => (scheme.as_str(), ""),
        };
        for refused in slot.opt.refused {
            let instead = match *refused {
                RefusedValue::Scheme { scheme, instead } if scheme == base => instead,
                RefusedValue::Transport { transport: refused, instead } if refused == transport => instead,
                _ => continue,
            };
            return Err(Some(
                Problem::new(
                    origin.clone(),
                    format!("{scheme}:// in option {} of [{}] is not supported", slot.opt.name, slot.group),
                )
                .hint(instead),
            ));
        }
    }
    Ok(())
}

/// The default as it would be written in a file.
pub(crate) fn default_text(opt: &Opt) -> Option<String> {
    Some(match opt.default {
        Default::Null => return None,
        Default::Bool(value) => value.to_string(),
        Default::Int(value) => value.to_string(),
        Default::Float(value) => Value::Float(value).to_string(),
        Default::Str(text) => text.to_owned(),
        Default::List(items) => items.join(","),
        Default::HostName => "<host name>".to_owned(),
        Default::Program => "<program name>".to_owned(),
        Default::Processors => "<number of processors>".to_owned(),
    })
}

fn is_default(opt: &Opt, value: &Value) -> bool {
    match (opt.default, value) {
        (Default::Null, Value::Null) => true,
        (Default::Null, Value::Str(text)) => text.is_empty(),
        (Default::Bool(default), Value::Bool(value)) => default == *value,
        (Default::Int(default), Value::Int(value)) => default == *value,
        (Default::Float(default), Value::Float(value)) => (default - value).abs() < f64::EPSILON,
        (Default::Str(default), Value::Str(value)) => match opt.kind {
            Kind::Str { ignore_case: true, .. } => default.eq_ignore_ascii_case(value),
            _ => default == value,
        },
        (Default::List(default), Value::List(value)) => default == value.as_slice(),
        _ => false,
    }
}

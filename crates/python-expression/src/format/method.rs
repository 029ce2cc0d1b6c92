//! `str.format`.

use super::{converted, format};
use crate::error::{Exception, Outcome, raise, value_error};
use crate::eval::call::Arguments;
use crate::eval::subscript;
use crate::limits::Machine;
use crate::value::Object;

/// What the fields of one text take their arguments from.
struct Fields<'a> {
    arguments: &'a Arguments,
    /// The number of the next field without one.
    next: usize,
    /// Whether fields with a number, or without one, came so far.
    is_numbered: Option<bool>,
}

/// `text.format(arguments)`.
pub(crate) fn format_method(machine: &mut Machine, text: &str, arguments: &Arguments) -> Outcome<String> {
    let mut fields = Fields { arguments, next: 0, is_numbered: None };
    fields.fill(machine, text, 0)
}

impl Fields<'_> {
    fn fill(&mut self, machine: &mut Machine, text: &str, nested: usize) -> Outcome<String> {
        if nested > 1 {
            return Err(value_error("Max string recursion exceeded"));
        }
        let mut all = String::new();
        let mut rest = text;
        loop {
            let Some(place) = rest.find(['{', '}']) else {
                all.push_str(rest);
                return Ok(all);
            };
            let (before, brace) = rest.split_at(place);
            all.push_str(before);
            machine.take(before.len() + 1)?;
            if brace.starts_with("{{") || brace.starts_with("}}") {
                all.push_str(brace.get(..1).unwrap_or_default());
                rest = brace.get(2..).unwrap_or_default();
                continue;
            }
            if brace.starts_with('}') {
                return Err(value_error("Single '}' encountered in format string"));
            }
            let Some(length) = field_length(brace) else {
                return Err(value_error("expected '}' before end of string"));
            };
            let field = brace.get(1..length).unwrap_or_default();
            all.push_str(&self.field(machine, field, nested)?);
            rest = brace.get(length + 1..).unwrap_or_default();
        }
    }

    fn field(&mut self, machine: &mut Machine, field: &str, nested: usize) -> Outcome<String> {
        let end = name_length(field);
        let (name, rest) = field.split_at(end);
        let (conversion, spec) = match rest.strip_prefix('!') {
            Some(after) => {
                let conversion = after.chars().next().filter(|letter| matches!(letter, 'r' | 's' | 'a'));
                let conversion =
                    conversion.ok_or_else(|| value_error("the conversions are !s, !r and !a"))?;
                (Some(conversion), after.get(1..).unwrap_or_default())
            }
            None => (None, rest),
        };
        let spec = match spec.strip_prefix(':') {
            Some(spec) => spec,
            None if spec.is_empty() => "",
            None => return Err(value_error("expected ':' after conversion specifier")),
        };
        let value = self.value(machine, name)?;
        let value = converted(machine, value, conversion)?;
        if spec.contains(['{', '}']) {
            let spec = self.fill(machine, spec, nested + 1)?;
            return format(machine, &value, &spec);
        }
        format(machine, &value, spec)
    }

    /// The argument that a field names, with its subscripts.
    fn value(&mut self, machine: &mut Machine, name: &str) -> Outcome<Object> {
        let first = name.find(['.', '[']).unwrap_or(name.len());
        let (base, mut rest) = name.split_at(first);
        let is_number = base.bytes().all(|byte| byte.is_ascii_digit());
        let mut value = if is_number {
            let is_numbered = !base.is_empty();
            if self.is_numbered.is_some_and(|known| known != is_numbered) {
                return Err(value_error("cannot mix numbered fields with others"));
            }
            self.is_numbered = Some(is_numbered);
            let place = if is_numbered { base.parse().unwrap_or(usize::MAX) } else { self.next };
            self.next += usize::from(!is_numbered);
            let found = self.arguments.plain.get(place).cloned();
            found.ok_or_else(|| {
                let message = format!("Replacement index {place} out of range for positional args tuple");
                raise(Exception::Index, message)
            })?
        } else {
            let found = self.arguments.named.iter().find(|(known, _)| &**known == base);
            let found = found.map(|(_, value)| value.clone());
            found.ok_or_else(|| raise(Exception::Key, format!("'{base}'")))?
        };
        while !rest.is_empty() {
            let Some(after) = rest.strip_prefix('[') else {
                return Err(raise(Exception::Attribute, format!("the attribute {rest} is not supported")));
            };
            let Some((index, after)) = after.split_once(']') else {
                return Err(value_error("Missing ']' in format string"));
            };
            if index.is_empty() {
                return Err(value_error("Empty attribute in format string"));
            }
            let index = if index.bytes().all(|byte| byte.is_ascii_digit()) {
                Object::Int(index.parse().unwrap_or(i64::MAX))
            } else {
                Object::str(index)
            };
            value = subscript::index(machine, &value, &index)?;
            rest = after;
        }
        Ok(value)
    }
}

/// Where the brace that `field` begins with is closed.
fn field_length(field: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (place, character) in field.char_indices() {
        match character {
            '{' => open += 1,
            '}' => {
                open = open.checked_sub(1)?;
                if open == 0 {
                    return Some(place);
                }
            }
            _ => {}
        }
    }
    None
}

/// How long a field's name is: up to `!` or `:` outside of brackets.
fn name_length(field: &str) -> usize {
    let mut is_inside = false;
    for (place, character) in field.char_indices() {
        match character {
            '[' => is_inside = true,
            ']' => is_inside = false,
            '!' | ':' if !is_inside => return place,
            _ => {}
        }
    }
    field.len()
}

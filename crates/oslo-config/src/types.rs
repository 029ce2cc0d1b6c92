//! Conversion of text to values, as oslo.config's types do it.

use crate::ini::quoted;
use crate::option::Kind;
use crate::python;
use crate::uri;
use crate::value::Value;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Why a text is not a value of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// Reads on after "value `x` of option `y`", for example "is not an integer".
    pub(crate) what: String,
    /// What to write instead.
    pub(crate) hint: String,
}

fn invalid(what: impl Into<String>, hint: impl Into<String>) -> Invalid {
    Invalid { what: what.into(), hint: hint.into() }
}

/// Converts the text of a single-valued option, or one value of a multi-valued one.
pub(crate) fn convert(kind: &Kind, text: &str) -> Result<Value, Invalid> {
    match *kind {
        Kind::Str { choices, ignore_case } => choice(text, choices, ignore_case),
        Kind::Bool => boolean(text),
        Kind::Int { min, max } => integer(text, min, max),
        Kind::Port => integer(text, Some(0), Some(65_535)),
        Kind::Float { min, max } => float(text, min, max),
        Kind::List { unique } => Ok(Value::List(list(text, unique))),
        Kind::MultiStr => Ok(Value::Str(text.to_owned())),
        Kind::HostAddress => host_address(text),
        Kind::Uri => match uri::check(text) {
            Ok(()) => Ok(Value::Str(text.to_owned())),
            Err(what) => Err(invalid(what, "write for example https://host:port/path")),
        },
        Kind::Listen => listen(text),
    }
}

/// Converts items that are already apart, as several command line arguments are.
pub(crate) fn convert_items(kind: &Kind, items: Vec<String>) -> Value {
    match kind {
        Kind::List { unique: true } => Value::List(deduplicated(items)),
        _ => Value::List(items),
    }
}

fn choice(text: &str, choices: &[&str], ignore_case: bool) -> Result<Value, Invalid> {
    let known = choices.is_empty()
        || if ignore_case {
            let lower = text.to_lowercase();
            choices.iter().any(|choice| choice.to_lowercase() == lower)
        } else {
            choices.contains(&text)
        };
    if known {
        return Ok(Value::Str(text.to_owned()));
    }
    let listed: Vec<String> = choices
        .iter()
        .map(|choice| if choice.is_empty() { "an empty value".to_owned() } else { (*choice).to_owned() })
        .collect();
    let listed = listed.join(", ");
    let hint = match crate::suggest::nearest(text, choices.iter().copied()) {
        Some(near) => format!("did you mean {near}? The choices are {listed}"),
        None => format!("write one of {listed}"),
    };
    Err(invalid("is not one of the choices", hint))
}

fn boolean(text: &str) -> Result<Value, Invalid> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Ok(Value::Bool(true)),
        "false" | "0" | "off" | "no" => Ok(Value::Bool(false)),
        _ => Err(invalid("is not a boolean", "write true or false")),
    }
}

fn integer(text: &str, min: Option<i64>, max: Option<i64>) -> Result<Value, Invalid> {
    if python::strip(text).is_empty() {
        return Ok(Value::Null);
    }
    let range = range(min, max);
    let Some(number) = python::int(text) else {
        return Err(invalid("is not an integer", format!("write a whole number{range}, without a unit")));
    };
    if let Some(min) = min.filter(|min| number < *min) {
        return Err(invalid(format!("is less than {min}"), format!("write a whole number{range}")));
    }
    if let Some(max) = max.filter(|max| number > *max) {
        return Err(invalid(format!("is greater than {max}"), format!("write a whole number{range}")));
    }
    Ok(Value::Int(number))
}

fn float(text: &str, min: Option<f64>, max: Option<f64>) -> Result<Value, Invalid> {
    if python::strip(text).is_empty() {
        return Ok(Value::Null);
    }
    let range = range(min, max);
    let Some(number) = python::float(text) else {
        return Err(invalid("is not a number", format!("write a number{range}, without a unit")));
    };
    if let Some(min) = min.filter(|min| number < *min) {
        return Err(invalid(format!("is less than {min}"), format!("write a number{range}")));
    }
    if let Some(max) = max.filter(|max| number > *max) {
        return Err(invalid(format!("is greater than {max}"), format!("write a number{range}")));
    }
    Ok(Value::Float(number))
}

fn range<N: std::fmt::Display>(min: Option<N>, max: Option<N>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!(" from {min} to {max}"),
        (Some(min), None) => format!(" of at least {min}"),
        (None, Some(max)) => format!(" of at most {max}"),
        (None, None) => String::new(),
    }
}

fn list(text: &str, unique: bool) -> Vec<String> {
    let text = python::strip(text).trim_end_matches(',');
    if text.is_empty() {
        return Vec::new();
    }
    let items = text.split(',').map(|item| python::strip(item).to_owned()).collect();
    if unique { deduplicated(items) } else { items }
}

fn deduplicated(items: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    items.into_iter().filter(|item| seen.insert(item.clone())).collect()
}

fn host_address(text: &str) -> Result<Value, Invalid> {
    if text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok() {
        return Ok(Value::Str(text.to_owned()));
    }
    match host_name(text) {
        Some(name) => Ok(Value::Str(name.to_owned())),
        None => Err(invalid(
            "is neither a host name nor an IP address",
            "write a name of letters, digits, hyphens and dots whose last part is not a number, or an address",
        )),
    }
}

/// A host name after RFC 1123, without the trailing dot.
fn host_name(text: &str) -> Option<&str> {
    const LONGEST_NAME: usize = 253;
    const LONGEST_LABEL: usize = 63;
    if text.is_empty() || text.chars().count() > LONGEST_NAME {
        return None;
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let last = name.rsplit('.').next().unwrap_or(name);
    if !last.contains(|character: char| character.is_ascii_alphabetic() || character == '-') {
        return None;
    }
    name.split('.')
        .all(|label| {
            (1..=LONGEST_LABEL).contains(&label.chars().count())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(is_label_character)
        })
        .then_some(name)
}

/// Letters, digits and the hyphen, and the four characters that Python's case folding takes for
/// letters.
fn is_label_character(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || character == '-'
        || matches!(character, '\u{130}' | '\u{131}' | '\u{17f}' | '\u{212a}')
}

fn listen(text: &str) -> Result<Value, Invalid> {
    let hint = "write host:port, for example 127.0.0.1:9701 or [::1]:9701, or nothing to switch it off";
    let text = python::strip(text);
    if text.is_empty() {
        return Ok(Value::Str(String::new()));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(invalid("has no port", hint));
    };
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().is_err() {
        return Err(invalid(format!("has the port {}", quoted(port)), hint));
    }
    let host_is_good = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok() || host_name(host).is_some(),
    };
    if host_is_good {
        Ok(Value::Str(text.to_owned()))
    } else {
        Err(invalid(format!("has the host {}", quoted(host)), hint))
    }
}

//! Methods of texts.

use std::sync::Arc;

use super::Method;
use super::collections::bounds;
use crate::builtins::{not_an_integer, wanted};
use crate::error::{Outcome, type_error, value_error};
use crate::eval::call::Arguments;
use crate::format;
use crate::limits::Machine;
use crate::value::text::{is_space, length};
use crate::value::{Object, iterator};

pub(super) fn call(
    machine: &mut Machine,
    text: &Arc<str>,
    method: Method,
    arguments: Arguments,
) -> Outcome<Object> {
    let name = method.name();
    // Whatever is made is hardly longer than what there is; what may be is counted on its own.
    machine.take(text.len())?;
    match method {
        Method::Format => format::format_method(machine, text, &arguments).map(Object::str),
        Method::Join => {
            let [items] = arguments.fit(name, [""], 1)?;
            join(machine, text, &wanted(items))
        }
        Method::Split | Method::Rsplit => {
            let [separator, most] = arguments.fit(name, ["sep", "maxsplit"], 0)?;
            let most = most.map_or(Ok(-1), |most| most.as_index().ok_or_else(|| not_an_integer(&most)))?;
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            split(machine, text, separator, most, method == Method::Rsplit)
        }
        Method::Strip | Method::Lstrip | Method::Rstrip => {
            let [characters] = arguments.fit(name, [""], 0)?;
            strip(machine, text, method, characters)
        }
        Method::Startswith | Method::Endswith => {
            let [affix, start, stop] = arguments.fit(name, ["", "", ""], 1)?;
            has_affix(machine, text, method, &wanted(affix), start.as_ref(), stop.as_ref())
        }
        Method::Find | Method::Rfind | Method::Index | Method::Rindex | Method::Count => {
            let [part, start, stop] = arguments.fit(name, ["", "", ""], 1)?;
            let part = wanted(part);
            let Object::Str(part) = &part else { return Err(must_be_text(&part)) };
            find(machine, text, method, part, start.as_ref(), stop.as_ref())
        }
        Method::Replace => {
            let [old, new, count] = arguments.fit(name, ["", "", ""], 2)?;
            replace(machine, text, &wanted(old), &wanted(new), count)
        }
        Method::Removeprefix | Method::Removesuffix => {
            let [affix] = arguments.fit(name, [""], 1)?;
            let affix = wanted(affix);
            let Object::Str(affix) = &affix else { return Err(must_be_text(&affix)) };
            let rest = if method == Method::Removeprefix {
                text.strip_prefix(&**affix)
            } else {
                text.strip_suffix(&**affix)
            };
            Ok(Object::str(rest.unwrap_or(text)))
        }
        Method::Partition | Method::Rpartition => {
            let [separator] = arguments.fit(name, [""], 1)?;
            let separator = wanted(separator);
            let Object::Str(separator) = &separator else { return Err(must_be_text(&separator)) };
            partition(text, separator, method == Method::Rpartition)
        }
        Method::Center | Method::Ljust | Method::Rjust | Method::Zfill => {
            let [width, fill] = arguments.fit(name, ["", ""], 1)?;
            pad(machine, text, method, &wanted(width), fill)
        }
        Method::Splitlines => {
            let [keep] = arguments.fit(name, ["keepends"], 0)?;
            let lines = lines(text, keep.is_some_and(|keep| keep.is_truthy()));
            machine.take_places(lines.len())?;
            Ok(Object::list(lines.into_iter().map(Object::str).collect()))
        }
        _ => {
            let [] = arguments.fit(name, [], 0)?;
            machine.take(2 * text.len())?;
            Ok(of_none(text, method))
        }
    }
}

/// Methods without arguments.
fn of_none(text: &str, method: Method) -> Object {
    let all = |is: fn(char) -> bool| Object::Bool(!text.is_empty() && text.chars().all(is));
    match method {
        Method::Lower => Object::str(text.to_lowercase()),
        Method::Upper => Object::str(text.to_uppercase()),
        Method::Casefold => Object::str(model::pytext::casefold(text)),
        Method::Title => Object::str(title(text)),
        Method::Capitalize => {
            let mut characters = text.chars();
            let first: String = characters.next().map(titled).unwrap_or_default();
            Object::str(first + &characters.as_str().to_lowercase())
        }
        Method::Swapcase => Object::str(
            text.chars()
                .flat_map(|character| -> Vec<char> {
                    if character.is_uppercase() {
                        character.to_lowercase().collect()
                    } else {
                        character.to_uppercase().collect()
                    }
                })
                .collect::<String>(),
        ),
        Method::Isalpha => all(char::is_alphabetic),
        Method::Isalnum => all(char::is_alphanumeric),
        Method::Isdigit | Method::Isdecimal => {
            all(|character| character.is_ascii_digit() || !character.is_ascii() && is_decimal(character))
        }
        Method::Isspace => all(is_space),
        Method::Islower => {
            Object::Bool(text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase))
        }
        Method::Isupper => {
            Object::Bool(text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase))
        }
        _ => Object::None,
    }
}

/// A digit of another script.
fn is_decimal(character: char) -> bool {
    let text = model::Value::from(character.to_string());
    model::pytext::integer_of(&text).is_ok()
}

fn titled(character: char) -> String {
    // The few characters that have a form for titles of their own are written as Unicode's upper case, but for `ß`.
    match character {
        'ß' => "Ss".to_owned(),
        other => other.to_uppercase().collect(),
    }
}

fn title(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    let mut is_inside = false;
    for character in text.chars() {
        if is_inside {
            all.extend(character.to_lowercase());
        } else {
            all.push_str(&titled(character));
        }
        is_inside = character.is_lowercase() || character.is_uppercase();
    }
    all
}

pub(crate) fn must_be_text(object: &Object) -> Box<crate::error::Raised> {
    type_error(format!("must be str, not {}", object.type_name()))
}

fn join(machine: &mut Machine, separator: &str, items: &Object) -> Outcome<Object> {
    let items = iterator::collect(machine, items).map_err(|raised| {
        let is_type = raised.exception == crate::error::Exception::Type && iterator::iterate(items).is_err();
        if is_type { type_error("can only join an iterable") } else { raised }
    })?;
    let mut all = String::new();
    for (place, item) in items.iter().enumerate() {
        let Object::Str(text) = item else {
            let name = item.type_name();
            return Err(type_error(format!("sequence item {place}: expected str instance, {name} found")));
        };
        machine.take(text.len() + separator.len())?;
        if place > 0 {
            all.push_str(separator);
        }
        all.push_str(text);
    }
    Ok(Object::str(all))
}

fn split(
    machine: &mut Machine,
    text: &str,
    separator: Option<Object>,
    most: usize,
    is_reversed: bool,
) -> Outcome<Object> {
    let parts: Vec<&str> = match separator {
        None | Some(Object::None) => split_at_space(text, most, is_reversed),
        Some(Object::Str(separator)) if separator.is_empty() => return Err(value_error("empty separator")),
        Some(Object::Str(separator)) => {
            let pieces = most.saturating_add(1);
            if is_reversed {
                let mut parts: Vec<&str> = text.rsplitn(pieces, &*separator).collect();
                parts.reverse();
                parts
            } else {
                text.splitn(pieces, &*separator).collect()
            }
        }
        Some(other) => return Err(must_be_text(&other)),
    };
    machine.take_places(2 * parts.len())?;
    Ok(Object::list(parts.into_iter().map(Object::str).collect()))
}

fn split_at_space(text: &str, most: usize, is_reversed: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    if is_reversed {
        loop {
            rest = rest.trim_end_matches(is_space);
            if rest.is_empty() {
                break;
            }
            let cut = if parts.len() >= most { None } else { rest.rfind(is_space) };
            let Some(cut) = cut else {
                parts.push(rest);
                break;
            };
            let (before, word) = rest.split_at(cut);
            parts.push(word.trim_start_matches(is_space));
            rest = before;
        }
        parts.reverse();
        return parts;
    }
    loop {
        rest = rest.trim_start_matches(is_space);
        if rest.is_empty() {
            return parts;
        }
        let cut = if parts.len() >= most { None } else { rest.find(is_space) };
        let Some(cut) = cut else {
            parts.push(rest);
            return parts;
        };
        let (word, after) = rest.split_at(cut);
        parts.push(word);
        rest = after;
    }
}

fn strip(
    machine: &mut Machine,
    text: &Arc<str>,
    method: Method,
    characters: Option<Object>,
) -> Outcome<Object> {
    let own = match characters {
        None | Some(Object::None) => None,
        Some(Object::Str(characters)) => Some(characters),
        Some(other) => {
            return Err(type_error(format!("strip arg must be None or str, not {}", other.type_name())));
        }
    };
    if let Some(own) = &own {
        machine.steps(text.len().saturating_mul(own.len()) / 64)?;
    }
    let is_outer = |character: char| match &own {
        None => is_space(character),
        Some(own) => own.contains(character),
    };
    let mut rest: &str = text;
    if method != Method::Rstrip {
        rest = rest.trim_start_matches(is_outer);
    }
    if method != Method::Lstrip {
        rest = rest.trim_end_matches(is_outer);
    }
    Ok(if rest.len() == text.len() { Object::Str(Arc::clone(text)) } else { Object::str(rest) })
}

/// The part of the text between two places, in characters; none if the start is behind the end of the text.
fn part<'t>(
    text: &'t str,
    start: Option<&Object>,
    stop: Option<&Object>,
) -> Outcome<Option<(&'t str, usize)>> {
    if start.is_none() && stop.is_none() {
        return Ok(Some((text, 0)));
    }
    let (start, stop) = bounds(start, stop, length(text))?;
    if start > stop {
        return Ok(None);
    }
    let byte = |place: usize| text.char_indices().nth(place).map_or(text.len(), |(byte, _)| byte);
    Ok(text.get(byte(start)..byte(stop)).map(|part| (part, start)))
}

fn has_affix(
    machine: &mut Machine,
    text: &str,
    method: Method,
    affix: &Object,
    start: Option<&Object>,
    stop: Option<&Object>,
) -> Outcome<Object> {
    let part = part(text, start, stop)?;
    let has = |affix: &str| {
        part.is_some_and(|(part, _)| {
            if method == Method::Startswith { part.starts_with(affix) } else { part.ends_with(affix) }
        })
    };
    match affix {
        Object::Str(affix) => Ok(Object::Bool(has(affix))),
        Object::Tuple(affixes) => {
            for affix in affixes.iter() {
                machine.step()?;
                let Object::Str(affix) = affix else { return Err(must_be_text(affix)) };
                if has(affix) {
                    return Ok(Object::Bool(true));
                }
            }
            Ok(Object::Bool(false))
        }
        other => Err(type_error(format!(
            "{} first arg must be str or a tuple of str, not {}",
            method.name(),
            other.type_name()
        ))),
    }
}

fn find(
    machine: &mut Machine,
    text: &str,
    method: Method,
    wanted: &str,
    start: Option<&Object>,
    stop: Option<&Object>,
) -> Outcome<Object> {
    machine.steps(text.len() / 16)?;
    let part = part(text, start, stop)?;
    if method == Method::Count {
        let count =
            part.map_or(
                0,
                |(part, _)| {
                    if wanted.is_empty() { length(part) + 1 } else { part.matches(wanted).count() }
                },
            );
        return Ok(Object::length(count));
    }
    let is_last = matches!(method, Method::Rfind | Method::Rindex);
    let found = part.and_then(|(part, offset)| {
        let byte = if is_last { part.rfind(wanted) } else { part.find(wanted) };
        byte.map(|byte| offset + length(part.get(..byte).unwrap_or_default()))
    });
    match found {
        Some(place) => Ok(Object::length(place)),
        None if matches!(method, Method::Index | Method::Rindex) => Err(value_error("substring not found")),
        None => Ok(Object::Int(-1)),
    }
}

fn replace(
    machine: &mut Machine,
    text: &str,
    old: &Object,
    new: &Object,
    count: Option<Object>,
) -> Outcome<Object> {
    let Object::Str(old) = old else { return Err(must_be_text(old)) };
    let Object::Str(new) = new else { return Err(must_be_text(new)) };
    let most = count.map_or(Ok(-1), |count| count.as_index().ok_or_else(|| not_an_integer(&count)))?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let found = if old.is_empty() { length(text) + 1 } else { text.matches(&**old).count() };
    machine.steps(text.len() / 16)?;
    machine.take(text.len().saturating_add(found.min(most).saturating_mul(new.len())))?;
    if most == 0 {
        return Ok(Object::str(text));
    }
    Ok(Object::str(text.replacen(&**old, new, most)))
}

fn partition(text: &str, separator: &str, is_last: bool) -> Outcome<Object> {
    if separator.is_empty() {
        return Err(value_error("empty separator"));
    }
    let found = if is_last { text.rsplit_once(separator) } else { text.split_once(separator) };
    let parts = match found {
        Some((before, after)) => [before, separator, after],
        None if is_last => ["", "", text],
        None => [text, "", ""],
    };
    Ok(Object::tuple(parts.into_iter().map(Object::str).collect()))
}

fn pad(
    machine: &mut Machine,
    text: &Arc<str>,
    method: Method,
    width: &Object,
    fill: Option<Object>,
) -> Outcome<Object> {
    let width = width.as_index().ok_or_else(|| not_an_integer(width))?;
    let missing = usize::try_from(width).unwrap_or(0).saturating_sub(length(text));
    if method == Method::Zfill {
        if fill.is_some() {
            return Err(type_error("str.zfill() takes exactly one argument (2 given)"));
        }
        machine.take(missing)?;
        let (sign, digits) = match text.chars().next() {
            Some(sign @ ('+' | '-')) => (sign.to_string(), text.get(1..).unwrap_or_default()),
            _ => (String::new(), &**text),
        };
        return Ok(Object::str(format!("{sign}{}{digits}", "0".repeat(missing))));
    }
    let fill = match fill {
        None => ' ',
        Some(Object::Str(fill)) if length(&fill) == 1 => fill.chars().next().unwrap_or(' '),
        Some(_) => return Err(type_error("The fill character must be exactly one character long")),
    };
    machine.take(missing.saturating_mul(fill.len_utf8()))?;
    if missing == 0 {
        return Ok(Object::Str(Arc::clone(text)));
    }
    let before = match method {
        Method::Ljust => 0,
        Method::Rjust => missing,
        // Of an odd number CPython puts the larger part where the width says.
        _ => missing / 2 + (missing & usize::try_from(width).unwrap_or(0) & 1),
    };
    let pad = |count: usize| fill.to_string().repeat(count);
    Ok(Object::str(format!("{}{text}{}", pad(before), pad(missing - before))))
}

/// The lines, by all of the ends that Python knows.
fn lines(text: &str, is_kept: bool) -> Vec<String> {
    let is_end = |character: char| {
        matches!(
            character,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some(end) = rest.find(is_end) else {
            lines.push(rest.to_owned());
            break;
        };
        let (line, after) = rest.split_at(end);
        let width =
            if after.starts_with("\r\n") { 2 } else { after.chars().next().map_or(1, char::len_utf8) };
        lines.push(rest.get(..if is_kept { end + width } else { end }).unwrap_or(line).to_owned());
        rest = after.get(width..).unwrap_or_default();
    }
    lines
}

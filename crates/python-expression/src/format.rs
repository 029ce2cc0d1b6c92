//! `format()`, f-strings and `str.format`: Python's format specifications.

mod method;
mod number;

use num_bigint::{BigInt, Sign};

use crate::error::{Outcome, value_error};
use crate::limits::Machine;
use crate::number as arithmetic;
use crate::value::{Object, text};

pub(crate) use method::format_method;
pub(crate) use number::{Exponent, fixed, general, scientific};

/// The largest width and precision.
const MAX_WIDTH: usize = 10_000;

/// `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spec {
    pub(crate) fill: Option<char>,
    pub(crate) align: Option<char>,
    pub(crate) sign: Option<char>,
    pub(crate) is_alternate: bool,
    pub(crate) is_zero_padded: bool,
    pub(crate) width: usize,
    pub(crate) grouping: Option<char>,
    pub(crate) precision: Option<usize>,
    pub(crate) kind: Option<char>,
}

impl Spec {
    fn parse(text: &str) -> Outcome<Self> {
        let invalid = || value_error(format!("Invalid format specifier '{text}'"));
        let mut spec = Self::default();
        let characters: Vec<char> = text.chars().collect();
        let at = |place: usize| characters.get(place).copied();
        let is_align = |character: Option<char>| matches!(character, Some('<' | '>' | '=' | '^'));
        let mut place = 0;
        if is_align(at(1)) {
            (spec.fill, spec.align) = (at(0), at(1));
            place = 2;
        } else if is_align(at(0)) {
            spec.align = at(0);
            place = 1;
        }
        if let Some(sign @ ('+' | '-' | ' ')) = at(place) {
            spec.sign = Some(sign);
            place += 1;
        }
        if at(place) == Some('#') {
            spec.is_alternate = true;
            place += 1;
        }
        if at(place) == Some('0') {
            spec.is_zero_padded = true;
            place += 1;
        }
        let number = |place: &mut usize| -> Outcome<Option<usize>> {
            let mut value: Option<usize> = None;
            while let Some(digit) = at(*place).and_then(|character| character.to_digit(10)) {
                let digit = usize::try_from(digit).unwrap_or(0);
                value = Some(value.unwrap_or(0).saturating_mul(10).saturating_add(digit));
                *place += 1;
            }
            if value.is_some_and(|value| value > MAX_WIDTH) {
                return Err(value_error(format!("a width or precision is {MAX_WIDTH} at most")));
            }
            Ok(value)
        };
        spec.width = number(&mut place)?.unwrap_or(0);
        if let Some(grouping @ (',' | '_')) = at(place) {
            spec.grouping = Some(grouping);
            place += 1;
        }
        if at(place) == Some('.') {
            place += 1;
            spec.precision =
                Some(number(&mut place)?.ok_or_else(|| value_error("Format specifier missing precision"))?);
        }
        spec.kind = at(place);
        if place + 1 < characters.len() {
            return Err(invalid());
        }
        if spec.is_zero_padded && spec.align.is_none() {
            spec.align = Some('=');
        }
        if spec.is_zero_padded && spec.fill.is_none() {
            spec.fill = Some('0');
        }
        Ok(spec)
    }

    /// `prefix` (a sign, `0x`) and `body`, filled up to the width.
    pub(crate) fn padded(
        &self,
        machine: &mut Machine,
        prefix: &str,
        body: &str,
        usual: char,
    ) -> Outcome<String> {
        let missing = self.width.saturating_sub(text::length(prefix) + text::length(body));
        let fill = self.fill.unwrap_or(' ');
        machine.take(prefix.len() + body.len() + missing * fill.len_utf8())?;
        let pad = |count: usize| fill.to_string().repeat(count);
        Ok(match self.align.unwrap_or(usual) {
            '<' => format!("{prefix}{body}{}", pad(missing)),
            '^' => format!("{}{prefix}{body}{}", pad(missing / 2), pad(missing - missing / 2)),
            '=' => format!("{prefix}{}{body}", pad(missing)),
            _ => format!("{}{prefix}{body}", pad(missing)),
        })
    }

    /// The sign of a number.
    pub(crate) const fn sign_of(&self, is_negative: bool) -> &'static str {
        match (is_negative, self.sign) {
            (true, _) => "-",
            (false, Some('+')) => "+",
            (false, Some(' ')) => " ",
            _ => "",
        }
    }
}

/// The object behind `!r` and so on.
pub(crate) fn converted(machine: &mut Machine, value: Object, conversion: Option<char>) -> Outcome<Object> {
    match conversion {
        None => Ok(value),
        Some('s') => text::str(machine, &value).map(Object::str),
        Some('a') => {
            let all = text::repr(machine, &value)?;
            Ok(Object::str(ascii(&all)))
        }
        Some(_) => text::repr(machine, &value).map(Object::str),
    }
}

/// With escapes for what is not ASCII.
pub(crate) fn ascii(all: &str) -> String {
    let escaped = |character: char| match u32::from(character) {
        code if code < 0x80 => character.to_string(),
        code if code < 0x100 => format!("\\x{code:02x}"),
        code if code < 0x1_0000 => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    all.chars().map(escaped).collect()
}

/// `format(value, spec)`.
pub(crate) fn format(machine: &mut Machine, value: &Object, spec: &str) -> Outcome<String> {
    if spec.is_empty() {
        return text::str(machine, value);
    }
    let unknown = |kind: char| {
        value_error(format!("Unknown format code '{kind}' for object of type '{}'", value.type_name()))
    };
    match value {
        Object::Str(all) => {
            let spec = Spec::parse(spec)?;
            if spec.kind.is_some_and(|kind| kind != 's') {
                return Err(unknown(spec.kind.unwrap_or('s')));
            }
            if spec.sign.is_some()
                || spec.is_alternate
                || spec.grouping.is_some()
                || spec.align == Some('=') && !spec.is_zero_padded
            {
                return Err(value_error("the format specifier is not allowed for texts"));
            }
            let spec = if spec.align == Some('=') { Spec { align: Some('<'), ..spec } } else { spec };
            let cut = spec.precision.map_or(&**all, |precision| model::pytext::crop(all, precision));
            spec.padded(machine, "", cut, '<')
        }
        Object::Float(number) => {
            let spec = Spec::parse(spec)?;
            number::float(machine, *number, &spec).ok_or_else(|| unknown(spec.kind.unwrap_or('g')))?
        }
        Object::Bool(_) | Object::Int(_) | Object::Big(_) => {
            let spec = Spec::parse(spec)?;
            if matches!(spec.kind, Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%')) {
                let number = arithmetic::to_float(value).unwrap_or(Ok(0.0))?;
                return number::float(machine, number, &spec).ok_or_else(|| unknown('f'))?;
            }
            if let (Object::Bool(truth), None) = (value, spec.kind) {
                // A specification without a type takes it for the integer that it is.
                return integer(machine, &BigInt::from(i32::from(*truth)), &spec);
            }
            if spec.kind.is_some_and(|kind| !"bcdnoxX".contains(kind)) {
                return Err(unknown(spec.kind.unwrap_or('d')));
            }
            integer(machine, &arithmetic::to_big(value).unwrap_or_default(), &spec)
        }
        other => Err(crate::error::type_error(format!(
            "unsupported format string passed to {}.__format__",
            other.type_name()
        ))),
    }
}

fn integer(machine: &mut Machine, number: &BigInt, spec: &Spec) -> Outcome<String> {
    if spec.precision.is_some() {
        return Err(value_error("Precision not allowed in integer format specifier"));
    }
    if spec.kind == Some('c') {
        let character = u32::try_from(number.clone()).ok().and_then(char::from_u32);
        let character = character.ok_or_else(|| value_error("%c arg is no character"))?;
        return spec.padded(machine, "", &character.to_string(), '<');
    }
    let magnitude = number.magnitude();
    let (digits, prefix, group) = match spec.kind {
        Some('b') => (magnitude.to_str_radix(2), "0b", 4),
        Some('o') => (magnitude.to_str_radix(8), "0o", 4),
        Some('x') => (magnitude.to_str_radix(16), "0x", 4),
        Some('X') => (magnitude.to_str_radix(16).to_uppercase(), "0X", 4),
        _ => (text::decimal(number)?.trim_start_matches('-').to_owned(), "", 3),
    };
    if spec.grouping == Some(',') && group == 4 {
        return Err(value_error("Cannot specify ',' with this format code"));
    }
    let sign = spec.sign_of(number.sign() == Sign::Minus);
    let prefix = format!("{sign}{}", if spec.is_alternate { prefix } else { "" });
    let digits = spec.grouped(&digits, "", group, prefix.len());
    spec.padded(machine, &prefix, &digits, '>')
}

impl Spec {
    /// The digits before the point with separators, and `rest` behind them. Zeros that fill up are grouped, too.
    pub(crate) fn grouped(&self, digits: &str, rest: &str, group: usize, taken: usize) -> String {
        let Some(separator) = self.grouping else { return format!("{digits}{rest}") };
        let with_separators = |digits: &str| -> String {
            let mut all = String::new();
            for (place, digit) in digits.chars().enumerate() {
                if place > 0 && (digits.len() - place).is_multiple_of(group) {
                    all.push(separator);
                }
                all.push(digit);
            }
            all
        };
        let mut digits = digits.to_owned();
        let mut all = with_separators(&digits);
        let is_filled = self.align == Some('=') && self.fill == Some('0');
        while is_filled && all.len() + rest.len() + taken < self.width {
            digits.insert(0, '0');
            all = with_separators(&digits);
        }
        all + rest
    }
}

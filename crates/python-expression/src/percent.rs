//! `text % arguments`.

use crate::error::Exception;
use crate::error::{Outcome, raise, type_error, value_error};
use crate::format::{Exponent, Spec, ascii, fixed, general, scientific};
use crate::limits::Machine;
use crate::number;
use crate::value::{Object, text};

/// The largest width and precision.
const MAX_WIDTH: usize = 10_000;

/// Where values come from.
struct Values<'a> {
    all: &'a Object,
    next: usize,
    is_mapping_used: bool,
}

impl Values<'_> {
    fn next(&mut self) -> Outcome<Object> {
        self.next += 1;
        let found = match self.all {
            Object::Tuple(items) => items.get(self.next - 1).cloned(),
            other if self.next == 1 => Some(other.clone()),
            _ => None,
        };
        found.ok_or_else(|| type_error("not enough arguments for format string"))
    }

    /// Python takes it ill when a value is left over.
    fn end(&self) -> Outcome<()> {
        let is_left = match self.all {
            Object::Tuple(items) => self.next < items.len(),
            // A mapping, or a list, need not be used.
            Object::Dict(_) | Object::List(_) | Object::Range(_) => false,
            _ => self.next == 0 && !self.is_mapping_used,
        };
        if is_left { Err(type_error("not all arguments converted during string formatting")) } else { Ok(()) }
    }
}

/// `format % arguments`.
pub(crate) fn format(machine: &mut Machine, format: &str, arguments: &Object) -> Outcome<String> {
    let mut values = Values { all: arguments, next: 0, is_mapping_used: false };
    let mut all = String::new();
    let mut characters = format.chars().peekable();
    while let Some(character) = characters.next() {
        machine.step()?;
        if character != '%' {
            machine.take(character.len_utf8())?;
            all.push(character);
            continue;
        }
        let mut spec = Spec { align: Some('>'), ..Spec::default() };
        let mut own = None;
        if characters.next_if_eq(&'(').is_some() {
            own = Some(mapped(arguments, &mut characters)?);
            values.is_mapping_used = true;
        }
        let mut is_zero = false;
        while let Some(flag) = characters.next_if(|flag| "-+ #0".contains(*flag)) {
            match flag {
                '-' => spec.align = Some('<'),
                '+' => spec.sign = Some('+'),
                ' ' => spec.sign = spec.sign.or(Some(' ')),
                '#' => spec.is_alternate = true,
                _ => is_zero = true,
            }
        }
        let width = size(&mut characters, &mut values)?;
        if let Some(width) = width {
            if width < 0 {
                spec.align = Some('<');
            }
            spec.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
        }
        if characters.next_if_eq(&'.').is_some() {
            let precision = size(&mut characters, &mut values)?.unwrap_or(0);
            spec.precision = Some(usize::try_from(precision).unwrap_or(0));
        }
        if spec.width > MAX_WIDTH || spec.precision.is_some_and(|precision| precision > MAX_WIDTH) {
            return Err(value_error(format!("a width or precision is {MAX_WIDTH} at most")));
        }
        while characters.next_if(|letter| "hlL".contains(*letter)).is_some() {}
        let Some(kind) = characters.next() else { return Err(value_error("incomplete format")) };
        if kind == '%' {
            all.push('%');
            continue;
        }
        let value = own.map_or_else(|| values.next(), Ok)?;
        all.push_str(&field(machine, spec, kind, is_zero, &value)?);
    }
    values.end()?;
    Ok(all)
}

fn mapped(arguments: &Object, characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Outcome<Object> {
    let Object::Dict(dict) = arguments else { return Err(type_error("format requires a mapping")) };
    let mut name = String::new();
    let mut open = 1;
    for character in characters.by_ref() {
        match character {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        if open == 0 {
            let found = dict.get(&Object::str(name.as_str()))?.cloned();
            return found.ok_or_else(|| raise(Exception::Key, format!("'{name}'")));
        }
        name.push(character);
    }
    Err(value_error("incomplete format key"))
}

fn size(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    values: &mut Values<'_>,
) -> Outcome<Option<i64>> {
    if characters.next_if_eq(&'*').is_some() {
        return match values.next()? {
            Object::Int(number) => Ok(Some(number)),
            _ => Err(type_error("* wants int")),
        };
    }
    let mut number: Option<i64> = None;
    while let Some(digit) = characters.next_if(char::is_ascii_digit).and_then(|digit| digit.to_digit(10)) {
        number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(i64::from(digit)));
    }
    Ok(number)
}

fn field(
    machine: &mut Machine,
    mut spec: Spec,
    kind: char,
    is_zero: bool,
    value: &Object,
) -> Outcome<String> {
    let all = match kind {
        's' => text::str(machine, value)?,
        'r' => text::repr(machine, value)?,
        'a' => ascii(&text::repr(machine, value)?),
        'c' => match (value, value.as_index()) {
            (Object::Str(all), _) if text::length(all) == 1 => all.to_string(),
            (_, Some(number)) => {
                let character = u32::try_from(number).ok().and_then(char::from_u32);
                character.ok_or_else(|| raise(Exception::Overflow, "%c arg is no character"))?.to_string()
            }
            _ => return Err(type_error("%c requires int or char")),
        },
        'd' | 'i' | 'u' | 'o' | 'x' | 'X' => return integer(machine, spec, kind, is_zero, value),
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let Some(number) = number::to_float(value) else {
                return Err(type_error(format!("must be real number, not {}", value.type_name())));
            };
            return float(machine, spec, kind, is_zero, number?);
        }
        other => {
            return Err(value_error(format!("unsupported format character '{other}'")));
        }
    };
    let cut = match spec.precision {
        Some(precision) if kind != 'c' => model::pytext::crop(&all, precision).to_owned(),
        _ => all,
    };
    spec.sign = None;
    spec.padded(machine, "", &cut, '>')
}

/// Zeros go between sign and digits, unless the text stands on the left.
fn zero_filled(spec: &mut Spec, is_zero: bool) {
    if is_zero && spec.align != Some('<') {
        (spec.fill, spec.align) = (Some('0'), Some('='));
    }
}

fn integer(
    machine: &mut Machine,
    mut spec: Spec,
    kind: char,
    is_zero: bool,
    value: &Object,
) -> Outcome<String> {
    let whole = match value {
        Object::Float(number) if matches!(kind, 'd' | 'i' | 'u') => number::truncated(*number)?,
        Object::Bool(_) | Object::Int(_) | Object::Big(_) => value.clone(),
        other => {
            let wanted = if matches!(kind, 'd' | 'i' | 'u') { "a real number" } else { "an integer" };
            return Err(type_error(format!(
                "%{kind} format: {wanted} is required, not {}",
                other.type_name()
            )));
        }
    };
    let number = number::to_big(&whole).unwrap_or_default();
    let (radix, prefix) = match kind {
        'o' => (8, "0o"),
        'x' => (16, "0x"),
        'X' => (16, "0X"),
        _ => (10, ""),
    };
    let is_negative = number.sign() == num_bigint::Sign::Minus;
    let mut digits = if radix == 10 {
        text::decimal(&number)?.trim_start_matches('-').to_owned()
    } else {
        number.magnitude().to_str_radix(radix)
    };
    if kind == 'X' {
        digits = digits.to_uppercase();
    }
    if let Some(precision) = spec.precision {
        let missing = precision.saturating_sub(digits.len());
        digits = format!("{}{digits}", "0".repeat(missing));
    }
    zero_filled(&mut spec, is_zero);
    let prefix = format!("{}{}", spec.sign_of(is_negative), if spec.is_alternate { prefix } else { "" });
    spec.padded(machine, &prefix, &digits, '>')
}

fn float(machine: &mut Machine, mut spec: Spec, kind: char, is_zero: bool, number: f64) -> Outcome<String> {
    let precision = spec.precision.unwrap_or(6);
    let exponent = if kind.is_ascii_uppercase() { Exponent::Upper } else { Exponent::Lower };
    let positive = number.abs();
    let digits = if number.is_nan() || number.is_infinite() {
        let text = if number.is_nan() { "nan" } else { "inf" };
        if exponent == Exponent::Upper { text.to_uppercase() } else { text.to_owned() }
    } else {
        match kind {
            'e' | 'E' => scientific(positive, precision, spec.is_alternate, exponent),
            'f' | 'F' => fixed(positive, precision, spec.is_alternate),
            _ => general(positive, precision, spec.is_alternate, false, exponent),
        }
    };
    zero_filled(&mut spec, is_zero);
    let is_negative = number.is_sign_negative() && !number.is_nan();
    let sign = spec.sign_of(is_negative);
    spec.padded(machine, sign, &digits, '>')
}

//! The line protocol: `measurement,tag=value field=1,other=2i 1465839830100400200`.

use std::collections::BTreeMap;

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) measurement: String,
    pub(super) tags: BTreeMap<String, String>,
    /// Those that are numbers.
    pub(super) fields: Vec<(String, f64)>,
    /// Nanoseconds since 1970.
    pub(super) timestamp: Option<i64>,
}

/// Reads a line; `None` where it is none.
pub(super) fn parse(line: &str) -> Option<Point> {
    let mut reader = Reader { rest: line.trim() };
    let measurement = reader.name(&[',', ' '])?;
    let mut tags = BTreeMap::new();
    while reader.eat(',') {
        let key = reader.name(&['='])?;
        reader.eat('=').then_some(())?;
        tags.insert(key, reader.name(&[',', ' '])?);
    }
    reader.blanks()?;
    let mut fields = Vec::new();
    loop {
        let key = reader.name(&['='])?;
        reader.eat('=').then_some(())?;
        if let Field::Number(value) = reader.value()? {
            fields.push((key, value));
        }
        if !reader.eat(',') {
            break;
        }
    }
    let rest = reader.rest.trim();
    let timestamp = if rest.is_empty() { None } else { Some(rest.parse().ok().filter(|time| *time >= 0)?) };
    Some(Point { measurement, tags, fields, timestamp })
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn eat(&mut self, sign: char) -> bool {
        let tail = self.rest.strip_prefix(sign);
        if let Some(tail) = tail {
            self.rest = tail;
        }
        tail.is_some()
    }

    fn blanks(&mut self) -> Option<()> {
        let tail = self.rest.trim_start_matches(' ');
        let some = tail.len() < self.rest.len();
        self.rest = tail;
        some.then_some(())
    }

    /// A name up to one of these signs, in quotes or with escapes.
    fn name(&mut self, ends: &[char]) -> Option<String> {
        if self.eat('"') {
            return self.quoted();
        }
        let mut name = String::new();
        let mut characters = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((place, character)) = characters.next() {
            if ends.contains(&character) {
                end = place;
                break;
            }
            if character == '\\' {
                let (_, next) = characters.next()?;
                if !matches!(next, ' ' | ',' | '=') {
                    name.push('\\');
                }
                name.push(next);
            } else if character == ' ' {
                return None;
            } else {
                name.push(character);
            }
        }
        self.rest = self.rest.get(end..)?;
        (!name.is_empty()).then_some(name)
    }

    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        loop {
            match characters.next()? {
                (place, '"') => {
                    self.rest = self.rest.get(place + 1..)?;
                    return Some(text);
                }
                (_, '\\') => text.push(characters.next()?.1),
                (_, other) => text.push(other),
            }
        }
    }

    fn value(&mut self) -> Option<Field> {
        if self.eat('"') {
            return self.quoted().map(|_| Field::Other);
        }
        let end = self.rest.find([',', ' ']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if ["t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"].contains(&word) {
            return Some(Field::Other);
        }
        let digits = word.strip_suffix('i').filter(|digits| digits.parse::<i64>().is_ok()).unwrap_or(word);
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        digits.parse().ok().filter(|_| is_number).map(Field::Number)
    }
}

/// The value of a field.
enum Field {
    Number(f64),
    /// A text or a truth, which no measure is.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let point =
            parse(r#"my\ cpu,host=a\,b,"x"=y v=1i,w=-2.5e1,t=true,s="a b" 1465839830100400200"#).unwrap();
        assert_eq!(point.measurement, "my cpu");
        let tags = [("host", "a,b"), ("x", "y")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(point.tags, BTreeMap::from(tags));
        assert_eq!(point.fields, [("v".to_owned(), 1.0), ("w".to_owned(), -25.0)]);
        assert_eq!(point.timestamp, Some(1_465_839_830_100_400_200));
        assert_eq!(parse("cpu v=1").unwrap().timestamp, None);
        for wrong in ["", "cpu", "cpu,host=a", "cpu v=", "cpu v=x", "cpu v=1 x", "cpu,=a v=1", "cpu v=1 -5"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}

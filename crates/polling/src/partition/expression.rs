//! `group_id_coordination_expression`: the part of Python that groups are named with.
//!
//! Ceilometer gives the text to `eval` inside of the agent. Here it may have texts, whole numbers, options
//! (`self.conf.host`, `self.conf.polling.cfg_file`; always texts), the source's name (`p.name`), `socket.gethostname()`, `str(…)`, `+`,
//! places and ranges (`[0]`, `[-1]`, `[1:3]`), and `.split(…)`, `.lower()`, `.upper()`, `.strip()`, `.replace(…)`.

/// What an expression can ask for.
pub trait Surroundings {
    /// The text of an option, in the group `DEFAULT` if none is named.
    fn option(&self, group: &str, name: &str) -> Option<String>;
    /// The name of this machine.
    fn host_name(&self) -> String;
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}, at {rest:?}")]
pub struct ExpressionError {
    /// What is wrong.
    problem: String,
    /// What was left to read.
    rest: String,
}

/// How deep expressions may be nested.
const MAX_DEPTH: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Number(i64),
    List(Vec<String>),
}

/// The text of an expression's value.
pub(super) fn evaluate(
    text: &str,
    source: &str,
    surroundings: &dyn Surroundings,
) -> Result<String, ExpressionError> {
    let mut reader = Reader { rest: text.trim(), source, surroundings, depth: 0 };
    let value = reader.sum()?;
    if !reader.rest.is_empty() {
        return Err(reader.wrong("this is not understood"));
    }
    match value {
        Value::Text(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::List(_) => Err(reader.wrong("the value is a list: take a place of it, such as [0]")),
    }
}

struct Reader<'e> {
    rest: &'e str,
    source: &'e str,
    surroundings: &'e dyn Surroundings,
    depth: usize,
}

type Read<T> = Result<T, ExpressionError>;

impl<'e> Reader<'e> {
    fn wrong(&self, problem: impl Into<String>) -> ExpressionError {
        ExpressionError { problem: problem.into(), rest: self.rest.chars().take(40).collect() }
    }

    /// Whether `token` comes next; it is read then.
    fn takes(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn needs(&mut self, token: &str) -> Read<()> {
        if self.takes(token) { Ok(()) } else { Err(self.wrong(format!("{token} is missing"))) }
    }

    fn sum(&mut self) -> Read<Value> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong("this is nested too deeply"));
        }
        let mut value = self.with_trailers()?;
        while self.takes("+") {
            let more = self.with_trailers()?;
            value = match (value, more) {
                (Value::Text(one), Value::Text(other)) => Value::Text(one + &other),
                (Value::Number(one), Value::Number(other)) => Value::Number(one.saturating_add(other)),
                _ => {
                    return Err(
                        self.wrong("+ joins two texts or two numbers; make a text of a number by str()")
                    );
                }
            };
        }
        self.depth -= 1;
        Ok(value)
    }

    fn with_trailers(&mut self) -> Read<Value> {
        let mut value = self.atom()?;
        loop {
            if self.takes("[") {
                value = self.place(value)?;
            } else if self.takes(".") {
                value = self.method(value)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn atom(&mut self) -> Read<Value> {
        if let Some(quote) = self.rest.chars().next().filter(|first| matches!(first, '\'' | '"')) {
            return self.quoted(quote).map(Value::Text);
        }
        if self.rest.starts_with(|first: char| first.is_ascii_digit()) {
            return self.number().map(Value::Number);
        }
        if self.takes("(") {
            let value = self.sum()?;
            self.needs(")")?;
            return Ok(value);
        }
        let name = self.name()?;
        match name {
            "str" => {
                self.needs("(")?;
                let value = self.sum()?;
                self.needs(")")?;
                match value {
                    Value::Number(number) => Ok(Value::Text(number.to_string())),
                    Value::Text(text) => Ok(Value::Text(text)),
                    Value::List(_) => Err(self.wrong("str() of a list")),
                }
            }
            "p" => {
                self.needs(".")?;
                match self.name()? {
                    "name" => Ok(Value::Text(self.source.to_owned())),
                    other => Err(self.wrong(format!("p.{other} cannot be asked for"))),
                }
            }
            "socket" => {
                self.needs(".")?;
                match self.name()? {
                    "gethostname" => {
                        self.needs("(")?;
                        self.needs(")")?;
                        Ok(Value::Text(self.surroundings.host_name()))
                    }
                    other => Err(self.wrong(format!("socket.{other} cannot be asked for"))),
                }
            }
            "self" => self.option(),
            other => Err(self.wrong(format!("{other} cannot be asked for"))),
        }
    }

    /// `.conf.option`, or `.conf.group.option`.
    fn option(&mut self) -> Read<Value> {
        self.needs(".")?;
        if self.name()? != "conf" {
            return Err(self.wrong("of self there is self.conf"));
        }
        self.needs(".")?;
        let first = self.name()?;
        if let Some(text) = self.surroundings.option("DEFAULT", first) {
            return Ok(Value::Text(text));
        }
        if !self.takes(".") {
            return Err(self.wrong(format!("there is no option {first}, or it has no value")));
        }
        let second = self.name()?;
        let text = self.surroundings.option(first, second);
        text.map(Value::Text)
            .ok_or_else(|| self.wrong(format!("there is no option {first}.{second}, or it has no value")))
    }

    fn method(&mut self, value: Value) -> Read<Value> {
        let name = self.name()?;
        let Value::Text(text) = value else { return Err(self.wrong(format!(".{name}() needs a text"))) };
        self.needs("(")?;
        let mut arguments = Vec::new();
        while !self.takes(")") {
            match self.sum()? {
                Value::Text(argument) => arguments.push(argument),
                _ => return Err(self.wrong(format!(".{name}() takes texts"))),
            }
            if !self.takes(",") && !self.rest.starts_with(')') {
                return Err(self.wrong(") is missing"));
            }
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match (name, arguments.as_slice()) {
            ("lower", []) => Ok(Value::Text(text.to_lowercase())),
            ("upper", []) => Ok(Value::Text(text.to_uppercase())),
            ("strip", []) => Ok(Value::Text(text.trim().to_owned())),
            ("replace", [old, new]) => Ok(Value::Text(text.replace(old, new))),
            ("split", []) => Ok(Value::List(text.split_whitespace().map(str::to_owned).collect())),
            ("split", [by]) if !by.is_empty() => Ok(Value::List(text.split(by).map(str::to_owned).collect())),
            _ => Err(self.wrong(format!(".{name}() cannot be used with {} texts", arguments.len()))),
        }
    }

    /// What stands between brackets: a place, or a range of a text.
    fn place(&mut self, value: Value) -> Read<Value> {
        let (length, characters) = match &value {
            Value::Text(text) => {
                let characters: Vec<char> = text.chars().collect();
                (characters.len(), characters)
            }
            Value::List(list) => (list.len(), Vec::new()),
            Value::Number(_) => return Err(self.wrong("a number has no places")),
        };
        let start = self.signed()?;
        if self.takes(":") {
            let end = self.signed()?;
            self.needs("]")?;
            if matches!(value, Value::List(_)) {
                return Err(self.wrong("of a list one place can be taken, such as [0]"));
            }
            let bound =
                |given: Option<i64>, default: usize| given.map_or(default, |given| clamped(given, length));
            let (start, end) = (bound(start, 0), bound(end, length));
            let part = characters.get(start..end.max(start)).unwrap_or_default();
            return Ok(Value::Text(part.iter().collect()));
        }
        self.needs("]")?;
        let Some(given) = start else { return Err(self.wrong("a place is missing between [ and ]")) };
        let at =
            if given < 0 { given.saturating_add(i64::try_from(length).unwrap_or(i64::MAX)) } else { given };
        let found = usize::try_from(at).ok().and_then(|at| match value {
            Value::List(list) => list.get(at).cloned(),
            _ => characters.get(at).map(char::to_string),
        });
        found.map(Value::Text).ok_or_else(|| self.wrong(format!("there is no place {given} among {length}")))
    }

    fn signed(&mut self) -> Read<Option<i64>> {
        let is_negative = self.takes("-");
        if !is_negative && !self.rest.starts_with(|first: char| first.is_ascii_digit()) {
            return Ok(None);
        }
        let number = self.number()?;
        Ok(Some(if is_negative { -number } else { number }))
    }

    fn number(&mut self) -> Read<i64> {
        let end = self.rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        let number = digits.parse().map_err(|_| self.wrong("this is no whole number"))?;
        self.rest = rest.trim_start();
        Ok(number)
    }

    fn name(&mut self) -> Read<&'e str> {
        let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let end = self.rest.find(|character| !is_part(character)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(self.wrong("a name or a text in quotes is missing"));
        }
        self.rest = rest.trim_start();
        Ok(name)
    }

    fn quoted(&mut self, quote: char) -> Read<String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            if character == quote {
                self.rest = self.rest.get(at + 1..).unwrap_or_default().trim_start();
                return Ok(text);
            }
            if character != '\\' {
                text.push(character);
                continue;
            }
            match characters.next() {
                Some((_, escaped @ ('\\' | '\'' | '"'))) => text.push(escaped),
                _ => return Err(self.wrong("of escapes there are \\\\, \\' and \\\"")),
            }
        }
        Err(self.wrong("the text in quotes has no end"))
    }
}

fn clamped(given: i64, length: usize) -> usize {
    let at = if given < 0 { given.saturating_add(i64::try_from(length).unwrap_or(i64::MAX)) } else { given };
    usize::try_from(at.max(0)).unwrap_or(usize::MAX).min(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Here;

    impl Surroundings for Here {
        fn option(&self, group: &str, name: &str) -> Option<String> {
            match (group, name) {
                ("DEFAULT", "host") => Some("rack7-node12.example.org".to_owned()),
                ("polling", "batch_size") => Some("50".to_owned()),
                _ => None,
            }
        }

        fn host_name(&self) -> String {
            "machine".to_owned()
        }
    }

    /// The expectations are Python's.
    #[test]
    fn expressions_have_pythons_values() {
        for (expression, expected) in [
            ("'all'", "all"),
            (r#" "it's \"one\"" "#, "it's \"one\""),
            ("self.conf.host", "rack7-node12.example.org"),
            ("self.conf.host.split('.')[0]", "rack7-node12"),
            ("self.conf.host.split('-')[0] + '-' + str(self.conf.polling.batch_size)", "rack7-50"),
            ("self.conf.host.split('.')[-1].upper()", "ORG"),
            ("self.conf.host[0:5]", "rack7"),
            ("self.conf.host[-3:]", "org"),
            ("self.conf.host[:-4].replace('rack', 'r')", "r7-node12.example"),
            ("('a' + 'b')[1]", "b"),
            ("p.name + '-x'", "source-x"),
            ("socket.gethostname()", "machine"),
            ("1 + 2", "3"),
            ("' a  b '.split()[1]", "b"),
            ("'abc'[5:9]", ""),
        ] {
            assert_eq!(evaluate(expression, "source", &Here).as_deref(), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for expression in [
            "",
            "'",
            "os.system('true')",
            "__import__('os')",
            "self.conf.nothing",
            "self.conf.polling.nothing",
            "self.manager",
            "'a' + 1",
            "'a'.split('.')",
            "'a'[7]",
            "'a'.format()",
            "'a' 'b'",
            "lambda: 1",
            "'\\x41'",
            "'a'.split('')",
            "'a,b'.split(',' 'x')",
        ] {
            assert!(evaluate(expression, "source", &Here).is_err(), "{expression}");
        }
        assert!(evaluate(&"(".repeat(100_000), "s", &Here).is_err());
        let error = evaluate("os.uname()", "s", &Here).unwrap_err().to_string();
        assert_eq!(error, "os cannot be asked for, at \".uname()\"");
    }
}

//! From texts and lists to [`Check`]s.

use crate::check::Check;
use crate::literal::{self, Kind};
use crate::template::Template;

/// Brackets and `not`s in each other, at most.
const DEPTH_MAX: usize = 100;
const HTTP: &str =
    "a policy server cannot be asked (http: and https: checks are not supported); write the rule itself";

/// Reads a rule of the policy language.
///
/// # Errors
/// What is wrong, and at which character.
pub(crate) fn text(rule: &str) -> Result<Check, String> {
    if rule.is_empty() {
        return Ok(Check::True);
    }
    let mut reader = Reader { tokens: tokens(rule)?, place: 0, end: rule.chars().count() + 1 };
    let check = reader.either(0)?;
    match reader.peek() {
        None => Ok(check),
        Some(Token::Close) => Err(reader.wrong("there is no bracket that this one closes")),
        Some(_) => Err(reader.wrong("\"and\" or \"or\" is missing before this")),
    }
}

/// Reads the older form: a list of alternatives, each of which is a check or a list of checks that must all hold.
///
/// # Errors
/// What is wrong.
pub(crate) fn list(alternatives: &[Vec<&str>]) -> Result<Check, String> {
    if alternatives.is_empty() {
        return Ok(Check::True);
    }
    let mut checks = Vec::new();
    for alternative in alternatives.iter().filter(|alternative| !alternative.is_empty()) {
        let mut parts = alternative.iter().map(|part| check(part)).collect::<Result<Vec<_>, _>>()?;
        checks.push(if parts.len() == 1 { parts.remove(0) } else { Check::And(parts) });
    }
    Ok(match checks.len() {
        0 => Check::False,
        1 => checks.remove(0),
        _ => Check::Or(checks),
    })
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Check(Check),
}

/// Tokens with the characters where they begin, from 1. Brackets count only at a word's ends, since `%(name)s` has some too.
fn tokens(rule: &str) -> Result<Vec<(usize, Token)>, String> {
    let mut tokens = Vec::new();
    let mut start = 1;
    // One split for each character that is a blank, so that places can be counted.
    for word in rule.split(char::is_whitespace) {
        let length = word.chars().count();
        let inner = word.trim_start_matches('(');
        let mut place = start;
        for _ in 0..word.len() - inner.len() {
            tokens.push((place, Token::Open));
            place += 1;
        }
        let plain = inner.trim_end_matches(')');
        if !plain.is_empty() {
            tokens.push((place, token(plain, inner).map_err(|problem| at(place, &problem))?));
        }
        place += plain.chars().count();
        for _ in 0..inner.len() - plain.len() {
            tokens.push((place, Token::Close));
            place += 1;
        }
        start += length + 1;
    }
    Ok(tokens)
}

fn token(plain: &str, with_brackets: &str) -> Result<Token, String> {
    match plain.to_lowercase().as_str() {
        "and" => Ok(Token::And),
        "or" => Ok(Token::Or),
        "not" => Ok(Token::Not),
        _ => {
            let is_quoted = |quote| {
                with_brackets.len() >= 2 && with_brackets.starts_with(quote) && with_brackets.ends_with(quote)
            };
            if is_quoted('\'') || is_quoted('"') {
                return Err(format!(
                    "{plain} is a text and no check; write for example 'member':%(role.name)s"
                ));
            }
            check(plain).map(Token::Check)
        }
    }
}

fn check(text: &str) -> Result<Check, String> {
    match text {
        "@" => return Ok(Check::True),
        "!" => return Ok(Check::False),
        _ => {}
    }
    let Some((kind, matched)) = text.split_once(':') else {
        return Err(format!(
            "\"{text}\" is no check; write for example role:admin, rule:NAME, project_id:%(project_id)s, @ or !"
        ));
    };
    match kind {
        "rule" => return Ok(Check::Rule(matched.to_owned())),
        "http" | "https" => return Err(HTTP.to_owned()),
        _ => {}
    }
    let template = Template::parse(matched)?;
    if kind == "role" {
        return Ok(Check::Role(template));
    }
    match literal::kind(kind) {
        Some(Kind::Literal(literal)) => Ok(Check::Literal(literal, template)),
        Some(Kind::Attribute(path)) => Ok(Check::Attribute(path, template)),
        None => Err(format!(
            "\"{kind}\" is neither the name of an attribute nor a literal, such as 'member', True or 1"
        )),
    }
}

fn at(place: usize, problem: &str) -> String {
    format!("at character {place} of the rule: {problem}")
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    place: usize,
    end: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.place).map(|(_, token)| token)
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.place += usize::from(is_there);
        is_there
    }

    fn wrong(&self, problem: &str) -> String {
        at(self.tokens.get(self.place).map_or(self.end, |(place, _)| *place), problem)
    }

    fn either(&mut self, depth: usize) -> Result<Check, String> {
        let mut checks = vec![self.all(depth)?];
        while self.take(&Token::Or) {
            checks.push(self.all(depth)?);
        }
        Ok(if checks.len() == 1 { checks.remove(0) } else { Check::Or(checks) })
    }

    fn all(&mut self, depth: usize) -> Result<Check, String> {
        let mut checks = vec![self.one(depth)?];
        while self.take(&Token::And) {
            checks.push(self.one(depth)?);
        }
        Ok(if checks.len() == 1 { checks.remove(0) } else { Check::And(checks) })
    }

    fn one(&mut self, depth: usize) -> Result<Check, String> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("too many brackets and \"not\"s in each other"));
        }
        if self.take(&Token::Not) {
            return Ok(Check::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take(&Token::Open) {
            let check = self.either(depth + 1)?;
            if !self.take(&Token::Close) {
                return Err(self.wrong("a closing bracket is missing"));
            }
            return Ok(check);
        }
        match self.peek() {
            Some(Token::Check(check)) => {
                let check = check.clone();
                self.place += 1;
                Ok(check)
            }
            _ => Err(self.wrong("a check is missing")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_have_places() {
        for (rule, problem) in [
            ("role:a and", "at character 11 of the rule: a check is missing"),
            ("role:a role:b", "at character 8 of the rule: \"and\" or \"or\" is missing before this"),
            ("(role:a", "at character 8 of the rule: a closing bracket is missing"),
            ("role:a )", "at character 8 of the rule: there is no bracket that this one closes"),
            ("role:a or admin", "at character 11 of the rule: \"admin\" is no check"),
            ("role:%(a)d", "at character 1 of the rule: \"%(a)d\" is no place for an attribute"),
            ("'a'", "at character 1 of the rule: 'a' is a text"),
            ("not http://h/p", "at character 5 of the rule: a policy server cannot be asked"),
            (" ", "at character 2 of the rule: a check is missing"),
        ] {
            let error = text(rule).unwrap_err();
            assert!(error.starts_with(problem), "{rule}: {error}");
        }
    }

    #[test]
    fn and_binds_closer_than_or() {
        let role = |name: &str| Check::Role(Template::parse(name).unwrap());
        let read = text("role:a OR role:b and not (role:c or @)").unwrap();
        let inner = Check::Not(Box::new(Check::Or(vec![role("c"), Check::True])));
        assert_eq!(read, Check::Or(vec![role("a"), Check::And(vec![role("b"), inner])]));
        assert!(text(&"(".repeat(100_000)).is_err());
        assert!(text(&"not ".repeat(100_000)).is_err());
    }

    #[test]
    fn lists() {
        assert_eq!(list(&[]), Ok(Check::True));
        assert_eq!(list(&[vec![]]), Ok(Check::False));
        assert_eq!(
            list(&[vec!["@"], vec!["!", "@"]]).unwrap(),
            Check::Or(vec![Check::True, Check::And(vec![Check::False, Check::True])])
        );
        assert!(list(&[vec!["and"]]).is_err());
    }
}

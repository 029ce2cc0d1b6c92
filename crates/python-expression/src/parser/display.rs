//! What stands in brackets: lists, tuples, sets, dicts, comprehensions.

use std::sync::Arc;

use crate::ast::{Clause, Comprehension, Entry, Expr, Form, Item, Kind, Sequence, Target};
use crate::error::Fault;

use super::{ANY, CHOICE, OR, Parser, node, too_high};

fn display(sequence: Sequence, items: Vec<Item>, at: usize) -> Result<Expr, Fault> {
    let inner = items.iter().map(|item| item.value.height).max().unwrap_or(0);
    node(Kind::Display(sequence, items), at, inner)
}

fn finish_dict(entries: Vec<Entry>, at: usize) -> Result<Expr, Fault> {
    let heights = entries.iter().map(|entry| match entry {
        Entry::Pair(key, value) => key.height.max(value.height),
        Entry::Spread(value) => value.height,
    });
    let inner = heights.max().unwrap_or(0);
    node(Kind::Dict(entries), at, inner)
}

impl Parser<'_> {
    /// An expression of its own, which may not be starred.
    pub(super) fn item(&mut self) -> Result<Expr, Fault> {
        if self.is_operator("*") {
            return Err(Fault::new(self.at(), "* unpacks in brackets alone"));
        }
        self.parse(ANY)
    }

    /// `first`, or the tuple that begins with it where a comma follows.
    pub(super) fn tuple_from(&mut self, at: usize, first: Expr) -> Result<Expr, Fault> {
        if !self.is_operator(",") {
            return Ok(first);
        }
        let mut inner = first.height;
        let mut items = vec![Item { value: first, is_starred: false }];
        while self.take_operator(",") {
            if self.is_operator("]") || matches!(self.kind(), crate::lexer::TokenKind::End) {
                break;
            }
            let value = self.item()?;
            inner = inner.max(value.height);
            items.push(Item { value, is_starred: false });
        }
        node(Kind::Display(Sequence::Tuple, items), at, inner)
    }

    fn starred(&mut self) -> Result<Item, Fault> {
        let is_starred = self.take_operator("*");
        // What is unpacked binds as strongly as `|` at least.
        let value = self.parse(if is_starred { 6 } else { CHOICE })?;
        Ok(Item { value, is_starred })
    }

    /// The rest of a display that begins with `first`, up to `close`; whether there was a comma, too.
    fn items(&mut self, first: Item, close: &str) -> Result<(Vec<Item>, bool), Fault> {
        let mut items = vec![first];
        let mut has_comma = false;
        while self.take_operator(",") {
            has_comma = true;
            if self.is_operator(close) {
                break;
            }
            items.push(self.starred()?);
        }
        self.expect_operator(close)?;
        Ok((items, has_comma))
    }

    pub(super) fn parenthesised(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        self.next += 1;
        if self.take_operator(")") {
            return display(Sequence::Tuple, Vec::new(), at);
        }
        let first = self.starred()?;
        if self.is_word("for") && !first.is_starred {
            let generator = self.comprehension(Form::Generator, first.value, None, at)?;
            self.expect_operator(")")?;
            return Ok(generator);
        }
        let (mut items, has_comma) = self.items(first, ")")?;
        if has_comma {
            return display(Sequence::Tuple, items, at);
        }
        match items.pop() {
            Some(Item { value, is_starred: false }) => Ok(value),
            _ => Err(Fault::new(at, "* unpacks into a tuple, which needs a comma")),
        }
    }

    pub(super) fn list(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        self.next += 1;
        if self.take_operator("]") {
            return display(Sequence::List, Vec::new(), at);
        }
        let first = self.starred()?;
        if self.is_word("for") && !first.is_starred {
            let list = self.comprehension(Form::List, first.value, None, at)?;
            self.expect_operator("]")?;
            return Ok(list);
        }
        let (items, _) = self.items(first, "]")?;
        display(Sequence::List, items, at)
    }

    /// A dict or a set.
    pub(super) fn braces(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        self.next += 1;
        if self.take_operator("}") {
            return node(Kind::Dict(Vec::new()), at, 0);
        }
        if self.is_operator("**") {
            return self.dict(Vec::new(), at);
        }
        let first = self.starred()?;
        if !first.is_starred && self.take_operator(":") {
            let value = self.parse(CHOICE)?;
            if self.is_word("for") {
                let dict = self.comprehension(Form::Dict, first.value, Some(value), at)?;
                self.expect_operator("}")?;
                return Ok(dict);
            }
            let entries = vec![Entry::Pair(first.value, value)];
            if !self.take_operator(",") || self.is_operator("}") {
                self.expect_operator("}")?;
                return finish_dict(entries, at);
            }
            return self.dict(entries, at);
        }
        if self.is_word("for") && !first.is_starred {
            let set = self.comprehension(Form::Set, first.value, None, at)?;
            self.expect_operator("}")?;
            return Ok(set);
        }
        let (items, _) = self.items(first, "}")?;
        display(Sequence::Set, items, at)
    }

    /// The rest of a dict, of which at least one more entry comes.
    fn dict(&mut self, mut entries: Vec<Entry>, at: usize) -> Result<Expr, Fault> {
        loop {
            if self.take_operator("**") {
                entries.push(Entry::Spread(self.parse(6)?));
            } else {
                let key = self.parse(CHOICE)?;
                self.expect_operator(":")?;
                entries.push(Entry::Pair(key, self.parse(CHOICE)?));
            }
            if !self.take_operator(",") || self.is_operator("}") {
                self.expect_operator("}")?;
                return finish_dict(entries, at);
            }
        }
    }

    /// What follows the element: `for … in … if …`.
    pub(super) fn comprehension(
        &mut self,
        form: Form,
        element: Expr,
        value: Option<Expr>,
        at: usize,
    ) -> Result<Expr, Fault> {
        let mut inner = element.height.max(value.as_ref().map_or(0, |value| value.height));
        let mut clauses = Vec::new();
        while self.take_word("for") {
            let target = self.targets()?;
            self.expect_word("in")?;
            let iterable = self.parse(OR)?;
            inner = inner.max(iterable.height);
            let mut conditions = Vec::new();
            while self.take_word("if") {
                let condition = self.parse(OR)?;
                inner = inner.max(condition.height);
                conditions.push(condition);
            }
            clauses.push(Clause { target, iterable, conditions });
            // Each is a level of its own where it is evaluated.
            inner += 1;
        }
        node(Kind::Comprehension(Arc::new(Comprehension { form, element, value, clauses })), at, inner)
    }

    /// One target, or several with commas.
    fn targets(&mut self) -> Result<Target, Fault> {
        let first = self.target()?;
        if !self.is_operator(",") {
            return Ok(first);
        }
        let mut targets = vec![first];
        while self.take_operator(",") {
            if self.is_word("in") || self.is_operator(")") || self.is_operator("]") {
                break;
            }
            targets.push(self.target()?);
        }
        Ok(Target::Tuple(targets))
    }

    fn target(&mut self) -> Result<Target, Fault> {
        let close = if self.take_operator("(") {
            ")"
        } else if self.take_operator("[") {
            "]"
        } else {
            return Ok(Target::Name(self.name()?.to_owned()));
        };
        self.depth += 1;
        if self.depth > crate::limits::MAX_HEIGHT {
            return Err(too_high(self.at()));
        }
        let targets = self.targets()?;
        self.depth -= 1;
        self.expect_operator(close)?;
        Ok(match targets {
            Target::Name(name) if close == "]" => Target::Tuple(vec![Target::Name(name)]),
            other => other,
        })
    }
}

//! What the names of an expression mean.

use std::sync::Arc;

use crate::ast::{Comprehension, Entry, Expr, Kind, Lambda, Piece, Place, Target};
use crate::builtins::{BUILTINS, Builtin};
use crate::error::Fault;
use crate::value::Type;

/// Looks every name up, with the variables `names` in scope.
pub(crate) fn resolve(root: &mut Expr, names: &[&str]) -> Result<(), Fault> {
    let mut scope = Scope { bound: names.iter().map(|name| (*name).to_owned()).collect() };
    scope.expr(root)
}

/// The variables in the order in which they are bound.
struct Scope {
    bound: Vec<String>,
}

impl Scope {
    fn all<'e>(&mut self, parts: impl IntoIterator<Item = &'e mut Expr>) -> Result<(), Fault> {
        parts.into_iter().try_for_each(|part| self.expr(part))
    }

    fn expr(&mut self, expr: &mut Expr) -> Result<(), Fault> {
        match &mut expr.kind {
            Kind::Literal(_) => Ok(()),
            Kind::Name { name, place } => {
                *place = self.place(name).ok_or_else(|| self.unknown(name, expr.at))?;
                Ok(())
            }
            Kind::Display(_, items) => self.all(items.iter_mut().map(|item| &mut item.value)),
            Kind::Dict(entries) => entries.iter_mut().try_for_each(|entry| match entry {
                Entry::Pair(key, value) => self.all([key, value]),
                Entry::Spread(value) => self.expr(value),
            }),
            Kind::Unary(_, inner) | Kind::Not(inner) | Kind::Attribute(inner, _) => self.expr(inner),
            Kind::Binary(_, left, right)
            | Kind::And(left, right)
            | Kind::Or(left, right)
            | Kind::Index(left, right) => self.all([&mut **left, &mut **right]),
            Kind::Compare(left, links) => {
                self.expr(left)?;
                self.all(links.iter_mut().map(|(_, right)| right))
            }
            Kind::If(choice) => self.all([&mut choice.then, &mut choice.condition, &mut choice.otherwise]),
            Kind::Slice(value, parts) => {
                self.expr(value)?;
                self.all(parts.iter_mut().flatten())
            }
            Kind::Call(function, arguments) => {
                self.expr(function)?;
                self.all(arguments.iter_mut().map(|argument| &mut argument.value))
            }
            Kind::Lambda(lambda) => self.lambda(lambda, expr.at),
            Kind::Comprehension(comprehension) => self.comprehension(comprehension, expr.at),
            Kind::Format(pieces) => self.pieces(pieces),
        }
    }

    fn pieces(&mut self, pieces: &mut [Piece]) -> Result<(), Fault> {
        pieces.iter_mut().try_for_each(|piece| match piece {
            Piece::Text(_) => Ok(()),
            Piece::Field { value, spec, .. } => {
                self.expr(value)?;
                self.pieces(spec)
            }
        })
    }

    fn lambda(&mut self, lambda: &mut Arc<Lambda>, at: usize) -> Result<(), Fault> {
        let lambda = Arc::get_mut(lambda).ok_or_else(|| Fault::new(at, "the lambda is shared"))?;
        self.all(lambda.parameters.iter_mut().filter_map(|(_, default)| default.as_mut()))?;
        let before = self.bound.len();
        self.bound.extend(lambda.parameters.iter().map(|(name, _)| name.to_string()));
        self.expr(&mut lambda.body)?;
        self.bound.truncate(before);
        Ok(())
    }

    fn comprehension(&mut self, comprehension: &mut Arc<Comprehension>, at: usize) -> Result<(), Fault> {
        let comprehension =
            Arc::get_mut(comprehension).ok_or_else(|| Fault::new(at, "the comprehension is shared"))?;
        let before = self.bound.len();
        for clause in &mut comprehension.clauses {
            self.expr(&mut clause.iterable)?;
            self.bind(&clause.target);
            self.all(&mut clause.conditions)?;
        }
        self.expr(&mut comprehension.element)?;
        if let Some(value) = &mut comprehension.value {
            self.expr(value)?;
        }
        self.bound.truncate(before);
        Ok(())
    }

    fn bind(&mut self, target: &Target) {
        match target {
            Target::Name(name) => self.bound.push(name.clone()),
            Target::Tuple(targets) => targets.iter().for_each(|target| self.bind(target)),
        }
    }

    fn place(&self, name: &str) -> Option<Place> {
        let local = self.bound.iter().rev().position(|bound| bound == name).map(Place::Local);
        local
            .or_else(|| Type::named(name).map(Place::Type))
            .or_else(|| Builtin::named(name).map(Place::Builtin))
    }

    fn unknown(&self, name: &str, at: usize) -> Fault {
        let variables = match &self.bound[..] {
            [] => String::new(),
            bound => format!("the variables here are {}; ", bound.join(", ")),
        };
        Fault::new(at, format!("the name {name} is not supported"))
            .hint(format!("{variables}the functions are {}", BUILTINS.join(", ")))
    }
}

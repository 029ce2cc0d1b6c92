//! The evaluator: a walk over the expression.

pub(crate) mod call;
pub(crate) mod generator;
pub(crate) mod operate;
pub(crate) mod subscript;

use std::rc::Rc;
use std::sync::Arc;

use crate::ast::{Comparison, Entry, Expr, Form, Item, Kind, Literal, Piece, Place, Sequence, Unary};
use crate::error::{Exception, Outcome, raise, type_error};
use crate::eval::generator::Generator;
use crate::format;
use crate::limits::Machine;
use crate::number;
use crate::value::{Dict, Function, Iter, Object, compare, iterator, text};

/// The variables, the last one first.
#[derive(Clone, Default)]
pub(crate) struct Env(Option<Rc<Bound>>);

struct Bound {
    value: Object,
    before: Env,
}

impl Env {
    pub(crate) fn with(&self, value: Object) -> Self {
        Self(Some(Rc::new(Bound { value, before: self.clone() })))
    }

    fn get(&self, distance: usize) -> Option<&Object> {
        let mut env = self;
        for _ in 0..distance {
            env = &env.0.as_ref()?.before;
        }
        env.0.as_ref().map(|bound| &bound.value)
    }
}

fn name(place: Place, env: &Env) -> Outcome<Object> {
    match place {
        Place::Local(distance) => match env.get(distance) {
            Some(value) => Ok(value.clone()),
            None => Err(type_error("the variable is not bound")),
        },
        Place::Builtin(builtin) => Ok(Object::Builtin(builtin)),
        Place::Type(kind) => Ok(Object::Type(kind)),
        Place::Unknown => Err(type_error("the name was not looked up")),
    }
}

impl Machine {
    pub(crate) fn evaluate(&mut self, expr: &Expr, env: &Env) -> Outcome<Object> {
        self.step()?;
        let outcome = match &expr.kind {
            // Those that need no more room are seen to here.
            Kind::Literal(literal) => Ok(constant(literal)),
            Kind::Name { place, .. } => name(*place, env),
            kind => self.deeper(|machine| machine.part(kind, env)),
        };
        outcome.map_err(|raised| raised.or_at(expr.at))
    }

    fn part(&mut self, kind: &Kind, env: &Env) -> Outcome<Object> {
        match kind {
            Kind::Literal(literal) => Ok(constant(literal)),
            Kind::Name { place, .. } => name(*place, env),
            Kind::Display(sequence, items) => self.display(*sequence, items, env),
            Kind::Dict(entries) => self.dict(entries, env),
            Kind::Unary(operator, inner) => {
                let value = self.evaluate(inner, env)?;
                match operator {
                    Unary::Plus => number::positive(&value),
                    Unary::Minus => number::negative(&value),
                    Unary::Invert => number::invert(&value),
                }
            }
            Kind::Binary(operator, left, right) => {
                let left = self.evaluate(left, env)?;
                let right = self.evaluate(right, env)?;
                operate::binary(self, *operator, &left, &right)
            }
            Kind::And(left, right) => {
                let left = self.evaluate(left, env)?;
                if left.is_truthy() { self.evaluate(right, env) } else { Ok(left) }
            }
            Kind::Or(left, right) => {
                let left = self.evaluate(left, env)?;
                if left.is_truthy() { Ok(left) } else { self.evaluate(right, env) }
            }
            Kind::Not(inner) => Ok(Object::Bool(!self.evaluate(inner, env)?.is_truthy())),
            Kind::Compare(left, links) => self.compare(left, links, env),
            Kind::If(choice) => {
                let holds = self.evaluate(&choice.condition, env)?.is_truthy();
                self.evaluate(if holds { &choice.then } else { &choice.otherwise }, env)
            }
            Kind::Index(value, index) => {
                let value = self.evaluate(value, env)?;
                let index = self.evaluate(index, env)?;
                subscript::index(self, &value, &index)
            }
            Kind::Slice(value, parts) => {
                let value = self.evaluate(value, env)?;
                let mut bounds = [None, None, None];
                for (bound, part) in bounds.iter_mut().zip(parts.iter()) {
                    *bound = part.as_ref().map(|part| self.evaluate(part, env)).transpose()?;
                }
                subscript::slice(self, &value, &bounds)
            }
            Kind::Attribute(inner, method) => {
                let value = self.evaluate(inner, env)?;
                call::attribute(value, *method)
            }
            Kind::Call(function, arguments) => self.call_expr(function, arguments, env),
            Kind::Lambda(lambda) => {
                let defaults = lambda.parameters.iter();
                let defaults = defaults
                    .map(|(_, default)| {
                        default.as_ref().map(|default| self.evaluate(default, env)).transpose()
                    })
                    .collect::<Outcome<_>>()?;
                let lambda = Arc::clone(lambda);
                Ok(Object::Function(Rc::new(Function { lambda, defaults, env: env.clone() })))
            }
            Kind::Comprehension(comprehension) => {
                let generator = Generator::new(self, comprehension, env)?;
                self.comprehension(comprehension.form, generator)
            }
            Kind::Format(pieces) => self.format(pieces, env).map(Object::str),
        }
    }

    fn display(&mut self, sequence: Sequence, items: &[Item], env: &Env) -> Outcome<Object> {
        self.take_places(items.len())?;
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let value = self.evaluate(&item.value, env)?;
            if item.is_starred {
                values.extend(iterator::collect(self, &value)?);
            } else {
                values.push(value);
            }
        }
        match sequence {
            Sequence::List => Ok(Object::list(values)),
            Sequence::Tuple => Ok(Object::tuple(values)),
            Sequence::Set => Dict::set(values),
        }
    }

    fn dict(&mut self, entries: &[Entry], env: &Env) -> Outcome<Object> {
        let mut dict = Dict::default();
        for entry in entries {
            match entry {
                Entry::Pair(key, value) => {
                    self.take_places(4)?;
                    let key = self.evaluate(key, env)?;
                    dict.insert(key, self.evaluate(value, env)?)?;
                }
                Entry::Spread(value) => {
                    let value = self.evaluate(value, env)?;
                    let Object::Dict(other) = &value else {
                        return Err(type_error(format!("'{}' object is not a mapping", value.type_name())));
                    };
                    self.take_places(4 * other.len())?;
                    for (key, value) in other.entries() {
                        dict.insert(key.clone(), value.clone())?;
                    }
                }
            }
        }
        Ok(Object::Dict(Rc::new(dict)))
    }

    fn compare(&mut self, first: &Expr, links: &[(Comparison, Expr)], env: &Env) -> Outcome<Object> {
        let mut left = self.evaluate(first, env)?;
        for (operator, right) in links {
            let right = self.evaluate(right, env)?;
            let holds = match operator {
                Comparison::Equal => compare::equal(self, &left, &right)?,
                Comparison::NotEqual => !compare::equal(self, &left, &right)?,
                Comparison::Is => left.is(&right),
                Comparison::IsNot => !left.is(&right),
                Comparison::In => subscript::contains(self, &right, &left)?,
                Comparison::NotIn => !subscript::contains(self, &right, &left)?,
                _ => compare::ordered(self, *operator, &left, &right)?,
            };
            if !holds {
                return Ok(Object::Bool(false));
            }
            left = right;
        }
        Ok(Object::Bool(true))
    }

    fn comprehension(&mut self, form: Form, mut generator: Generator) -> Outcome<Object> {
        if form == Form::Generator {
            return Ok(Object::iterator(Iter::Generator(Box::new(generator))));
        }
        let mut items = Vec::new();
        while let Some(item) = generator.next(self)? {
            self.take_places(1)?;
            items.push(item);
        }
        match form {
            Form::Set => Dict::set(items),
            Form::Dict => {
                self.take_places(3 * items.len())?;
                let mut dict = Dict::default();
                for item in items {
                    if let Object::Tuple(pair) = &item
                        && let [key, value] = &pair[..]
                    {
                        dict.insert(key.clone(), value.clone())?;
                    }
                }
                Ok(Object::Dict(Rc::new(dict)))
            }
            _ => Ok(Object::list(items)),
        }
    }

    fn format(&mut self, pieces: &[Piece], env: &Env) -> Outcome<String> {
        let mut all = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => {
                    self.take(text.len())?;
                    all.push_str(text);
                }
                Piece::Field { value, conversion, spec } => {
                    let value = self.evaluate(value, env)?;
                    let value = format::converted(self, value, *conversion)?;
                    let spec = self.format(spec, env)?;
                    all.push_str(&format::format(self, &value, &spec)?);
                }
            }
        }
        Ok(all)
    }
}

fn constant(literal: &Literal) -> Object {
    match literal {
        Literal::None => Object::None,
        Literal::Bool(truth) => Object::Bool(*truth),
        Literal::Int(number) => Object::Int(*number),
        Literal::Big(number) => Object::Big(Rc::new(number.clone())),
        Literal::Float(number) => Object::Float(*number),
        Literal::Str(text) => Object::Str(Arc::clone(text)),
    }
}

/// Python's message for a key that is not there.
pub(crate) fn key_error(machine: &mut Machine, key: &Object) -> Box<crate::error::Raised> {
    match text::repr(machine, key) {
        Ok(text) => raise(Exception::Key, text),
        Err(raised) => raised,
    }
}

//! A safe evaluator of the Python expressions that Ceilometer's definition files hold.
//!
//! Ceilometer gives texts of its dynamic pollsters' definitions to Python's `eval`, which may do anything. Here the
//! part of the language that such texts use is read and evaluated, and nothing else: literals, displays and
//! comprehensions, operators, subscripts and slices, lambdas, f-strings, the methods of texts, dicts, lists and sets that
//! change nothing, and the builtins of [`BUILTINS`]. Numbers are Python's (integers of any size, true division,
//! rounding half to even), and so are texts, truth, equality and order. What is outside of it is refused when the
//! expression is [compiled](Expression::compile), with its place and name.
//!
//! Floor 0: no I/O, no threads, no clock. What an expression may take is bounded by [`Limits`]: steps, bytes and depth.
//!
//! ```
//! use nephoscope_python_expression::{Evaluation, Expression, Limits};
//!
//! let expression = Expression::compile("value['size'] / 2 if 'size' in value else 0", &["value"])?;
//! let entry = model::json::parse(r#"{"size": 5}"#)?;
//! let mut evaluation = Evaluation::new(Limits::default());
//! let entry = evaluation.object(&entry)?;
//! let result = evaluation.run(&expression, &[entry])?;
//! assert_eq!(evaluation.value(&result)?, model::Value::Float(2.5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![allow(clippy::unnecessary_box_returns, reason = "an outcome is small where nothing is raised")]

mod ast;
mod builtins;
mod error;
mod eval;
mod format;
pub mod fuzz;
mod lexer;
mod limits;
mod methods;
mod number;
mod parser;
mod percent;
mod resolve;
mod value;

use std::fmt;
use std::sync::Arc;

use crate::ast::Expr;
use crate::error::Outcome;
use crate::eval::Env;
use crate::limits::Machine;
use crate::value::Object as Inner;

pub use builtins::BUILTINS;
pub use error::{EvalError, Exception, Position, SyntaxError};
pub use limits::{Limits, MAX_HEIGHT, MAX_INTEGER_BITS, MAX_TEXT_BYTES};

/// An expression that has been read and found to be within the language.
#[derive(Clone)]
pub struct Expression {
    text: Arc<str>,
    names: usize,
    root: Arc<Expr>,
}

impl Expression {
    /// Reads `text`, in which the variables `names` may occur.
    ///
    /// # Errors
    /// [`SyntaxError`] with the place, where it is no expression of Python, or one that is not supported here.
    pub fn compile(text: &str, names: &[&str]) -> Result<Self, SyntaxError> {
        let parsed = parser::parse(text).and_then(|mut root| {
            resolve::resolve(&mut root, names)?;
            Ok(root)
        });
        let root = parsed.map_err(|fault| fault.into_error(text))?;
        Ok(Self { text: text.into(), names: names.len(), root: Arc::new(root) })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.names == other.names
    }
}

/// A Python object. It belongs to the thread that made it.
#[derive(Clone)]
pub struct Object(Inner);

impl Object {
    /// The name of its type: `int`, `dict`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    /// Python's truth test.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        self.0.is_truthy()
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut machine = Machine::new(Limits::default());
        match value::text::repr(&mut machine, &self.0) {
            Ok(text) => f.write_str(&text),
            Err(_) => write!(f, "<{}>", self.type_name()),
        }
    }
}

/// Expressions that are evaluated on one budget: what one gives, the next may take.
#[derive(Debug)]
pub struct Evaluation {
    machine: Machine,
}

impl Evaluation {
    /// With the whole of `limits` to use.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { machine: Machine::new(limits) }
    }

    /// The object that Python's `json` module would make.
    ///
    /// # Errors
    /// [`EvalError`] when it is beyond the limits.
    pub fn object(&mut self, value: &model::Value) -> Result<Object, EvalError> {
        value::convert::object(&mut self.machine, value).map(Object).map_err(|raised| raised.into_error(""))
    }

    /// The other way: what `json` would write of the object.
    ///
    /// # Errors
    /// [`EvalError`] for what has no such form: iterators, functions, sets, keys that are no scalars.
    pub fn value(&mut self, object: &Object) -> Result<model::Value, EvalError> {
        value::convert::value(&mut self.machine, &object.0).map_err(|raised| raised.into_error(""))
    }

    /// Evaluates `expression` with an object for each of the names that it was compiled with, in that order.
    ///
    /// # Errors
    /// [`EvalError`] where Python raises, at a limit, and when the number of objects is another.
    pub fn run(&mut self, expression: &Expression, objects: &[Object]) -> Result<Object, EvalError> {
        self.evaluate(expression, objects).map(Object).map_err(|raised| raised.into_error(&expression.text))
    }

    fn evaluate(&mut self, expression: &Expression, objects: &[Object]) -> Outcome<Inner> {
        if objects.len() != expression.names {
            let message = format!("{} variables are given, not {}", objects.len(), expression.names);
            return Err(error::raise(Exception::Type, message));
        }
        let env = objects.iter().fold(Env::default(), |env, object| env.with(object.0.clone()));
        self.machine.evaluate(&expression.root, &env)
    }
}

//! Calls: of lambdas, builtins, types and methods.

use std::rc::Rc;
use std::sync::Arc;

use crate::ast::{Argument, ArgumentKind, Expr, Kind};
use crate::builtins;
use crate::error::{Exception, Outcome, raise, type_error};
use crate::eval::Env;
use crate::limits::Machine;
use crate::methods::{self, Method};
use crate::value::{Function, Object, iterator};

/// The arguments of a call.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) plain: Vec<Object>,
    pub(crate) named: Vec<(Arc<str>, Object)>,
}

impl Arguments {
    pub(crate) fn plain(plain: Vec<Object>) -> Self {
        Self { plain, named: Vec::new() }
    }

    /// Takes a named argument out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Object> {
        let place = self.named.iter().position(|(known, _)| &**known == name)?;
        Some(self.named.swap_remove(place).1)
    }

    /// The arguments in the order of `names`; the first `least` must be there.
    pub(crate) fn fit<const N: usize>(
        mut self,
        function: &str,
        names: [&str; N],
        least: usize,
    ) -> Outcome<[Option<Object>; N]> {
        if self.plain.len() > N {
            let given = self.plain.len();
            return Err(type_error(format!("{function}() takes at most {N} arguments ({given} given)")));
        }
        let mut fitted = [const { None }; N];
        let given = self.plain.len();
        for (place, value) in fitted.iter_mut().zip(self.plain.drain(..)) {
            *place = Some(value);
        }
        for (place, name) in names.iter().enumerate() {
            // Python's functions have parameters that cannot be named; those have an empty name here.
            if !name.is_empty()
                && let Some(value) = self.take(name)
            {
                if place < given {
                    return Err(type_error(format!(
                        "{function}() got multiple values for argument '{name}'"
                    )));
                }
                if let Some(slot) = fitted.get_mut(place) {
                    *slot = Some(value);
                }
            }
        }
        self.no_more(function)?;
        if fitted.iter().take(least).any(Option::is_none) {
            return Err(type_error(format!("{function}() needs {least} arguments at least")));
        }
        Ok(fitted)
    }

    /// Refuses named arguments that nobody took.
    pub(crate) fn no_more(&self, function: &str) -> Outcome<()> {
        match self.named.first() {
            None => Ok(()),
            Some((name, _)) => {
                Err(type_error(format!("{function}() got an unexpected keyword argument '{name}'")))
            }
        }
    }
}

/// `value.method`, which is not called yet.
pub(crate) fn attribute(value: Object, method: Method) -> Outcome<Object> {
    if let Object::Type(kind) = value {
        if method.is_of(kind) {
            return Ok(Object::Unbound(kind, method));
        }
        return Err(no_attribute(&format!("type object '{}'", kind.name()), method));
    }
    if method.is_of_object(&value) {
        Ok(Object::Method(Rc::new(value), method))
    } else {
        Err(no_attribute(&format!("'{}' object", value.type_name()), method))
    }
}

fn no_attribute(of: &str, method: Method) -> Box<crate::error::Raised> {
    raise(Exception::Attribute, format!("{of} has no attribute '{}'", method.name()))
}

impl Machine {
    pub(crate) fn call_expr(
        &mut self,
        function: &Expr,
        arguments: &[Argument],
        env: &Env,
    ) -> Outcome<Object> {
        // The usual case needs no object for the method.
        if let Kind::Attribute(inner, method) = &function.kind {
            let value = self.evaluate(inner, env)?;
            if !matches!(value, Object::Type(_)) {
                if !method.is_of_object(&value) {
                    let raised = no_attribute(&format!("'{}' object", value.type_name()), *method);
                    return Err(raised.or_at(function.at));
                }
                let arguments = self.arguments(arguments, env)?;
                return methods::call(self, &value, *method, arguments);
            }
            let function = attribute(value, *method)?;
            let arguments = self.arguments(arguments, env)?;
            return self.call_with(&function, arguments);
        }
        let function = self.evaluate(function, env)?;
        let arguments = self.arguments(arguments, env)?;
        self.call_with(&function, arguments)
    }

    fn arguments(&mut self, arguments: &[Argument], env: &Env) -> Outcome<Arguments> {
        let mut all = Arguments::default();
        for argument in arguments {
            let value = self.evaluate(&argument.value, env)?;
            match &argument.kind {
                ArgumentKind::Plain => all.plain.push(value),
                ArgumentKind::Named(name) => all.named.push((Arc::clone(name), value)),
                ArgumentKind::Starred => all.plain.extend(iterator::collect(self, &value)?),
            }
        }
        Ok(all)
    }

    /// Calls `function` with these.
    pub(crate) fn call(&mut self, function: &Object, arguments: Vec<Object>) -> Outcome<Object> {
        self.call_with(function, Arguments::plain(arguments))
    }

    fn call_with(&mut self, function: &Object, arguments: Arguments) -> Outcome<Object> {
        self.step()?;
        self.deeper(|machine| match function {
            Object::Function(function) => machine.call_lambda(function, arguments),
            Object::Builtin(builtin) => builtins::call(machine, *builtin, arguments),
            Object::Type(kind) => builtins::construct(machine, *kind, arguments),
            Object::Method(value, method) => methods::call(machine, value, *method, arguments),
            Object::Unbound(kind, method) => {
                let Arguments { mut plain, named } = arguments;
                if plain.is_empty() {
                    let message =
                        format!("unbound method {}.{}() needs an argument", kind.name(), method.name());
                    return Err(type_error(message));
                }
                let value = plain.remove(0);
                if value.type_of() != *kind {
                    return Err(type_error(format!(
                        "descriptor '{}' for '{}' objects doesn't apply to a '{}' object",
                        method.name(),
                        kind.name(),
                        value.type_name()
                    )));
                }
                methods::call(machine, &value, *method, Arguments { plain, named })
            }
            other => Err(type_error(format!("'{}' object is not callable", other.type_name()))),
        })
    }

    fn call_lambda(&mut self, function: &Function, mut arguments: Arguments) -> Outcome<Object> {
        let Function { lambda, defaults, env } = function;
        let (wanted, given) = (lambda.parameters.len(), arguments.plain.len());
        if given > wanted {
            let message = format!("<lambda>() takes {wanted} positional arguments but {given} were given");
            return Err(type_error(message));
        }
        let plain = std::mem::take(&mut arguments.plain);
        let mut plain = plain.into_iter();
        let mut env = env.clone();
        for ((name, _), default) in lambda.parameters.iter().zip(defaults) {
            let named = arguments.take(name);
            let value = match (plain.next(), named) {
                (Some(_), Some(_)) => {
                    return Err(type_error(format!("<lambda>() got multiple values for argument '{name}'")));
                }
                (Some(value), None) | (None, Some(value)) => value,
                (None, None) => match default {
                    Some(default) => default.clone(),
                    None => return Err(type_error(format!("<lambda>() misses the argument '{name}'"))),
                },
            };
            env = env.with(value);
        }
        arguments.no_more("<lambda>")?;
        self.evaluate(&lambda.body, &env)
    }
}

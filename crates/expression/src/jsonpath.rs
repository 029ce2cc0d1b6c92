//! Paths into a notification, in the dialect of jsonpath-rw with the parser of jsonpath-rw-ext.
//!
//! [`JsonPath::parse`] compiles a text once; [`JsonPath::find`] yields every match with its full path,
//! [`JsonPath::first_non_null`] only what a definition without a plugin needs, and does that for plain
//! paths (`payload.image_meta.base_image_ref`) without touching the heap.
//!
//! Where the Python original raises while it evaluates (an index into null, a comparison of a text with a
//! number), the step that raised has no match, and evaluation goes on: upstream loses the whole
//! notification there. Evaluation is bounded by [`MAX_STEPS`].

mod arithmetic;
mod ast;
mod compare;
mod eval;
mod lexer;
mod parser;
mod plain;
mod reach;
mod view;

use std::borrow::Cow;
use std::rc::Rc;

use model::Value;

use self::ast::Expr;
use self::plain::Plain;
use self::view::Datum;

/// The longest path that is compiled, in bytes.
pub const MAX_PATH_BYTES: usize = 16 * 1024;

/// The most tokens that a path may have; this also bounds how deep an expression can grow to the left.
pub const MAX_TOKENS: usize = 512;

/// How deep parentheses, filters and right-hand sides may nest.
pub const MAX_NESTING: usize = 64;

/// How many data an evaluation may visit before it stops. A large notification has some thousand values.
pub const MAX_STEPS: usize = 100_000;

/// How deep `..` descends into data.
pub const MAX_DESCENT: usize = 256;

/// The largest computed text, in bytes, and the longest computed list, in items.
pub const MAX_COMPUTED_SIZE: usize = 1024 * 1024;

/// Why a text is not a path of the dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (column {column} of {path:?})")]
pub struct ParseError {
    /// Where the problem is, in characters from 1; one past the end if something is missing there.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
    /// The path.
    pub path: String,
}

/// A compiled path.
#[derive(Debug, Clone)]
pub struct JsonPath {
    text: Box<str>,
    expr: Expr,
    /// The alternatives of a path that needs no general evaluation for its first value.
    plain: Option<Vec<Plain>>,
}

impl JsonPath {
    /// Compiles a path.
    ///
    /// # Errors
    /// [`ParseError`] with the column, wherever jsonpath-rw-ext would refuse the text as well.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let expr = parser::parse(text)?;
        let plain = plain::alternatives(&expr);
        Ok(Self { text: text.into(), expr, plain })
    }

    /// The text that was compiled.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether [`Self::first_non_null`] takes the quick way for this path.
    pub fn is_plain(&self) -> bool {
        self.plain.is_some()
    }

    /// Tells `visit` what the path can look at: each first field on its ways, with the second one if nothing beside that
    /// can be seen behind the first. `false` means that it may look anywhere.
    pub fn reach(&self, visit: &mut dyn FnMut(&str, Option<&str>)) -> bool {
        reach::visit(&self.expr, visit)
    }

    /// All matches in order, nulls included.
    pub fn find<'v>(&self, root: &'v Value) -> Matches<'v> {
        let (data, truncated) = eval::evaluate(&self.expr, root);
        let list = data.into_iter().map(|datum| Match { value: datum.view.to_value(), datum }).collect();
        Matches { list, truncated }
    }

    /// The first match that is not null.
    ///
    /// Equal to looking for it among the matches of [`Self::find`], but for plain paths (fields and
    /// indices, and unions of such) it allocates nothing.
    pub fn first_non_null<'v>(&self, root: &'v Value) -> Option<Cow<'v, Value>> {
        if let Some(alternatives) = &self.plain {
            alternatives.iter().find_map(|plain| plain.follow(root))
        } else {
            let (data, _) = eval::evaluate(&self.expr, root);
            data.iter().find(|datum| !datum.view.is_null()).map(|datum| datum.view.to_value())
        }
    }
}

/// What a path found in a datum.
#[derive(Debug)]
pub struct Match<'v> {
    /// The value: borrowed from the root, or computed.
    pub value: Cow<'v, Value>,
    datum: Rc<Datum<'v>>,
}

impl Match<'_> {
    /// The full path as Ceilometer gives it to trait plugins: names and indices joined by dots, for
    /// example `payload.nodes.[0].name`. A computed value has no path.
    pub fn path(&self) -> String {
        self.datum.path()
    }
}

/// The matches of a path, in order.
#[derive(Debug)]
pub struct Matches<'v> {
    list: Vec<Match<'v>>,
    truncated: bool,
}

impl<'v> Matches<'v> {
    /// Whether the evaluation was cut short by [`MAX_STEPS`] or another bound.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The values alone.
    pub fn into_values(self) -> impl Iterator<Item = Cow<'v, Value>> {
        self.list.into_iter().map(|found| found.value)
    }
}

impl<'v> std::ops::Deref for Matches<'v> {
    type Target = [Match<'v>];

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}

impl<'v> IntoIterator for Matches<'v> {
    type Item = Match<'v>;
    type IntoIter = std::vec::IntoIter<Match<'v>>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

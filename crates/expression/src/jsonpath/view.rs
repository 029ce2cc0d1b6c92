//! Values during evaluation, and the trail by which each was reached.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use model::{Map, Value};

/// A value that is borrowed from the root, or was computed on the way.
#[derive(Debug, Clone)]
pub(super) enum View<'v> {
    /// Somewhere in the root datum.
    Ref(&'v Value),
    /// A list that was computed, of values that may still be borrowed.
    List(Rc<Vec<View<'v>>>),
    /// A text, number or boolean that was computed.
    Scalar(Rc<Value>),
}

/// The items of a list, wherever they live.
pub(super) enum Items<'a, 'v> {
    Borrowed(&'v [Value]),
    Computed(&'a [View<'v>]),
}

impl<'v> Items<'_, 'v> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Borrowed(items) => items.len(),
            Self::Computed(items) => items.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<View<'v>> {
        match self {
            Self::Borrowed(items) => items.get(index).map(View::Ref),
            Self::Computed(items) => items.get(index).cloned(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = View<'v>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl<'v> View<'v> {
    pub(super) fn scalar(value: Value) -> Self {
        Self::Scalar(Rc::new(value))
    }

    /// The value, unless this is a computed list.
    pub(super) fn value(&self) -> Option<&Value> {
        match self {
            Self::Ref(value) => Some(value),
            Self::Scalar(value) => Some(value),
            Self::List(_) => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.value().is_some_and(Value::is_null)
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        self.value().and_then(Value::as_str)
    }

    /// The map; a computed value is never one.
    pub(super) fn as_map(&self) -> Option<&'v Map> {
        match self {
            Self::Ref(value) => value.as_map(),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> Option<Items<'_, 'v>> {
        match self {
            Self::Ref(Value::List(items)) => Some(Items::Borrowed(items)),
            Self::List(items) => Some(Items::Computed(items)),
            _ => None,
        }
    }

    /// The value itself.
    pub(super) fn to_value(&self) -> Cow<'v, Value> {
        match self {
            Self::Ref(value) => Cow::Borrowed(*value),
            Self::Scalar(value) => Cow::Owned((**value).clone()),
            Self::List(items) => {
                Cow::Owned(Value::List(items.iter().map(|item| item.to_value().into_owned()).collect()))
            }
        }
    }
}

/// How a datum is reached from its parent.
#[derive(Debug, Clone)]
pub(super) enum Segment<'v> {
    /// It is not: the datum is a root, or was computed.
    None,
    /// By a name that the path wrote.
    Named(Arc<str>),
    /// By a name found in the data.
    Key(&'v str),
    /// By a position.
    Index(i64),
}

/// A value with the way to it.
#[derive(Debug)]
pub(super) struct Datum<'v> {
    pub(super) view: View<'v>,
    pub(super) segment: Segment<'v>,
    pub(super) parent: Option<Rc<Datum<'v>>>,
    /// What a path is applied to before any step has touched it. Upstream hands its steps the bare value
    /// there, and one of them (the sort) cannot take that.
    pub(super) bare: bool,
    /// The parent of a root: upstream's list of matches then holds a `None`, which is not a match of null.
    pub(super) nothing: bool,
}

impl<'v> Datum<'v> {
    /// A value that nothing leads to.
    pub(super) fn root(view: View<'v>) -> Self {
        Self { view, segment: Segment::None, parent: None, bare: false, nothing: false }
    }

    pub(super) fn child(view: View<'v>, segment: Segment<'v>, parent: &Rc<Self>) -> Self {
        Self { view, segment, parent: Some(Rc::clone(parent)), bare: false, nothing: false }
    }

    /// Names and indices from the root to here, joined by dots.
    pub(super) fn path(&self) -> String {
        let mut segments = Vec::new();
        let mut datum = self;
        while let Some(parent) = &datum.parent {
            segments.push(match &datum.segment {
                Segment::None => String::new(),
                Segment::Named(name) => name.to_string(),
                Segment::Key(name) => (*name).to_owned(),
                Segment::Index(index) => format!("[{index}]"),
            });
            datum = parent;
        }
        segments.reverse();
        segments.join(".")
    }
}

//! [`Resource`]: what discoveries find and pollsters read.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use model::{Map, Value};
use observability::secret::Secret;

use crate::compute::Instance;

mod packed;

pub use packed::PackedObject;

/// Something that can be polled. Cheap to clone.
///
/// Two are equal when they are of the same kind and have the same id, whatever else is known of them: that is what
/// decides whether a resource was polled already in a cycle, is not to be polled any more, or is another agent's.
#[derive(Debug, Clone)]
pub enum Resource {
    /// A text: an entry of `resources:` in `polling.yaml`, a host's name, the address of an endpoint.
    Text(Arc<str>),
    /// An object of a service, as the service describes it.
    Object(Arc<Object>),
    /// The same, waiting for its pollster.
    Packed(Arc<PackedObject>),
    /// An instance on this host.
    Instance(Arc<Instance>),
}

/// An object of a service.
#[derive(Debug, Clone)]
pub struct Object {
    /// What it is, in one word: `image`, `volume`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// Everything that the service says of it.
    pub attributes: Map,
    /// What Python's `str` makes of it in Ceilometer, where the work is shared with Ceilometer's agents. It may have what
    /// nobody should see.
    pub python_text: Option<Secret<String>>,
}

impl Object {
    /// An attribute; [`Value::Null`] if the service does not say it.
    #[must_use]
    pub fn get(&self, attribute: &str) -> Value {
        self.attributes.get(attribute).cloned().unwrap_or_default()
    }
}

impl Resource {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// What it is, in one word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Object(object) => object.kind,
            Self::Packed(object) => object.kind,
            Self::Instance(_) => "instance",
        }
    }

    /// What tells it from others of its kind, and never changes. Agents share resources by it.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Object(object) => &object.id,
            Self::Packed(object) => &object.id,
            Self::Instance(instance) => &instance.id,
        }
    }

    /// What Python's `str` makes of it in Ceilometer, by which its agents share resources; the id, where nobody wanted to
    /// know it.
    #[must_use]
    pub fn python_text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(_) => Cow::Borrowed(self.id()),
            Self::Object(object) => {
                let text = object.python_text.as_ref().map_or(&object.id, Secret::expose);
                Cow::Borrowed(text.as_str())
            }
            Self::Packed(object) => {
                let text = object.python_text.as_ref().map_or(&*object.id, |text| text.expose());
                Cow::Borrowed(text)
            }
            Self::Instance(instance) => {
                let name = instance.metadata.plain().get("display_name");
                let name = name.and_then(Value::as_str).unwrap_or("None");
                let class = if instance.is_novas { "Server" } else { "NovaLikeServer" };
                Cow::Owned(format!("<{class}: {name}>"))
            }
        }
    }

    /// The object, if it is one.
    #[must_use]
    pub fn any_object(&self) -> Option<Cow<'_, Object>> {
        match self {
            Self::Object(object) => Some(Cow::Borrowed(object)),
            Self::Packed(packed) => Some(Cow::Owned(packed.object())),
            Self::Text(_) | Self::Instance(_) => None,
        }
    }

    /// The object, if it is one of that kind.
    #[must_use]
    pub fn object(&self, kind: &str) -> Option<Cow<'_, Object>> {
        if self.kind() == kind { self.any_object() } else { None }
    }

    /// The instance, if it is one.
    #[must_use]
    pub fn instance(&self) -> Option<&Arc<Instance>> {
        match self {
            Self::Instance(instance) => Some(instance),
            Self::Text(_) | Self::Object(_) | Self::Packed(_) => None,
        }
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        (self.kind(), self.id()) == (other.kind(), other.id())
    }
}

impl Eq for Resource {}

impl Hash for Resource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.kind(), self.id()).hash(state);
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Object(_) | Self::Packed(_) => write!(f, "{} {}", self.kind(), self.id()),
            Self::Instance(instance) => write!(f, "instance {}", instance.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn kind_and_id_make_the_resource() {
        let object = |kind, id: &str, name: &str| {
            let attributes = [("name", name)].into_iter().collect();
            Resource::Object(Arc::new(Object { kind, id: id.into(), attributes, python_text: None }))
        };
        let image = object("image", "1", "old");
        let known: HashSet<_> = [image.clone(), Resource::text("1")].into();
        assert!(known.contains(&object("image", "1", "new")));
        assert!(
            !known.contains(&object("volume", "1", "old")) && !known.contains(&object("image", "2", "old"))
        );
        assert_eq!((image.to_string(), Resource::text("1").to_string()), ("image 1".into(), "\"1\"".into()));
        assert_eq!(image.object("image").unwrap().get("name"), Value::from("old"));
        assert_eq!(image.object("image").unwrap().get("size"), Value::Null);
        assert!(image.object("volume").is_none() && Resource::text("1").object("image").is_none());
        let attributes = [("name", "packed")].into_iter().collect();
        let packed = PackedObject::new("image", "1".into(), &["name"], attributes, &mut Vec::new());
        let packed = Resource::Packed(Arc::new(packed));
        assert!(known.contains(&packed) && packed.object("volume").is_none());
        assert_eq!((packed.to_string(), packed.python_text().as_ref()), ("image 1".into(), "1"));
        assert_eq!(packed.object("image").unwrap().get("name"), Value::from("packed"));
    }
}

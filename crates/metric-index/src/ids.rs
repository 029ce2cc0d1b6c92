//! Identifiers of resources.

use uuid::{Uuid, uuid};

/// Namespace of the ids that are made of other texts; Gnocchi's, and therefore fixed for ever.
const NAMESPACE: Uuid = uuid!("0a7a15ff-aa13-4ac2-897c-9bdf30ce175b");

/// The longest text, in characters, of which an id is made.
pub const MAX_ORIGINAL_ID: usize = 289;

/// Why a text cannot be a resource's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// It has a slash.
    #[error("'/' is not supported in resource id")]
    Slash,
    /// It is no UUID, and longer than [`MAX_ORIGINAL_ID`].
    #[error("transformable resource id >{MAX_ORIGINAL_ID} max allowed characters")]
    TooLong,
}

/// The id of the resource that `creator` calls `text`: the UUID that `text` spells, or one made of `text` and `creator`
/// (so that the same text means another resource to another creator).
pub fn resource_id(text: &str, creator: Option<&str>) -> Result<Uuid, IdError> {
    if text.contains('/') {
        return Err(IdError::Slash);
    }
    if let Some(id) = parse_uuid(text) {
        return Ok(id);
    }
    if text.chars().count() > MAX_ORIGINAL_ID {
        return Err(IdError::TooLong);
    }
    let name = format!("{text}\0{}", creator.unwrap_or("\0"));
    Ok(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
}

/// A UUID in any spelling that Python's `uuid.UUID` takes: hyphens anywhere or nowhere, in braces, as a URN.
pub fn parse_uuid(text: &str) -> Option<Uuid> {
    // As nearly everybody writes it.
    if text.len() == 36
        && let Ok(id) = Uuid::try_parse(text)
    {
        return Some(id);
    }
    let bare = text.replace("urn:", "").replace("uuid:", "");
    let digits: String =
        bare.trim_matches(['{', '}']).chars().filter(|character| *character != '-').collect();
    if digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Uuid::try_parse(&digits).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_known_creators() {
        for (text, creator, expected) in [
            ("1.2.3.4", Some("foobar"), "a9c729cc-d1b0-5e6b-b5ba-8b5a7f45f1fc"),
            ("foobar", Some("admin"), "b4d568e4-7af1-5aec-ac3f-9c09fa3685a9"),
            ("myvalue", Some("admin"), "6b9e2039-98d0-5d8d-9153-2d7491cf13e5"),
            ("foo bar é", Some("u1"), "5a8df9a1-4e23-5685-86fb-d4d184a6b844"),
            ("x", Some("u:p"), "dc4157d6-b7b2-56ea-9605-b5bc139feb38"),
            ("x", None, "c5e2a041-f6b6-5f09-bbb8-c00d4d2afc75"),
            ("instance-0001@cpu", Some("ceil:svc"), "d1fc672d-f10a-5d5c-a4ce-3ab83653b635"),
            ("", Some("admin"), "9401f543-d35f-5c9f-9795-0da86d27369f"),
        ] {
            assert_eq!(resource_id(text, creator).unwrap().to_string(), expected, "{text:?}");
        }
    }

    #[test]
    fn uuids_in_every_spelling_are_themselves() {
        let id = uuid!("5a8df9a1-4e23-5685-86fb-d4d184a6b844");
        for text in [
            "5a8df9a1-4e23-5685-86fb-d4d184a6b844",
            "5A8DF9A14E23568586FBD4D184A6B844",
            "{5a8df9a1-4e23-5685-86fb-d4d184a6b844}",
            "urn:uuid:5a8df9a1-4e23-5685-86fb-d4d184a6b844",
            "5-a8df9a14e23568586fbd4d184a6b84-4",
        ] {
            assert_eq!(resource_id(text, Some("u")), Ok(id), "{text}");
        }
    }

    #[test]
    fn refusals() {
        assert_eq!(resource_id("a/b", None), Err(IdError::Slash));
        assert_eq!(resource_id(&"é".repeat(290), None), Err(IdError::TooLong));
        assert!(resource_id(&"é".repeat(289), None).is_ok());
    }
}

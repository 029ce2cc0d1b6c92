//! [`SampleId`]: what tells a sample from all others.

use std::fmt;

use uuid::Uuid;

use crate::Text;
use crate::value::text_bytes;

/// A sample's own id: a text. That of a UUID, which nearly every id is, is kept as a number and written when it is wanted.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SampleId(Form);

/// A text that is a UUID's always is a [`Form::Uuid`], so that forms are equal when texts are.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Form {
    /// In lower case, with hyphens. As bytes, so that it fits beside a text.
    Uuid([u8; 16]),
    Text(Text),
}

impl SampleId {
    /// Gives the text to `take`.
    pub fn with_text<T>(&self, take: impl FnOnce(&str) -> T) -> T {
        match &self.0 {
            Form::Uuid(bytes) => {
                take(Uuid::from_bytes(*bytes).hyphenated().encode_lower(&mut Uuid::encode_buffer()))
            }
            Form::Text(text) => take(text),
        }
    }

    /// What it takes beside its own place, in bytes.
    pub(super) fn outside_bytes(&self) -> usize {
        match &self.0 {
            Form::Uuid(_) => 0,
            Form::Text(text) => text_bytes(text),
        }
    }
}

impl From<Uuid> for SampleId {
    fn from(uuid: Uuid) -> Self {
        Self(Form::Uuid(uuid.into_bytes()))
    }
}

impl From<&str> for SampleId {
    fn from(text: &str) -> Self {
        let uuid = Uuid::try_parse(text).ok().map(Self::from);
        // Other spellings of a UUID stay what they are.
        uuid.filter(|id| id.with_text(|own| own == text)).unwrap_or_else(|| Self(Form::Text(text.into())))
    }
}

impl From<String> for SampleId {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl fmt::Display for SampleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl fmt::Debug for SampleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| fmt::Debug::fmt(text, f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_text_that_it_was_made_of() {
        let uuid = "6f2f5a3e-0d0c-4b53-9a5f-3b8f3a0a4c1d";
        for text in
            [uuid, &uuid.to_uppercase(), &uuid.replace('-', ""), &format!("{{{uuid}}}"), "", "ID1", "ü"]
        {
            let id = SampleId::from(text);
            assert_eq!((id.to_string(), format!("{id:?}")), (text.to_owned(), format!("{text:?}")));
            assert_eq!(id == SampleId::from(uuid.parse::<Uuid>().unwrap()), text == uuid);
            assert_eq!(id, SampleId::from(text.to_owned()));
        }
        assert_eq!(size_of::<SampleId>(), size_of::<Text>());
    }
}

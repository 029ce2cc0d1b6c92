//! Resource types as they stand in the database.

use serde::{Deserialize, Serialize};

use crate::{Attribute, Error, ResourceType};

/// An attribute and the column that has its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredAttribute {
    #[serde(flatten)]
    pub(crate) attribute: Attribute,
    /// The number of the column.
    pub(crate) column: i64,
}

impl StoredAttribute {
    pub(crate) fn column_name(&self) -> String {
        format!("a{}", self.column)
    }
}

/// A row of `resource_type`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TypeRow {
    pub(crate) name: String,
    pub(crate) number: i64,
    pub(crate) attributes: Vec<StoredAttribute>,
    pub(crate) next_column: i64,
    pub(crate) state: String,
}

impl TypeRow {
    /// The columns in the order of [`Self::read`].
    pub(crate) const COLUMNS: &'static str = "name, number, attributes, next_column, state";

    pub(crate) fn read(row: &sql::Row) -> Result<Self, Error> {
        let attributes = serde_json::from_str(row.text(2)?).map_err(|error| Error::Stored {
            what: "attributes of a resource type",
            reason: error.to_string(),
        })?;
        Ok(Self {
            name: row.text(0)?.to_owned(),
            number: row.integer(1)?,
            attributes,
            next_column: row.integer(3)?,
            state: row.text(4)?.to_owned(),
        })
    }

    pub(crate) fn attributes_json(&self) -> Result<String, Error> {
        serde_json::to_string(&self.attributes).map_err(|error| Error::Stored {
            what: "attributes of a resource type",
            reason: error.to_string(),
        })
    }

    /// Its columns behind others: `, a1, a2`.
    pub(crate) fn more_columns(&self) -> String {
        self.attributes.iter().fold(String::new(), |text, stored| text + ", " + &stored.column_name())
    }

    pub(crate) fn find(&self, attribute: &str) -> Option<&StoredAttribute> {
        self.attributes.iter().find(|stored| stored.attribute.name == attribute)
    }

    pub(crate) fn to_record(&self) -> ResourceType {
        let attributes = self.attributes.iter().map(|stored| stored.attribute.clone()).collect();
        ResourceType { name: self.name.clone(), attributes, state: self.state.clone() }
    }
}

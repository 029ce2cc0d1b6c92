//! Resource types and the tables of their attributes.

use std::collections::BTreeSet;

use sql::{Dialect, Statement, Transaction};

use super::{Index, MAX_TEXT, check_text};
use crate::records::GENERIC;
use crate::type_row::{StoredAttribute, TypeRow};
use crate::{Attribute, Error, FilledAttribute, ResourceType, TypeChange};

/// Held by whoever changes tables.
const LOCK: &str = "metric-index types";
/// The state of a type that can be used.
const ACTIVE: &str = "active";
/// SQLite has tables of 2 000 columns, PostgreSQL of 1 600, those included that were removed.
const MAX_ATTRIBUTES: usize = 1_000;

impl Index {
    /// All resource types, by name.
    pub async fn resource_types(&self) -> Result<Vec<ResourceType>, Error> {
        self.database
            .read(|transaction| async move {
                let text = format!("SELECT {} FROM resource_type ORDER BY name", TypeRow::COLUMNS);
                let rows = transaction.query(text).await?;
                rows.iter().map(|row| TypeRow::read(row).map(|kind| kind.to_record())).collect()
            })
            .await
    }

    /// One resource type.
    ///
    /// # Errors
    /// [`Error::NoSuchResourceType`].
    pub async fn resource_type(&self, name: &str) -> Result<ResourceType, Error> {
        self.database
            .read(|transaction| async move { Ok(find(&transaction, name, Lock::None).await?.to_record()) })
            .await
    }

    /// Makes a resource type.
    ///
    /// # Errors
    /// [`Error::ResourceTypeAlreadyExists`].
    pub async fn create_resource_type(
        &self,
        name: &str,
        attributes: &[Attribute],
    ) -> Result<ResourceType, Error> {
        check_text("name", name, MAX_TEXT)?;
        check_count(name, attributes.len())?;
        check_unique(name, attributes.iter().map(|attribute| attribute.name.as_str()))?;
        self.database
            .change_schema(LOCK, |transaction| async move {
                let text = "SELECT name FROM resource_type WHERE name = $1";
                if transaction.query_one(Statement::new(text).bind(name)).await?.is_some() {
                    return Err(Error::ResourceTypeAlreadyExists(name.to_owned()));
                }
                let number = transaction.query_one("SELECT MAX(number) + 1 FROM resource_type").await?;
                let number = number.map_or(Ok(1), |row| row.integer(0))?;
                let mut kind = TypeRow {
                    name: name.to_owned(),
                    number,
                    attributes: Vec::new(),
                    next_column: 1,
                    state: ACTIVE.to_owned(),
                };
                for attribute in attributes {
                    kind.push(attribute.clone());
                }
                transaction.batch(&definition(&kind, transaction.dialect())).await?;
                let text =
                    format!("INSERT INTO resource_type ({}) VALUES ($1, $2, $3, $4, $5)", TypeRow::COLUMNS);
                let statement = Statement::new(text).bind(name).bind(number).bind(kind.attributes_json()?);
                transaction.execute(statement.bind(kind.next_column).bind(ACTIVE)).await?;
                Ok(kind.to_record())
            })
            .await
    }

    /// Changes a type's attributes, in all its resources and their revisions, and returns it.
    ///
    /// # Errors
    /// [`Error::NoSuchResourceType`], [`Error::NoSuchAttribute`], [`Error::AttributeAlreadyExists`],
    /// [`Error::AttributeKindChange`], [`Error::InvalidFill`].
    pub async fn update_resource_type(&self, name: &str, change: &TypeChange) -> Result<ResourceType, Error> {
        for filled in change.add.iter().chain(&change.update) {
            check_fill(filled)?;
        }
        if *change == TypeChange::default() {
            return self.resource_type(name).await;
        }
        self.database
            .change_schema(LOCK, |transaction| async move {
                let mut kind = active(&transaction, name, Lock::Alone).await?;
                check_count(name, kind.attributes.len() + change.add.len())?;
                apply(&transaction, &mut kind, change).await?;
                let text = "UPDATE resource_type SET attributes = $1, next_column = $2 WHERE name = $3";
                let statement = Statement::new(text).bind(kind.attributes_json()?).bind(kind.next_column);
                transaction.execute(statement.bind(name)).await?;
                Ok(kind.to_record())
            })
            .await
    }

    /// Deletes a type that no resource and no revision is of.
    ///
    /// # Errors
    /// [`Error::NoSuchResourceType`]; [`Error::ResourceTypeInUse`], always for `generic`.
    pub async fn delete_resource_type(&self, name: &str) -> Result<(), Error> {
        if name == GENERIC {
            return Err(Error::ResourceTypeInUse(name.to_owned()));
        }
        self.database
            .change_schema(LOCK, |transaction| async move {
                let kind = find(&transaction, name, Lock::Alone).await?;
                for table in ["resource", "resource_history"] {
                    let text = format!("SELECT 1 FROM {table} WHERE type = $1 LIMIT 1");
                    if transaction.query_one(Statement::new(text).bind(name)).await?.is_some() {
                        return Err(Error::ResourceTypeInUse(name.to_owned()));
                    }
                }
                let statement = Statement::new("DELETE FROM resource_type WHERE name = $1").bind(name);
                transaction.execute(statement).await?;
                let number = kind.number;
                transaction.batch(&format!("DROP TABLE rt_{number}_history; DROP TABLE rt_{number}")).await?;
                Ok(())
            })
            .await
    }
}

/// How a type's row is kept from being changed until the transaction ends. SQLite has one writer anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// Not at all: for those who only read.
    None,
    /// Nobody changes it: for those who write what depends on it.
    Shared,
    /// Nobody else depends on it: for those who change it.
    Alone,
}

/// A type in any state, inside of a transaction.
pub(super) async fn find(transaction: &Transaction, name: &str, lock: Lock) -> Result<TypeRow, Error> {
    let clause = match (transaction.dialect(), lock) {
        (Dialect::PostgreSql, Lock::Shared) => " FOR SHARE",
        (Dialect::PostgreSql, Lock::Alone) => " FOR UPDATE",
        _ => "",
    };
    let text = format!("SELECT {} FROM resource_type WHERE name = $1{clause}", TypeRow::COLUMNS);
    let unknown = || Error::NoSuchResourceType(name.to_owned());
    if name.contains('\0') {
        return Err(unknown());
    }
    let row = transaction.query_one(Statement::new(text).bind(name)).await?;
    TypeRow::read(&row.ok_or_else(unknown)?)
}

/// A type that can be used, inside of a transaction.
pub(super) async fn active(transaction: &Transaction, name: &str, lock: Lock) -> Result<TypeRow, Error> {
    let kind = find(transaction, name, lock).await?;
    if kind.state == ACTIVE {
        return Ok(kind);
    }
    Err(Error::UnexpectedResourceTypeState { name: kind.name, expected: ACTIVE, state: kind.state })
}

impl TypeRow {
    fn push(&mut self, attribute: Attribute) -> StoredAttribute {
        let stored = StoredAttribute { attribute, column: self.next_column };
        self.next_column += 1;
        self.attributes.push(stored.clone());
        stored
    }

    /// The tables of its attributes: of resources, and of revisions.
    fn tables(&self) -> [String; 2] {
        [format!("rt_{}", self.number), format!("rt_{}_history", self.number)]
    }
}

/// The statements that make a type's tables.
fn definition(kind: &TypeRow, dialect: Dialect) -> String {
    let columns = kind.attributes.iter().fold(String::new(), |text, stored| {
        text + ", " + &stored.column_name() + " " + stored.attribute.kind.column_type()
    });
    let [present, past] = kind.tables();
    let mut text = format!(
        "CREATE TABLE {present} (id {{uuid}} PRIMARY KEY NOT NULL REFERENCES resource (id) ON DELETE CASCADE{columns}) \
         {{strict}};
         CREATE TABLE {past} (revision {{integer}} PRIMARY KEY NOT NULL REFERENCES resource_history (revision) ON DELETE \
         CASCADE{columns}) {{strict}};"
    );
    for stored in &kind.attributes {
        for table in [&present, &past] {
            text.push_str(&index_definition(table, stored));
        }
    }
    dialect.expand(&text)
}

fn index_definition(table: &str, stored: &StoredAttribute) -> String {
    let column = stored.column_name();
    if stored.attribute.kind.is_selective() {
        format!("CREATE INDEX {table}_{column} ON {table} ({column});")
    } else {
        String::new()
    }
}

fn check_unique<'a>(name: &str, attributes: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for attribute in attributes {
        if !seen.insert(attribute) {
            let attribute = attribute.to_owned();
            return Err(Error::AttributeAlreadyExists { resource_type: name.to_owned(), attribute });
        }
    }
    Ok(())
}

fn check_fill(filled: &FilledAttribute) -> Result<(), Error> {
    let attribute = &filled.attribute;
    let refused =
        |reason: &str| Error::InvalidFill { name: attribute.name.clone(), reason: reason.to_owned() };
    match &filled.fill {
        None if attribute.required => Err(refused("must not be empty if required=True")),
        Some(value) if !value.fits(&attribute.kind) => {
            Err(refused(&format!("expected {}", attribute.kind.name())))
        }
        _ => Ok(()),
    }
}

async fn apply(transaction: &Transaction, kind: &mut TypeRow, change: &TypeChange) -> Result<(), Error> {
    let tables = kind.tables();
    for name in &change.delete {
        let stored = position(kind, name).map(|position| kind.attributes.remove(position))?;
        let column = stored.column_name();
        for table in &tables {
            let mut text = String::new();
            if stored.attribute.kind.is_selective() {
                text = format!("DROP INDEX {table}_{column};");
            }
            transaction.batch(&format!("{text} ALTER TABLE {table} DROP COLUMN {column}")).await?;
        }
    }
    // Those that are updated stand behind those that are added, as Gnocchi has them.
    let mut updated = Vec::new();
    for FilledAttribute { attribute, fill } in &change.update {
        let mut stored = position(kind, &attribute.name).map(|position| kind.attributes.remove(position))?;
        let (from, to) = (stored.attribute.kind.name(), attribute.kind.name());
        if from != to {
            return Err(Error::AttributeKindChange {
                from,
                to,
                attribute: attribute.name.clone(),
                resource_type: kind.name.clone(),
            });
        }
        stored.attribute = attribute.clone();
        if let Some(fill) = fill {
            let column = stored.column_name();
            for table in &tables {
                let text = format!("UPDATE {table} SET {column} = $1 WHERE {column} IS NULL");
                transaction.execute(Statement::new(text).bind(fill.column())).await?;
            }
        }
        updated.push(stored);
    }
    for FilledAttribute { attribute, fill } in &change.add {
        let taken = kind.find(&attribute.name).is_some()
            || updated.iter().any(|stored| stored.attribute.name == attribute.name);
        if taken {
            let (resource_type, attribute) = (kind.name.clone(), attribute.name.clone());
            return Err(Error::AttributeAlreadyExists { resource_type, attribute });
        }
        let stored = kind.push(attribute.clone());
        let column = stored.column_name();
        for table in &tables {
            let text = format!("ALTER TABLE {table} ADD COLUMN {column} {}", attribute.kind.column_type());
            transaction.batch(&transaction.dialect().expand(&text)).await?;
            if let Some(fill) = fill {
                let text = format!("UPDATE {table} SET {column} = $1");
                transaction.execute(Statement::new(text).bind(fill.column())).await?;
            }
            transaction.batch(&index_definition(table, &stored)).await?;
        }
    }
    kind.attributes.extend(updated);
    Ok(())
}

fn check_count(name: &str, found: usize) -> Result<(), Error> {
    if found > MAX_ATTRIBUTES {
        return Err(Error::TooManyAttributes { name: name.to_owned(), found, limit: MAX_ATTRIBUTES });
    }
    Ok(())
}

fn position(kind: &TypeRow, attribute: &str) -> Result<usize, Error> {
    let found = kind.attributes.iter().position(|stored| stored.attribute.name == attribute);
    found.ok_or_else(|| Error::NoSuchAttribute {
        resource_type: kind.name.clone(),
        attribute: attribute.to_owned(),
    })
}

//! Values on PostgreSQL's wire.

use std::error::Error as StdError;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use crate::Value;

type Failure = Box<dyn StdError + Sync + Send>;

impl ToSql for Value {
    fn to_sql(&self, column: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        let refused = || format!("a value of kind {} does not fit the type {column}", self.kind());
        match (self, column) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Integer(value), &Type::INT8) => value.to_sql(column, out),
            (Self::Integer(value), &Type::INT4) => i32::try_from(*value)?.to_sql(column, out),
            (Self::Integer(value), &Type::INT2) => i16::try_from(*value)?.to_sql(column, out),
            (Self::Real(value), &Type::FLOAT8) => value.to_sql(column, out),
            (Self::Text(value), _) if <&str as ToSql>::accepts(column) => value.as_str().to_sql(column, out),
            (Self::Blob(value), &Type::BYTEA) => value.as_slice().to_sql(column, out),
            (Self::Uuid(value), &Type::UUID) => {
                out.extend_from_slice(value.as_bytes());
                Ok(IsNull::No)
            }
            (Self::Bool(value), &Type::BOOL) => value.to_sql(column, out),
            _ => Err(refused().into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(column: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(match *column {
            Type::INT8 => Self::Integer(i64::from_sql(column, raw)?),
            Type::INT4 => Self::Integer(i32::from_sql(column, raw)?.into()),
            Type::INT2 => Self::Integer(i16::from_sql(column, raw)?.into()),
            Type::FLOAT8 => Self::Real(f64::from_sql(column, raw)?),
            Type::FLOAT4 => Self::Real(f32::from_sql(column, raw)?.into()),
            Type::BYTEA => Self::Blob(raw.to_vec()),
            Type::UUID => Self::Uuid(Uuid::from_slice(raw)?),
            Type::BOOL => Self::Bool(bool::from_sql(column, raw)?),
            Type::VOID => Self::Null,
            _ if <&str as FromSql<'_>>::accepts(column) => {
                Self::Text(<&str>::from_sql(column, raw)?.to_owned())
            }
            _ => return Err(format!("the type {column} is not read").into()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failure> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

//! Whether data fits a schema that the registry has, and not its own.
//!
//! The encoding finds fields by their names and refuses what a type cannot hold. What it
//! would not see is looked at here, once for each schema.

use crate::data::DataError;
use crate::data::logical::{Logical, scale_of};
use crate::data::schema::{Kind, Schema, SchemaRef};

/// What a field is called there that has another name here.
pub(in crate::convert) type Renamed<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Refuses what would change its meaning in silence; `strict` also what would be left
/// out.
pub(in crate::convert) fn check(
    own: &SchemaRef,
    theirs: &SchemaRef,
    strict: bool,
    renamed: Renamed<'_>,
) -> Result<(), DataError> {
    let (one, other) = (own.logical(), theirs.logical());
    if one != other {
        return Err(DataError(format!("data is {own}, and the schema has {theirs}")));
    }
    if one == Some(Logical::Decimal) && scale_of(own)? != scale_of(theirs)? {
        return Err(DataError(format!(
            "decimals have the scale {}, and the schema has {}",
            scale_of(own)?,
            scale_of(theirs)?
        )));
    }
    for (one, other) in [(&own.key, &theirs.key), (&own.element, &theirs.element)] {
        if let (Some(one), Some(other)) = (one, other) {
            check(one, other, strict, renamed)?;
        }
    }
    if own.kind == Kind::Struct && theirs.kind == Kind::Struct {
        fields(own, theirs, strict, renamed)?;
    }
    Ok(())
}

fn fields(
    own: &Schema,
    theirs: &Schema,
    strict: bool,
    renamed: Renamed<'_>,
) -> Result<(), DataError> {
    for (name, field) in &own.fields {
        let other = || theirs.fields.get(&renamed(name)?);
        match theirs.fields.get(name).or_else(other) {
            Some(other) => check(field, other, strict, renamed)
                .map_err(|error| DataError(format!("`{name}`: {error}")))?,
            None if strict => {
                return Err(DataError(format!(
                    "it has no field `{name}`, which the data has; \
                     `latest.compatibility.strict=false` leaves such out"
                )));
            }
            None => {}
        }
    }
    Ok(())
}

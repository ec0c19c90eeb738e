//! `base/schemas`.

use crate::fault::Detail;
use crate::testkit::with_world;
use crate::values::Schema;

pub(crate) fn get(id: u32) -> String {
    with_world(|world| world.schemas[id as usize - 1].clone())
}

pub(crate) fn define(schema: &str) -> Result<u32, Detail> {
    Schema::from_json(schema).map_err(|error| Detail::new("schema", error))?;
    with_world(|world| {
        let known = world.schemas.iter().position(|known| known == schema);
        let at = known.unwrap_or_else(|| {
            world.schemas.push(schema.to_owned());
            world.schemas.len() - 1
        });
        Ok(at as u32 + 1)
    })
}

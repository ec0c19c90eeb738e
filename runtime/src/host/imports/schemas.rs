//! `base/schemas`: the schemas of what crosses in the form `values`.

use wasmtime::bail;

use crate::host::bindings::describe::longshore::base::schemas;
use crate::host::bindings::types;
use crate::host::guest::Guest;

impl schemas::Host for Guest {
    fn get(&mut self, id: u32) -> wasmtime::Result<String> {
        match self.schemas.get(id) {
            Some((_, text)) => Ok(text.to_string()),
            None => bail!("schemas.get names {id}, which is no schema's id"),
        }
    }

    fn define(&mut self, schema: String) -> wasmtime::Result<Result<u32, types::Detail>> {
        Ok(self.schemas.define(&schema).map_err(|error| types::Detail {
            code: "schema".to_owned(),
            message: error.to_string(),
        }))
    }
}

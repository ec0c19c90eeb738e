//! `base/batches`: what a sink and a processor read records from.

use wasmtime::component::Resource;

use crate::host::bindings::describe::longshore::base::batches;
use crate::host::bindings::types;
use crate::host::convert;
use crate::host::guest::Guest;
use crate::host::records::HeldRecords;

impl batches::Host for Guest {}

impl batches::HostRecords for Guest {
    fn count(&mut self, records: Resource<HeldRecords>) -> wasmtime::Result<u32> {
        Ok(u32::try_from(self.table.get(&records)?.shown().len())?)
    }

    fn columns(&mut self, records: Resource<HeldRecords>) -> wasmtime::Result<types::Columns> {
        let records = self.table.get(&records)?;
        let columns = convert::into_columns(records.shown().columns.clone());
        Ok(match &records.values {
            None => columns,
            Some(values) => types::Columns {
                key_schema: values.key_schema.clone(),
                value_schema: values.value_schema.clone(),
                ..columns
            },
        })
    }

    fn headers(&mut self, records: Resource<HeldRecords>) -> wasmtime::Result<types::Headers> {
        Ok(convert::into_headers(self.table.get(&records)?.shown().headers.clone()))
    }

    fn arena(&mut self, records: Resource<HeldRecords>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.table.get(&records)?.shown().arena.clone())
    }

    fn drop(&mut self, records: Resource<HeldRecords>) -> wasmtime::Result<()> {
        self.table.delete(records)?;
        Ok(())
    }
}

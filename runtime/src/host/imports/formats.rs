//! `formats/formats`: native writers behind handles.
#![allow(unreachable_pub, reason = "the generated code exports its resources' types again")]

use wasmtime::bail;
use wasmtime::component::Resource;

use crate::format::{FormatError, Writer};
use crate::host::bindings::describe::longshore::formats::formats;
use crate::host::bindings::types;
use crate::host::guest::Guest;
use crate::host::limits::FORMAT_BYTES_MAX;
use crate::host::records::HeldRecords;

/// What a `writer` resource is.
#[derive(Debug)]
pub struct HostWriter(pub(super) Writer);

impl formats::Host for Guest {}

impl formats::HostWriter for Guest {
    fn create(
        &mut self,
        format: String,
        options: String,
    ) -> wasmtime::Result<Result<Resource<HostWriter>, types::Fault>> {
        match Writer::create(&format, &options) {
            Ok(writer) => Ok(Ok(self.table.push(HostWriter(writer))?)),
            Err(error) => Ok(Err(format_fault(&error))),
        }
    }

    fn append(
        &mut self,
        writer: Resource<HostWriter>,
        records: Resource<HeldRecords>,
        which: Vec<u32>,
    ) -> wasmtime::Result<Result<Vec<types::Reject>, types::Fault>> {
        let HeldRecords { batch, converters, unread, .. } = self.table.get(&records)?;
        let (batch, converters, unread) = (batch.clone(), converters.clone(), unread.clone());
        if let Some(at) = which.iter().find(|at| **at as usize >= batch.len()) {
            bail!("writer.append names record {at} of a batch of {}", batch.len());
        }
        // A record that is named over and over would be encoded without end.
        if !which.is_sorted_by(|before, after| before < after) {
            bail!("writer.append names records that are not in rising order");
        }
        let writer = &mut self.table.get_mut(&writer)?.0;
        let before = writer.buffered();
        let rejects = writer.append(&batch, &converters, &which);
        unread.note(rejects.iter().filter_map(|reject| Some((reject.at, reject.part?))));
        self.encoded += writer.buffered() - before;
        if self.encoded > FORMAT_BYTES_MAX {
            bail!(
                "its writers hold {} bytes, and may hold {FORMAT_BYTES_MAX} before an upload \
                 takes them",
                self.encoded
            );
        }
        Ok(Ok(rejects
            .into_iter()
            .map(|reject| types::Reject {
                at: reject.at,
                why: types::Detail { code: reject.code.to_owned(), message: reject.message },
            })
            .collect()))
    }

    fn size(&mut self, writer: Resource<HostWriter>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&writer)?.0.size())
    }

    fn drop(&mut self, writer: Resource<HostWriter>) -> wasmtime::Result<()> {
        self.encoded -= self.table.delete(writer)?.0.buffered();
        Ok(())
    }
}

/// A wrong format or option is the user's to change.
pub(super) fn format_fault(error: &FormatError) -> types::Fault {
    types::Fault::Config(types::Detail { code: "format".to_owned(), message: error.to_string() })
}

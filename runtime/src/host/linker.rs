//! All imports that a plugin can have. What a component does not import costs
//! it nothing; what it imports beyond these makes it no plugin.

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use super::bindings::describe::longshore::base::{
    batches, checkpoints, host, schemas, state, transactions,
};
use super::bindings::describe::longshore::formats::formats;
use super::bindings::describe::longshore::object_store::store;
use super::bindings::http::longshore::http::client;
use super::guest::Guest;

pub(super) fn all(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    batches::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    checkpoints::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    host::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    schemas::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    state::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    transactions::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    formats::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    client::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    store::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    #[cfg(feature = "search")]
    super::bindings::search::longshore::search::index::add_to_linker::<_, HasSelf<Guest>>(
        &mut linker,
        |guest| guest,
    )?;
    #[cfg(feature = "sql")]
    super::bindings::sql::longshore::sql::session::add_to_linker::<_, HasSelf<Guest>>(
        &mut linker,
        |guest| guest,
    )?;
    #[cfg(feature = "sns")]
    super::bindings::sns::longshore::sns::topics::add_to_linker::<_, HasSelf<Guest>>(
        &mut linker,
        |guest| guest,
    )?;
    #[cfg(feature = "sqs")]
    super::imports::sqs::add_to_linker(&mut linker)?;
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    Ok(linker)
}

//! What `wit-bindgen` makes of the contract. Generated code: nothing else of the
//! SDK is unsafe, and no plugin sees it.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all)]

pub mod source {
    wit_bindgen::generate!({
        world: "source-plugin",
        path: "../wit",
        pub_export_macro: true,
        export_macro_name: "export_source_plugin",
        default_bindings_module: "longshore_sdk::bindings::source",
        runtime_path: "longshore_sdk::wit_bindgen::rt",
        generate_all,
    });
}

//! What `wit-bindgen` makes of the contract. Generated code: nothing else of the
//! SDK is unsafe.
//!
//! The contract's worlds are cut into the part that all share and one part for
//! each role, since generated macros have one namespace; a component is the
//! union of the parts that it exports. The first is generated whole, the others
//! share its types and imports: a batch is one type whatever the role.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all)]

pub mod describe {
    wit_bindgen::generate!({
        inline: "package longshore:parts-describe;
            world describe-part {
                import longshore:base/host@0.1.0;
                import longshore:base/schemas@0.1.0;
                import longshore:base/checkpoints@0.1.0;
                import longshore:base/state@0.1.0;
                import longshore:base/transactions@0.1.0;
                import longshore:formats/formats@0.1.0;
                import longshore:http/client@0.1.0;
                import longshore:object-store/store@0.1.0;
                import longshore:search/index@0.1.0;
                import longshore:sns/topics@0.1.0;
                import longshore:sql/session@0.1.0;
                import longshore:sqs/queues@0.1.0;
                export longshore:connector/describe@0.1.0;
            }",
        path: "../wit",
        pub_export_macro: true,
        export_macro_name: "export_describe_part",
        default_bindings_module: "longshore_sdk::bindings::describe",
        runtime_path: "longshore_sdk::wit_bindgen::rt",
        additional_derives: [PartialEq, Eq, PartialOrd, Ord, Hash],
        // Floats have neither an order nor a hash.
        additional_derives_ignore: ["cells", "column"],
        generate_unused_types: true,
        generate_all,
    });
}

pub mod source {
    wit_bindgen::generate!({
        inline: "package longshore:parts-source;
            world source-part { export longshore:connector/source@0.1.0; }",
        path: "../wit",
        pub_export_macro: true,
        export_macro_name: "export_source_part",
        default_bindings_module: "longshore_sdk::bindings::source",
        runtime_path: "longshore_sdk::wit_bindgen::rt",
        additional_derives: [PartialEq, Eq, PartialOrd, Ord, Hash],
        with: {
            "longshore:base/types@0.1.0": longshore_sdk::bindings::describe::longshore::base::types,
            "longshore:connector/source@0.1.0": generate,
        },
    });
}

pub mod sink {
    wit_bindgen::generate!({
        inline: "package longshore:parts-sink;
            world sink-part { export longshore:connector/sink@0.1.0; }",
        path: "../wit",
        pub_export_macro: true,
        export_macro_name: "export_sink_part",
        default_bindings_module: "longshore_sdk::bindings::sink",
        runtime_path: "longshore_sdk::wit_bindgen::rt",
        additional_derives: [PartialEq, Eq, PartialOrd, Ord, Hash],
        with: {
            "longshore:base/types@0.1.0": longshore_sdk::bindings::describe::longshore::base::types,
            "longshore:base/batches@0.1.0": longshore_sdk::bindings::describe::longshore::base::batches,
            "longshore:connector/sink@0.1.0": generate,
        },
    });
}

pub mod processor {
    wit_bindgen::generate!({
        inline: "package longshore:parts-processor;
            world processor-part { export longshore:connector/processor@0.1.0; }",
        path: "../wit",
        pub_export_macro: true,
        export_macro_name: "export_processor_part",
        default_bindings_module: "longshore_sdk::bindings::processor",
        runtime_path: "longshore_sdk::wit_bindgen::rt",
        additional_derives: [PartialEq, Eq, PartialOrd, Ord, Hash],
        with: {
            "longshore:base/types@0.1.0": longshore_sdk::bindings::describe::longshore::base::types,
            "longshore:base/batches@0.1.0": longshore_sdk::bindings::describe::longshore::base::batches,
            "longshore:connector/processor@0.1.0": generate,
        },
    });
}

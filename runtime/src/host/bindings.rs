//! What `wasmtime` makes of the contract. Generated code.
//!
//! Cut as the SDK cuts it: the imports and `describe`, which every plugin has,
//! and one part for each role. All parts share one set of types.
#![allow(missing_docs, unreachable_pub, clippy::all)]

pub(super) mod describe {
    wasmtime::component::bindgen!({
        inline: "package longshore:parts-describe;
            world describe-part {
                import longshore:base/host@0.1.0;
                import longshore:base/schemas@0.1.0;
                import longshore:base/checkpoints@0.1.0;
                import longshore:base/state@0.1.0;
                import longshore:base/transactions@0.1.0;
                import longshore:formats/formats@0.1.0;
                import longshore:object-store/store@0.1.0;
                export longshore:connector/describe@0.1.0;
            }",
        path: "../plugins/wit",
        world: "longshore:parts-describe/describe-part",
        imports: {
            "longshore:object-store/store@0.1.0": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "longshore:base/batches@0.1.0.records": crate::host::records::HeldRecords,
            "longshore:formats/formats@0.1.0.writer": crate::host::imports::formats::HostWriter,
            "longshore:object-store/store@0.1.0.bucket": crate::host::imports::objects::HostBucket,
            "longshore:object-store/store@0.1.0.blob": crate::host::imports::objects::HostBlob,
            "longshore:object-store/store@0.1.0.scan": crate::host::imports::objects::HostScan,
            "longshore:object-store/store@0.1.0.upload": crate::host::imports::objects::HostUpload,
        },
    });
}

pub(super) mod http {
    wasmtime::component::bindgen!({
        inline: "package longshore:parts-http;
            world http-part { import longshore:http/client@0.1.0; }",
        path: "../plugins/wit",
        world: "longshore:parts-http/http-part",
        imports: { default: async | trappable },
        with: {
            "longshore:base/types@0.1.0": crate::host::bindings::describe::longshore::base::types,
            "longshore:http/client@0.1.0.endpoint": crate::host::imports::http::HostEndpoint,
        },
    });
}

/// Each driver that can be left out has a part of its own.
#[cfg(feature = "search")]
pub(super) mod search {
    wasmtime::component::bindgen!({
        inline: "package longshore:parts-search;
            world search-part { import longshore:search/index@0.1.0; }",
        path: "../plugins/wit",
        world: "longshore:parts-search/search-part",
        imports: { default: async | trappable },
        with: {
            "longshore:base/types@0.1.0": crate::host::bindings::describe::longshore::base::types,
            "longshore:search/index@0.1.0.cluster": crate::host::imports::search::HostCluster,
        },
    });
}

#[cfg(feature = "sns")]
pub(super) mod sns {
    wasmtime::component::bindgen!({
        inline: "package longshore:parts-sns;
            world sns-part { import longshore:sns/topics@0.1.0; }",
        path: "../plugins/wit",
        world: "longshore:parts-sns/sns-part",
        imports: { default: async | trappable },
        with: {
            "longshore:base/types@0.1.0": crate::host::bindings::describe::longshore::base::types,
            "longshore:aws/messages@0.1.0": crate::host::bindings::sqs::longshore::aws::messages,
            "longshore:sns/topics@0.1.0.topic": crate::host::imports::sns::HostTopic,
        },
    });
}

#[cfg(feature = "sql")]
pub(super) mod sql {
    wasmtime::component::bindgen!({
        inline: "package longshore:parts-sql;
            world sql-part { import longshore:sql/session@0.1.0; }",
        path: "../plugins/wit",
        world: "longshore:parts-sql/sql-part",
        imports: { default: async | trappable },
        with: {
            "longshore:base/types@0.1.0": crate::host::bindings::describe::longshore::base::types,
            "longshore:sql/session@0.1.0.database": crate::host::imports::sql::HostDatabase,
            "longshore:sql/session@0.1.0.transaction": crate::host::imports::sql::HostTransaction,
        },
    });
}

#[cfg(feature = "sqs")]
pub(super) mod sqs {
    wasmtime::component::bindgen!({
        inline: "package longshore:parts-sqs;
            world sqs-part { import longshore:sqs/queues@0.1.0; }",
        path: "../plugins/wit",
        world: "longshore:parts-sqs/sqs-part",
        imports: { default: async | trappable },
        with: {
            "longshore:base/types@0.1.0": crate::host::bindings::describe::longshore::base::types,
            "longshore:sqs/queues@0.1.0.queue": crate::host::imports::sqs::HostQueue,
        },
    });
}

pub(super) mod source {
    wasmtime::component::bindgen!({
        inline: "package longshore:parts-source;
            world source-part { export longshore:connector/source@0.1.0; }",
        path: "../plugins/wit",
        world: "longshore:parts-source/source-part",
        exports: { default: async },
        with: {
            "longshore:base/types@0.1.0": crate::host::bindings::describe::longshore::base::types,
        },
    });
}

pub(super) mod sink {
    wasmtime::component::bindgen!({
        inline: "package longshore:parts-sink;
            world sink-part { export longshore:connector/sink@0.1.0; }",
        path: "../plugins/wit",
        world: "longshore:parts-sink/sink-part",
        exports: { default: async },
        with: {
            "longshore:base/types@0.1.0": crate::host::bindings::describe::longshore::base::types,
            "longshore:base/batches@0.1.0": crate::host::bindings::describe::longshore::base::batches,
        },
    });
}

pub(super) mod processor {
    wasmtime::component::bindgen!({
        inline: "package longshore:parts-processor;
            world processor-part { export longshore:connector/processor@0.1.0; }",
        path: "../plugins/wit",
        world: "longshore:parts-processor/processor-part",
        exports: { default: async },
        with: {
            "longshore:base/types@0.1.0": crate::host::bindings::describe::longshore::base::types,
            "longshore:base/batches@0.1.0": crate::host::bindings::describe::longshore::base::batches,
        },
    });
}

pub(super) use describe::longshore::base::types;

//! `/openapi.json`: the API described from the routes themselves and the types that
//! they answer with.

use std::sync::{Arc, OnceLock};

use axum::Json;
use axum::http::Method;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::ErrorBody;
use super::routes::{About, Operation, Routes};

const SCHEMAS: &str = "/components/schemas";

/// The routes with one more, which describes them all.
pub(super) fn described(routes: Routes) -> Routes {
    let document: Arc<OnceLock<Value>> = Arc::default();
    let answer = {
        let document = document.clone();
        move || {
            let document = document.clone();
            async move { Json(document.get().cloned().unwrap_or_default()) }
        }
    };
    let about = About::new("This document").answers::<Map<String, Value>>(200);
    let routes = routes.on(Method::GET, "/openapi.json", answer, about);
    // It is set once.
    let _ = document.set(document_of(&routes.operations));
    routes
}

fn document_of(operations: &[Operation]) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = SCHEMAS.into();
    let mut generator = settings.into_generator();
    let error = content(&generator.subschema_for::<ErrorBody>());
    let mut paths = Map::new();
    for operation in operations {
        let method = operation.method.as_str().to_ascii_lowercase();
        let described = describe(operation, &error, &mut generator);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[method] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Longshore",
            "description": "Connectors of a fleet of workers: Kafka Connect's REST API, and more.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "basic": { "type": "http", "scheme": "basic" },
                "bearer": { "type": "http", "scheme": "bearer" },
            },
        },
        // The last: a worker that knows no users asks nobody.
        "security": [{ "basic": [] }, { "bearer": [] }, {}],
    })
}

fn content(schema: &Schema) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn describe(operation: &Operation, error: &Value, generator: &mut SchemaGenerator) -> Value {
    let About { summary, query, body, answers } = &operation.about;
    let in_path = operation.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        let schema = json!({ "type": "string" });
        Some(json!({ "name": name, "in": "path", "required": true, "schema": schema }))
    });
    let in_query = query.iter().map(|(name, does)| {
        let schema = json!({ "type": "string" });
        json!({ "name": name, "in": "query", "description": does, "schema": schema })
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let mut responses = Map::new();
    for (status, shape) in answers {
        let mut response = json!({ "description": "It is done" });
        if let Some(shape) = shape {
            response["content"] = content(&shape(generator));
        }
        responses.insert(status.to_string(), response);
    }
    let failed = json!({ "description": "It is not done, and why", "content": error });
    responses.insert("default".to_owned(), failed);
    let mut described =
        json!({ "summary": summary, "parameters": parameters, "responses": responses });
    if let Some(shape) = body {
        described["requestBody"] =
            json!({ "required": true, "content": content(&shape(generator)) });
    }
    described
}

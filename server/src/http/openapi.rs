//! The OpenAPI 3.1 document, made from the routes that are mounted.

use http::Method;
use serde_json::{Map, Value, json};

use super::{
    access::Permission,
    route::{Registered, Shape},
};

/// The document.
pub fn document(routes: &[Registered]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas: Map<String, Value> = Map::new();
    keep(&mut schemas, &Shape::of::<spillway_api::Problem>());
    // It contains itself, so the types that hold it stop before it.
    keep(&mut schemas, &Shape::of::<spillway_api::AttributeValue>());
    for route in routes {
        let operation = operation(route, &mut schemas);
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        item[method_name(&route.method)] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Spillway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Traces, live topology and programmable load shedding. Errors are RFC 9457 problem details, but on the OTLP endpoints, which answer with google.rpc.Status.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "admin": { "type": "http", "scheme": "bearer", "description": "The admin token. Browsers exchange it for a cookie at /api/v1/session." },
                "ingest": { "type": "http", "scheme": "bearer", "description": "The ingest key." },
                "signature": { "type": "apiKey", "in": "header", "name": "webhook-signature", "description": "HMAC-SHA256 of the body as Standard Webhooks, GitHub (x-hub-signature-256) or Grafana (x-grafana-alerting-signature) make it, with one of `webhooks.secrets`." }
            }
        }
    })
}

fn method_name(method: &Method) -> String {
    method.as_str().to_ascii_lowercase()
}

fn keep(schemas: &mut Map<String, Value>, shape: &Shape) {
    for (name, schema) in &shape.components {
        schemas.insert(name.clone(), serde_json::to_value(schema).expect("a schema is plain JSON"));
    }
}

fn content(content_type: &str, shape: Option<&Shape>, schemas: &mut Map<String, Value>) -> Value {
    match shape {
        None => json!({ content_type: {} }),
        Some(shape) => {
            keep(schemas, shape);
            json!({ content_type: { "schema": { "$ref": format!("#/components/schemas/{}", shape.name) } } })
        }
    }
}

fn operation(route: &Registered, schemas: &mut Map<String, Value>) -> Value {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    parameters.extend(route.doc.parameters.iter().map(|parameter| {
        json!({ "name": parameter.name, "in": "query", "required": parameter.required, "description": parameter.help, "schema": { "type": "string" } })
    }));
    let (status, body) = &route.doc.response;
    let mut success = json!({ "description": status.canonical_reason().unwrap_or("Success") });
    if let Some((content_type, shape)) = body {
        success["content"] = content(content_type, shape.as_ref(), schemas);
    }
    let problem = json!({
        "description": "What went wrong, and where",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
    });
    let security = match route.permission {
        Permission::Public => json!([]),
        Permission::Read | Permission::Change => json!([{ "admin": [] }]),
        Permission::Ingest => json!([{ "ingest": [] }]),
        Permission::Webhook => json!([{ "ingest": [] }, { "signature": [] }]),
    };
    let mut operation = json!({
        "summary": route.doc.summary,
        "operationId": operation_id(route),
        "parameters": parameters,
        "responses": { status.as_str(): success, "default": problem },
        "security": security
    });
    if let Some((content_type, shape)) = &route.doc.request {
        operation["requestBody"] =
            json!({ "required": true, "content": content(content_type, shape.as_ref(), schemas) });
    }
    operation
}

fn operation_id(route: &Registered) -> String {
    let path: Vec<&str> =
        route.path.split(['/', '{', '}', '.']).filter(|part| !part.is_empty() && *part != "api").collect();
    format!("{}_{}", method_name(&route.method), path.join("_"))
}

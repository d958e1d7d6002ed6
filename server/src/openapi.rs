//! The description of every route as `OpenAPI` 3.1, made of the table that the router is made of.

use cotas::control::{Argument, ArgumentType, Operation, Presence};
use serde_json::{Map, Value, json};

use crate::access::Needs;
use crate::fields::{Field, Kind};
use crate::routes::{Method, ROUTES, Route};

/// The document.
#[must_use]
pub fn document(with_signup: bool) -> Value {
    let mut paths = Map::new();
    let served = |route: &&Route| with_signup || !route.is_signup;
    for route in ROUTES.iter().filter(served) {
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        let method = route.method.name().to_ascii_lowercase();
        if let Value::Object(methods) = methods {
            methods.insert(method, operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Cotas",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Quotas of a chat platform: docs/serve.md",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "asaas": { "type": "apiKey", "in": "header", "name": "asaas-access-token" },
                "pagarme": { "type": "http", "scheme": "basic" },
            },
            "schemas": { "Problem": problem() },
            "responses": { "Problem": {
                "description": "Why there is no other answer",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                } },
            } },
        },
    })
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "code": { "type": "integer", "description": "The number of the error: docs/errors.md" },
            "field": { "type": "string", "description": "The field that is wrong" },
            "errors": { "type": "array", "items": { "type": "object" } },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters = Vec::new();
    if route.path.contains("{tenant}") {
        parameters.push(json!({
            "name": "tenant", "in": "path", "required": true,
            "schema": { "type": "string", "minLength": 1 },
            "description": "The tenant's name",
        }));
    } else if matches!(route.needs, Needs::Tenant(_)) {
        parameters.push(json!({
            "name": "X-Tenant", "in": "header", "required": false,
            "schema": { "type": "string" },
            "description": "The tenant's name; without it, the only one that the token opens",
        }));
    }
    if route.takes_key {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": { "type": "string", "minLength": 1, "maxLength": cotas::KEY_BYTES_MAX },
            "description": "The same key again gives the stored answer and charges nothing",
        }));
    }
    let mut described = Map::new();
    described.insert("summary".to_owned(), json!(route.summary));
    described.insert("operationId".to_owned(), json!(operation_id(route)));
    if route.method == Method::Get {
        parameters.extend(route.fields.iter().map(|field| {
            let (name, required) = (field.name, field.required);
            json!({ "name": name, "in": "query", "required": required,
                "schema": schema(field.of), "description": field.meaning })
        }));
    } else if let Some(operation) = route.operation {
        described.insert("requestBody".to_owned(), body(&arguments(operation)));
    } else if route.needs == Needs::GatewayToken {
        described.insert("requestBody".to_owned(), body(&json!({ "type": "object" })));
    } else {
        described.insert("requestBody".to_owned(), body(&object(route.fields)));
    }
    described.insert("parameters".to_owned(), json!(parameters));
    described.insert("security".to_owned(), security(route));
    described.insert(
        "responses".to_owned(),
        json!({
            "2XX": { "description": "It was done" },
            "4XX": { "$ref": "#/components/responses/Problem" },
            "5XX": { "$ref": "#/components/responses/Problem" },
        }),
    );
    if let Some(role) = route.needs.role() {
        described.insert("x-role".to_owned(), json!(role.code()));
    }
    Value::Object(described)
}

/// `post_tenants_consume` of `POST /api/v1/tenants/{tenant}/consume`.
fn operation_id(route: &Route) -> String {
    let mut parts = vec![route.method.name().to_ascii_lowercase()];
    let named = |part: &&str| !matches!(*part, "" | "api" | "v1" | "{tenant}");
    let path = route.path.split('/').filter(named);
    parts.extend(path.map(|part| part.replace(['-', '.'], "_")));
    parts.join("_")
}

fn security(route: &Route) -> Value {
    match route.needs {
        Needs::Nothing => json!([]),
        Needs::GatewayToken if route.path.ends_with("asaas") => json!([{ "asaas": [] }]),
        Needs::GatewayToken => json!([{ "pagarme": [] }]),
        Needs::Tenant(_) | Needs::Invoice(_) | Needs::EveryTenant(_) => json!([{ "token": [] }]),
    }
}

fn body(schema: &Value) -> Value {
    // Where nothing must be given the body may be left out as well.
    let is_required = schema["required"].as_array().is_none_or(|it| !it.is_empty());
    json!({ "required": is_required, "content": { "application/json": { "schema": schema } } })
}

fn object(fields: &[Field]) -> Value {
    let required: Vec<_> = fields.iter().filter(|it| it.required).map(|it| it.name).collect();
    let property = |field: &Field| {
        let mut schema = schema(field.of);
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".to_owned(), json!(field.meaning));
        }
        let schema =
            if field.required { schema } else { json!({ "anyOf": [schema, { "type": "null" }] }) };
        (field.name.to_owned(), schema)
    };
    let properties: Map<_, _> = fields.iter().map(property).collect();
    json!({
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

/// The arguments of an operation of the control plane.
fn arguments(operation: &Operation) -> Value {
    let all = operation.arguments;
    let required = all.iter().filter(|it| it.presence != Presence::Optional).map(|it| it.name);
    let property = |argument: &Argument| {
        let mut schema = argument_schema(argument.of);
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".to_owned(), json!(argument.meaning));
        }
        let schema = match argument.presence {
            Presence::Required => schema,
            _ => json!({ "anyOf": [schema, { "type": "null" }] }),
        };
        (argument.name.to_owned(), schema)
    };
    json!({
        "type": "object",
        "required": required.collect::<Vec<_>>(),
        "properties": all.iter().map(property).collect::<Map<_, _>>(),
        "additionalProperties": false,
    })
}

fn argument_schema(of: ArgumentType) -> Value {
    match of {
        ArgumentType::Text => json!({ "type": "string" }),
        ArgumentType::Code(all) => json!({ "type": "string", "enum": all() }),
        ArgumentType::Units | ArgumentType::Cents => json!({ "type": "integer", "minimum": 0 }),
        ArgumentType::Number => json!({ "type": "integer" }),
        ArgumentType::Flag => json!({ "type": "boolean" }),
        ArgumentType::Date => json!({ "type": "string", "format": "date" }),
        ArgumentType::Instant => json!({ "type": "string", "format": "date-time" }),
        ArgumentType::Limit => json!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "enum": ["unlimited", "disabled"] },
        ] }),
        ArgumentType::Feature => json!({ "type": ["boolean", "string"] }),
        ArgumentType::Object(_) => json!({ "type": "object" }),
        ArgumentType::List(_) => json!({ "type": "array", "items": { "type": "object" } }),
    }
}

fn schema(of: Kind) -> Value {
    match of {
        Kind::Text => json!({ "type": "string" }),
        Kind::OneOf(words) => json!({ "type": "string", "enum": words }),
        Kind::Units => json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX }),
        Kind::Seconds => json!({ "type": "integer", "minimum": 1, "maximum": u64::MAX }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Instant => json!({ "type": "string", "format": "date-time" }),
        Kind::UnitsByResource => json!({
            "type": "object",
            "minProperties": 1,
            "additionalProperties": { "type": "integer", "minimum": 0 },
        }),
        Kind::Dropped => json!({}),
    }
}

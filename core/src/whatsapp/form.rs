//! Which form a body has, and in which wrapping it lies.

use serde_json::Value;

use super::node::BodyNode;
use super::{Body, cloud, evolution};

/// How deep a body may lie in wrappings.
const WRAPPINGS_MAX: usize = 4;

/// The object that the Cloud API's bodies are about.
const CLOUD_OBJECT: &str = "whatsapp_business_account";

/// Reads a body of whatever form into `found`.
pub(super) fn read(node: &BodyNode<'_>, found: &mut Body) {
    read_wrapped(node, WRAPPINGS_MAX, found);
}

fn read_wrapped(node: &BodyNode<'_>, wrappings: usize, found: &mut Body) {
    if let Some(bodies) = node.elements() {
        for body in bodies {
            read_wrapped(&body, wrappings, found);
        }
        return;
    }
    if read_bare(node, found) || wrappings == 0 {
        return;
    }
    let mut inner: Vec<Body> = Vec::new();
    for member in node.members() {
        let mut body = Body::default();
        match member.value {
            Value::Object(_) | Value::Array(_) => read_wrapped(&member, wrappings - 1, &mut body),
            Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
                if let Ok(value) = serde_json::from_str(text) {
                    read_wrapped(&BodyNode::root(&value), wrappings - 1, &mut body);
                }
            }
            _ => {}
        }
        if body.known || !body.malformed.is_empty() {
            inner.push(body);
        }
    }
    match inner.len() {
        0 => {}
        1 => inner.into_iter().for_each(|body| found.append(body)),
        _ => found.malformed.push(node.breaks("holds several bodies; which one counts is unclear")),
    }
}

/// Reads a body that lies in no wrapping; `false` if it is of no known form.
fn read_bare(node: &BodyNode<'_>, found: &mut Body) -> bool {
    let known = match node.get_text("object") {
        Some(CLOUD_OBJECT) => {
            cloud::body(node, found);
            true
        }
        // Of another product of Meta's: understood, and not about WhatsApp.
        Some(_) if is_of_meta(node) => true,
        _ => read_without_object(node, found),
    };
    found.known |= known;
    known
}

fn is_of_meta(node: &BodyNode<'_>) -> bool {
    matches!(node.get_text("object"), Some("page" | "instagram" | "user" | "permissions"))
}

fn read_without_object(node: &BodyNode<'_>, found: &mut Body) -> bool {
    let is_list = |name: &str| node.get(name).is_some_and(|list| list.value.is_array());
    if is_list("entry") {
        cloud::body(node, found);
    } else if node.get_text("field").is_some() && node.get("value").is_some() {
        cloud::change(node, found);
    } else if evolution::is_body(node) {
        evolution::body(node, found);
    } else if cloud::LISTS.iter().any(|name| is_list(name)) && !is_response(node) {
        cloud::value(node, None, found);
    } else {
        return false;
    }
    true
}

/// Whether it is what the Cloud API answers to a send: it has messages too.
fn is_response(node: &BodyNode<'_>) -> bool {
    let contacts = node.list("contacts").unwrap_or_default();
    contacts.iter().any(|contact| contact.get("input").is_some())
}

impl Body {
    fn append(&mut self, body: Body) {
        self.known |= body.known;
        self.events.extend(body.events);
        self.malformed.extend(body.malformed);
    }
}

//! The shared payloads, and what the table of kinds says.

use serde_json::{Value, json};

use super::*;

const PAYLOADS: &str = include_str!("../../../tests/payloads/whatsapp.jsonl");

struct Shape {
    name: String,
    kinds: Vec<String>,
    malformed: u64,
    known: bool,
    sessions: u64,
    bodies: Vec<Value>,
}

fn shapes() -> Vec<Shape> {
    let shape = |line: &str| {
        let value: Value = serde_json::from_str(line).expect(line);
        let list = |name: &str| value[name].as_array().expect(name).clone();
        let kinds = list("kinds").into_iter().map(|it| it.as_str().expect("a kind").to_owned());
        Shape {
            name: value["shape"].as_str().expect("a name").to_owned(),
            kinds: kinds.collect(),
            malformed: value["malformed"].as_u64().expect("a number"),
            known: value["known"].as_bool().expect("true or false"),
            sessions: value["sessions"].as_u64().expect("a number"),
            bodies: list("bodies"),
        }
    };
    PAYLOADS.lines().map(shape).collect()
}

fn read_value(value: &Value) -> Body {
    read(value.to_string().as_bytes()).expect("JSON")
}

#[test]
fn every_shape_is_read_as_what_it_is() {
    let shapes = shapes();
    assert!(shapes.len() >= 40, "only {} shapes", shapes.len());
    for shape in shapes {
        let mut kinds = Vec::new();
        let mut malformed = Vec::new();
        for body in &shape.bodies {
            let read = read_value(body);
            assert_eq!(read.known, shape.known, "{}", shape.name);
            kinds.extend(read.events.iter().map(|event| event.kind.name().to_owned()));
            malformed.extend(read.malformed);
        }
        assert_eq!(kinds, shape.kinds, "{}: {malformed:?}", shape.name);
        assert_eq!(malformed.len() as u64, shape.malformed, "{}: {malformed:?}", shape.name);
    }
}

/// The sessions of the shapes are what a naive count of their contacts comes to.
#[test]
fn a_naive_count_of_linked_contacts_comes_to_the_expected_sessions() {
    for shape in shapes() {
        let mut people: Vec<(std::collections::BTreeSet<String>, bool)> = Vec::new();
        for body in &shape.bodies {
            for event in read_value(body).events {
                let mut person = (event.contacts.into_iter().collect(), event.opens);
                people.retain(|other| {
                    let same = !other.0.is_disjoint(&person.0);
                    if same {
                        person.0.extend(other.0.iter().cloned());
                        person.1 |= other.1;
                    }
                    !same
                });
                people.push(person);
            }
        }
        let opened = people.iter().filter(|person| person.1).count();
        assert_eq!(opened as u64, shape.sessions, "{}", shape.name);
    }
}

#[test]
fn every_kind_occurs_in_the_shapes_and_stands_in_the_table() {
    let kinds: Vec<String> = shapes().into_iter().flat_map(|shape| shape.kinds).collect();
    let docs = include_str!("../../../docs/sessions.md");
    for kind in Kind::ALL {
        assert!(kinds.iter().any(|name| name == kind.name()), "no shape has a {kind}");
        let row = format!("| `{kind}` | {} |", if kind.opens() { "yes" } else { "no" });
        assert_eq!(docs.matches(&row).count(), 1, "docs/sessions.md lacks: {row}");
    }
    let is_row = |line: &&str| {
        line.starts_with("| `") && (line.contains("` | yes |") || line.contains("` | no |"))
    };
    let rows = docs.lines().filter(is_row);
    assert_eq!(rows.count(), Kind::ALL.len(), "docs/sessions.md has rows of no kind");
}

#[test]
fn what_opens_says_whose_it_is_and_when() {
    for event in shapes().iter().flat_map(|it| &it.bodies).flat_map(|it| read_value(it).events) {
        assert!(!event.opens || (!event.contacts.is_empty() && event.at.is_some()), "{event:?}");
        assert_eq!(event.opens, event.kind.opens());
    }
}

#[test]
fn rules_that_are_broken_are_named_by_their_path() {
    let malformed = |value: &Value| {
        let body = json!({ "object": "whatsapp_business_account", "entry": [
            { "changes": [{ "field": "messages", "value": value }] },
        ] });
        read_value(&body).malformed.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let at = |path: &str| vec![format!("entry[0].changes[0].value{path}")];
    assert_eq!(malformed(&json!("x")), at(" is not an object"));
    assert_eq!(malformed(&json!({ "messages": {} })), at(".messages is not a list"));
    assert_eq!(malformed(&json!({ "statuses": [5] })), at(".statuses[0] is not an object"));
    let late = json!({ "messages": [{ "from": "1", "timestamp": "yesterday" }] });
    let rule = "is not a time: Unix seconds or milliseconds up to the year 9999";
    assert_eq!(malformed(&late), at(&format!(".messages[0].timestamp {rule}")));
    let secret = json!({ "messages": [{ "from": ["5500900000001"], "timestamp": "1" }] });
    assert!(!malformed(&secret)[0].contains("55009"));
    let missing = json!({ "entry": [{ "changes": [{ "field": "messages" }] }] });
    assert_eq!(read_value(&missing).malformed[0].to_string(), "entry[0].changes[0] has no value");
}

#[test]
fn broken_and_bottomless_json_is_an_error() {
    let error = read(br#"{"from": 55009"#).expect_err("no JSON");
    assert_eq!(error.to_string(), "the body is not JSON from line 1, column 14 on");
    let bottomless = format!("{{\"object\":{}", "[".repeat(500_000));
    assert!(read(bottomless.as_bytes()).is_err());
    assert!(read(b"\xff").is_err());
}

#[test]
fn a_body_that_gives_a_key_twice_opens_nothing() {
    let shape = &shapes()[0];
    let body = shape.bodies[0].to_string();
    let body = body.replacen("\"id\":", "\"id\":\"another\",\"id\":", 1);
    let read = read(body.as_bytes()).expect("is JSON");
    assert!(read.events.is_empty());
    assert!(read.malformed[0].rule.contains("given twice"), "{:?}", read.malformed);
}

proptest::proptest! {
    /// Whatever is changed in a body that exists, reading it ends, and says where it broke.
    #[test]
    fn any_mangled_body_is_read_to_its_end(
        shape in 0_usize..70,
        at in 0_usize..2_000,
        with in "[\\[\\]{}\",:0-9a-z]{0,4}",
    ) {
        let shapes = shapes();
        let shape = &shapes[shape % shapes.len()];
        let mut text: Vec<char> = shape.bodies[0].to_string().chars().collect();
        let at = at % text.len();
        text.splice(at..(at + 2).min(text.len()), with.chars());
        let text: String = text.into_iter().collect();
        if let Ok(body) = read(text.as_bytes()) {
            for event in body.events {
                assert!(!event.opens || (!event.contacts.is_empty() && event.at.is_some()));
            }
        }
    }
}

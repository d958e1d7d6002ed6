//! Traffic as the `WhatsApp` Cloud API tells of it: one webhook body per line.
//!
//! What counts is `entry[].changes[].value` of the fields `messages` and `smb_message_echoes`;
//! bodies about anything else hold no events. A business number is a tenant. None of the events
//! has a key: a session that is open is not opened again, so redelivery costs nothing.

use serde_json::Value;

use super::{TrafficEvent, unix_seconds};

const RECEIVE: &str = "receive_message";
const SEND: &str = "send_message";

/// The events of one line, or why there are none.
pub(super) fn events(line: u64, text: &str) -> Result<Vec<TrafficEvent>, String> {
    let body: Value = serde_json::from_str(text)
        .map_err(|error| format!("is not JSON from column {} on", error.column()))?;
    let body = Node { value: &body, path: String::new() };
    let mut found = FoundEvents { line, events: Vec::new() };
    if body.text("object")? != Some("whatsapp_business_account") {
        return Ok(found.events);
    }
    for entry in body.list("entry")? {
        for change in entry.list("changes")? {
            if let Some("messages" | "smb_message_echoes") = change.text("field")? {
                found.read(&change.required("value")?)?;
            }
        }
    }
    Ok(found.events)
}

/// What a body has told so far.
struct FoundEvents {
    line: u64,
    events: Vec<TrafficEvent>,
}

impl FoundEvents {
    fn read(&mut self, value: &Node) -> Result<(), String> {
        for message in value.list("messages")? {
            self.add(RECEIVE, value, &message, &["from", "from_user_id"])?;
        }
        for status in value.list("statuses")? {
            // A message counts when it is sent, once. That it was then delivered, read or played
            // is no second message, and one that failed before it was sent was none.
            if status.text("status")? == Some("sent") {
                self.add(SEND, value, &status, &["recipient_id", "recipient_user_id"])?;
            }
        }
        for echo in value.list("message_echoes")? {
            // Sent from the telephone's own app. Taking a message back, or changing it, sends none.
            if !matches!(echo.text("type")?, Some("revoke" | "edit")) {
                self.add(SEND, value, &echo, &["to", "to_user_id"])?;
            }
        }
        Ok(())
    }

    /// Adds the event that `node` tells of. The contact is the first of `names` that it has.
    fn add(
        &mut self,
        action: &str,
        value: &Node,
        node: &Node,
        names: &[&str],
    ) -> Result<(), String> {
        let number = value.required("metadata")?.required_text("phone_number_id")?;
        let contact = match node.first_text(names)? {
            Some(contact) => contact.to_owned(),
            None => sole_contact(value)?.ok_or_else(|| node.breaks("names no contact"))?,
        };
        let at = unix_seconds(node.required_text("timestamp")?)
            .ok_or_else(|| node.breaks("has a timestamp that is not Unix seconds up to 9999"))?;
        self.events.push(TrafficEvent {
            line: self.line,
            part: self.events.len() as u32,
            at,
            tenant: number.to_owned(),
            action: action.to_owned(),
            channel: Some(number.to_owned()),
            contact: Some(contact),
            quantity: 1,
            key: None,
        });
        Ok(())
    }
}

/// The user id of the contact, where the body speaks of one only: a message that does not say
/// whose it is must be theirs. (People may hide their telephone number.)
fn sole_contact(value: &Node) -> Result<Option<String>, String> {
    match value.list("contacts")?.as_slice() {
        [contact] => Ok(contact.text("user_id")?.map(str::to_owned)),
        _ => Ok(None),
    }
}

/// A part of a body, and where in the body it is.
struct Node<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    /// The member of this name; one that is null counts as absent.
    fn member(&self, name: &str) -> Result<Option<Node<'a>>, String> {
        let members = self.value.as_object().ok_or_else(|| self.breaks("is not an object"))?;
        let value = members.get(name).filter(|value| !value.is_null());
        Ok(value.map(|value| Node { value, path: self.path_of(name) }))
    }

    fn required(&self, name: &str) -> Result<Node<'a>, String> {
        self.member(name)?.ok_or_else(|| self.breaks(&format!("has no {name}")))
    }

    /// The elements of the list of this name; none if it is absent.
    fn list(&self, name: &str) -> Result<Vec<Node<'a>>, String> {
        let Some(list) = self.member(name)? else { return Ok(Vec::new()) };
        let elements = list.value.as_array().ok_or_else(|| list.breaks("is not a list"))?;
        let element = |(i, value)| Node { value, path: format!("{}[{i}]", list.path) };
        Ok(elements.iter().enumerate().map(element).collect())
    }

    /// The text of this name; text that is empty counts as absent.
    fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        let Some(text) = self.member(name)? else { return Ok(None) };
        let text = text.value.as_str().ok_or_else(|| text.breaks("is not a string"))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    fn required_text(&self, name: &str) -> Result<&'a str, String> {
        self.text(name)?.ok_or_else(|| self.breaks(&format!("has no {name}")))
    }

    fn first_text(&self, names: &[&str]) -> Result<Option<&'a str>, String> {
        for name in names {
            if let Some(text) = self.text(name)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A reason that says where. Paths are of our own words, so they show nothing of a contact.
    fn breaks(&self, rule: &str) -> String {
        let place = if self.path.is_empty() { "the body" } else { &self.path };
        format!("{place} {rule}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each line of the sample file: action and contact of its events.
    const SAMPLES: [&[(&str, &str)]; 15] = [
        &[(RECEIVE, "5500900000001")],           // a text
        &[(RECEIVE, "5500900000002")],           // an image, from an advertisement
        &[(RECEIVE, "5500900000001")],           // a reaction
        &[(RECEIVE, "5500900000003")],           // of a type that Meta does not support
        &[(RECEIVE, "BR.90000000000000000004")], // no telephone number, only a user id
        &[(SEND, "5500900000001")],              // sent
        &[],                                     // delivered
        &[],                                     // read
        &[],                                     // failed
        &[(SEND, "5500900000002")],              // written on the telephone
        &[],                                     // taken back
        &[],                                     // edited
        &[(RECEIVE, "5500900000001"), (RECEIVE, "5500900000002"), (SEND, "5500900000003")],
        &[], // another field
        &[], // another object
    ];

    fn body(field: &str, value: &Value) -> String {
        json!({
            "object": "whatsapp_business_account",
            "entry": [{ "id": "1", "changes": [{ "field": field, "value": value }] }],
        })
        .to_string()
    }

    #[allow(clippy::needless_pass_by_value)] // It reads better where it is called.
    fn reason(value: Value) -> String {
        events(1, &body("messages", &value)).expect_err("malformed")
    }

    #[test]
    fn the_sample_bodies_tell_of_the_events_that_count() {
        let samples = include_str!("../../../examples/traffic/whatsapp.jsonl");
        assert_eq!(samples.lines().count(), SAMPLES.len());
        for (number, (line, expected)) in (1..).zip(samples.lines().zip(SAMPLES)) {
            let events = events(number, line).expect(line);
            let told: Vec<_> = events
                .iter()
                .map(|event| (event.action.as_str(), event.contact.as_deref().expect("a contact")))
                .collect();
            assert_eq!(told, expected, "line {number}");
            for (part, event) in (0..).zip(&events) {
                assert_eq!((event.line, event.part), (number, part));
                assert_eq!((event.quantity, &event.key), (1, &None));
                assert_eq!(event.channel.as_ref(), Some(&event.tenant));
                assert!(event.tenant.starts_with("10000000000000"), "{}", event.tenant);
                assert_eq!(event.at.ms() / 86_400_000, 20_593, "line {number} is of 2026-05-20");
            }
        }
    }

    #[test]
    fn a_contact_without_a_telephone_is_known_by_its_user_id() {
        let message = json!({ "timestamp": "1", "from_user_id": "BR.7" });
        let value = |contacts: Value, message: &Value| {
            json!({
                "metadata": { "phone_number_id": "9" },
                "contacts": contacts,
                "messages": [message],
            })
        };
        let contact = |value| {
            let events = events(1, &body("messages", &value)).expect("valid");
            events.into_iter().find_map(|event| event.contact)
        };
        assert_eq!(contact(value(json!([]), &message)).as_deref(), Some("BR.7"));
        let anonymous = json!({ "timestamp": "1", "from": "" });
        let one = json!([{ "user_id": "BR.8" }]);
        assert_eq!(contact(value(one, &anonymous)).as_deref(), Some("BR.8"));
        // Of two contacts none is guessed.
        let two = json!([{ "user_id": "BR.8" }, { "user_id": "BR.9" }]);
        assert_eq!(
            reason(value(two, &anonymous)),
            "entry[0].changes[0].value.messages[0] names no contact"
        );
    }

    #[test]
    fn wrong_types_are_named_by_their_path() {
        let at = |path: &str| format!("entry[0].changes[0].value{path}");
        let metadata = json!({ "phone_number_id": "9" });
        assert_eq!(reason(json!("x")), at(" is not an object"));
        assert_eq!(reason(json!(null)), "entry[0].changes[0] has no value");
        assert_eq!(reason(json!({ "messages": {} })), at(".messages is not a list"));
        assert_eq!(reason(json!({ "statuses": [5] })), at(".statuses[0] is not an object"));
        assert_eq!(
            reason(json!({ "statuses": [{ "status": "read" }, { "status": 1 }] })),
            at(".statuses[1].status is not a string")
        );
        let message = json!([{ "from": "5500900000001", "timestamp": "1" }]);
        assert_eq!(reason(json!({ "messages": message })), at(" has no metadata"));
        assert_eq!(
            reason(json!({ "messages": message, "metadata": {} })),
            at(".metadata has no phone_number_id")
        );
        let late = json!([{ "from": "5500900000001", "timestamp": "yesterday" }]);
        assert_eq!(
            reason(json!({ "messages": late, "metadata": metadata })),
            at(".messages[0] has a timestamp that is not Unix seconds up to 9999")
        );
        let number = json!([{ "from": "5500900000001", "timestamp": 1 }]);
        assert_eq!(
            reason(json!({ "messages": number, "metadata": metadata })),
            at(".messages[0].timestamp is not a string")
        );
        assert_eq!(events(1, "[]"), Err("the body is not an object".to_owned()));
        assert_eq!(events(1, r#"{"object":1}"#), Err("object is not a string".to_owned()));
    }

    #[test]
    fn a_body_with_one_wrong_message_tells_nothing() {
        let value = json!({
            "metadata": { "phone_number_id": "9" },
            "messages": [{ "from": "5500900000001", "timestamp": "1" }, {}],
        });
        assert!(reason(value).ends_with("messages[1] names no contact"));
    }

    #[test]
    fn what_is_about_something_else_tells_nothing() {
        let strange = json!({ "messages": "not a list" });
        assert_eq!(events(1, &body("account_update", &strange)), Ok(vec![]));
        assert_eq!(events(1, "{}"), Ok(vec![]));
        assert_eq!(events(1, r#"{"object":"whatsapp_business_account"}"#), Ok(vec![]));
    }

    #[test]
    fn broken_and_bottomless_json_is_malformed() {
        assert_eq!(events(1, r#"{"from": 55009"#), Err("is not JSON from column 14 on".to_owned()));
        let bottomless = format!("{{\"object\":{}", "[".repeat(500_000));
        assert!(events(1, &bottomless).expect_err("malformed").starts_with("is not JSON"));
    }
}

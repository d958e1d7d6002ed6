//! Small documents of calls: units by resource, contacts, a feature.

use std::collections::BTreeMap;

use super::fields;
use crate::catalog::Feature;
use crate::error::Error;

const UNITS: &str = "a whole number of units";

/// Units by resource, read from a JSON document such as `{"sms": 3, "credits": 1}`.
pub struct UnitsForm(BTreeMap<String, u64>);

impl UnitsForm {
    /// Reads a JSON document.
    pub fn parse(json: &str) -> Result<UnitsForm, Error> {
        fields::parse("units", json, |it| it.rest(UNITS)).map(UnitsForm)
    }

    /// The pairs, as [`Tenant::reserve`](crate::Tenant::reserve) takes them.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&str, u64)> {
        self.0.iter().map(|(resource, &units)| (resource.as_str(), units)).collect()
    }
}

/// Contacts, read from a JSON list of texts.
pub struct ContactsForm(Vec<String>);

impl ContactsForm {
    /// Reads a JSON document. No message repeats a contact.
    pub fn parse(json: &str) -> Result<ContactsForm, Error> {
        super::json("contacts", json, super::FORMS_BYTES_MAX, "a list of texts").map(ContactsForm)
    }

    /// The contacts.
    #[must_use]
    pub fn contacts(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

impl Feature {
    /// Reads a JSON document: `true`, `false`, or the name of a level.
    pub fn parse(json: &str) -> Result<Feature, Error> {
        let expected = "true, false or the name of a level, in quotes";
        super::json("feature", json, super::FORM_BYTES_MAX, expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_by_resource() {
        let units = UnitsForm::parse(r#"{"sms": 3, "credits": 1}"#).expect("is valid");
        assert_eq!(units.pairs(), [("credits", 1), ("sms", 3)]);
        assert!(UnitsForm::parse("{}").expect("is valid").pairs().is_empty());
        for (json, expected) in [
            (r#"{"sms": "3"}"#, "units: sms: it must be a whole number of units"),
            (
                r#"{"sms": -1, "a": 1.5}"#,
                "units: a: it must be a whole number of units; \
                 sms: it must be a whole number of units",
            ),
            (r#"{"sms": null}"#, "units: sms: it must be a whole number of units"),
            (r#"{"sms": 1, "sms": 2}"#, "units: sms: it is given twice"),
            ("[1]", "units: it must be a JSON object (line 1, column 0)"),
            ("sms=1", "units: it is not JSON (line 1, column 1); it must be a JSON object"),
        ] {
            let complaint = UnitsForm::parse(json).err().expect("is refused").to_string();
            assert_eq!(complaint, expected, "{json}");
        }
    }

    #[test]
    fn contacts_and_features_are_named_and_not_repeated() {
        assert_eq!(ContactsForm::parse(r#"["a", "b"]"#).expect("is valid").contacts(), ["a", "b"]);
        let complaint = ContactsForm::parse("[5500900000001]").err().expect("is refused");
        assert!(complaint.to_string().starts_with("contacts: it must be a list of texts (line 1"));
        assert!(!complaint.to_string().contains("0000001"));
        assert_eq!(Feature::parse("true").expect("is valid"), Feature::Flag(true));
        assert_eq!(Feature::parse("\"full\"").expect("is valid"), Feature::Level("full".into()));
        let complaint = Feature::parse("full").expect_err("is refused").to_string();
        assert!(
            complaint.starts_with("feature: it is not JSON (line 1, column 2); it must be true")
        );
    }
}

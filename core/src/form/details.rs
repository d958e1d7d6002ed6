//! What an action is about, as a JSON document says it.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};

use super::fields::{self, Fields};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::{Details, ReservationId};

const DETAILS: &str = "details";

/// What an action is about: [`Details`] read from a JSON document. Every key may be left out; one
/// that is not known is an error.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetailsForm<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    contact: Cow<'a, str>,
    #[serde(borrow)]
    also: Cow<'a, str>,
    #[serde(borrow)]
    category: Cow<'a, str>,
    #[serde(borrow)]
    holder: Cow<'a, str>,
    quantity: Option<u64>,
    #[serde(deserialize_with = "super::instant")]
    at: Option<Timestamp>,
    tariff: Option<u64>,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(deserialize_with = "campaign")]
    campaign: Option<ReservationId>,
}

fn campaign<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ReservationId>, D::Error> {
    let text = Option::<Cow<'_, str>>::deserialize(from)?;
    text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
}

impl<'a> DetailsForm<'a> {
    /// Reads a JSON document; the empty text says nothing. It allocates nothing where no text has
    /// an escape in it, for it stands before a decision.
    pub fn parse(json: &'a str) -> Result<DetailsForm<'a>, Error> {
        match json {
            "" => Ok(DetailsForm::default()),
            // A list would be read as the fields in their order.
            json if json.trim_start().starts_with('{') => {
                serde_json::from_str(json).or_else(|_| explain(json))
            }
            json => explain(json),
        }
    }

    /// The details, as [`Tenant::perform`](crate::Tenant::perform) takes them.
    #[must_use]
    pub fn details(&self) -> Details<'_> {
        Details {
            channel: &self.channel,
            contact: &self.contact,
            also: &self.also,
            category: &self.category,
            holder: &self.holder,
            quantity: self.quantity,
            at: self.at,
            tariff: self.tariff,
            message: &self.message,
            campaign: self.campaign,
        }
    }
}

/// Reads a document again that was refused, slowly, and says what is wrong with each field.
#[cold]
fn explain(json: &str) -> Result<DetailsForm<'_>, Error> {
    fields::parse(DETAILS, json, |it| {
        let text = |it: &mut Fields<'_>, key| Cow::Owned(it.text(key));
        DetailsForm {
            channel: text(it, "channel"),
            contact: text(it, "contact"),
            also: text(it, "also"),
            category: text(it, "category"),
            holder: text(it, "holder"),
            quantity: it.optional("quantity", "a whole number of units"),
            at: it.instant("at"),
            tariff: it.optional("tariff", "a whole number"),
            message: text(it, "message"),
            campaign: it.parsed("campaign", "the id of a reservation, of the form r-1-2a-3f"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(json: &str) -> String {
        DetailsForm::parse(json).err().expect("is refused").to_string()
    }

    #[test]
    fn details_are_read_quickly_and_slowly_to_the_same_values() {
        let json = r#"{ "channel": "w", "contact": "c", "also": "d", "category": "utility",
            "holder": "h", "quantity": 3, "at": "2026-05-20T12:00:00Z", "tariff": 2,
            "message": "m", "campaign": "r-1-2a-3f" }"#;
        for json in [json, &json.replace("\"campaign\": \"r-1-2a-3f\"", "\"campaign\": null")] {
            let quick = DetailsForm::parse(json);
            let slow = explain(json);
            let shown = |it: &Result<DetailsForm<'_>, Error>| match it {
                Ok(form) => format!("{:?}", form.details()),
                Err(error) => error.to_string(),
            };
            assert_eq!(shown(&quick), shown(&slow));
        }
        assert_eq!(DetailsForm::parse("").expect("says nothing").details().contact, "");
    }

    #[test]
    fn what_details_get_wrong_is_named_and_nothing_personal_is_repeated() {
        let number = complaint(r#"{"contact": 5500900000001, "quantity": "3"}"#);
        let expected = "details: contact: it must be text; \
            quantity: it must be a whole number of units";
        assert_eq!(number, expected);
        assert_eq!(
            complaint(r#"{"contac": "c"}"#),
            "details: contac: unknown field; did you mean \"contact\"?"
        );
        assert_eq!(
            complaint(r#"{"contact": "c", "contact": "d"}"#),
            "details: contact: it is given twice"
        );
        let at = complaint(r#"{"at": "today"}"#);
        assert!(at.contains("at: it must be an RFC 3339 time such as"), "{at}");
        assert_eq!(
            complaint(r#"{"campaign": "x"}"#),
            "details: campaign: it must be the id of a reservation, of the form r-1-2a-3f"
        );
        assert_eq!(complaint("[1]"), "details: it must be a JSON object (line 1, column 0)");
    }
}

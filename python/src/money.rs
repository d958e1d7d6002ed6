//! Money and accounts: purchases, invoices, payment events, documents. All of it waits for the disk
//! or reads SQLite.

use chrono::NaiveDate;
use cotas::billing::{Cents, DocumentType, Gateway, PaymentEvent, PaymentMethod};
use cotas::{Error, IgnoredBecause, ManualLine, PaymentOutcome};
use pyo3::prelude::*;

use crate::arguments::{Day, Name, Private, Units, Whole, known};
use crate::documents::json;
use crate::engine::Engine;

/// What came of a payment event, the invoice or subscription that it is about, how the invoice
/// stands, why it was ignored.
#[derive(IntoPyObject)]
struct Outcome(&'static str, Option<i64>, Option<&'static str>, Option<&'static str>);

impl From<PaymentOutcome> for Outcome {
    fn from(outcome: PaymentOutcome) -> Outcome {
        match outcome {
            PaymentOutcome::Applied { invoice, status } => {
                Outcome("applied", Some(invoice), Some(status.code()), None)
            }
            PaymentOutcome::SubscriptionEnded { subscription } => {
                Outcome("subscription_ended", Some(subscription), None, None)
            }
            PaymentOutcome::Unmatched => Outcome("unmatched", None, None, None),
            PaymentOutcome::PaidAgain { invoice } => {
                Outcome("paid_again", Some(invoice), Some("paid"), None)
            }
            PaymentOutcome::Duplicate => Outcome("duplicate", None, None, None),
            PaymentOutcome::Ignored(because) => Outcome("ignored", None, None, Some(why(because))),
            PaymentOutcome::Refused => Outcome("refused", None, None, None),
        }
    }
}

fn line(title: &str, cents: i64) -> Result<ManualLine<'_>, Error> {
    Ok(ManualLine { title, amount: Cents::new(cents)?, days: None })
}

#[pymethods]
impl Engine {
    fn _quote_package(&self, py: Python<'_>, package: Name<'_>, units: Units) -> PyResult<String> {
        self.document(py, |engine| engine.quote_package(package.0, units.0))
    }

    fn _buy(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        package: Name<'_>,
        units: Units,
        key: Option<Private<'_>>,
    ) -> PyResult<(String, bool)> {
        self.change(py, key, |engine| {
            let purchase = engine.buy(tenant.0, package.0, units.0, None)?;
            Ok((json(&purchase)?, purchase.replayed))
        })
    }

    /// Settles an invoice that was paid, manually. Paid already, it changes nothing.
    #[pyo3(signature = (invoice, *, paid_on=None, key=None))]
    fn mark_paid(
        &self,
        py: Python<'_>,
        invoice: Whole<i64>,
        paid_on: Option<Day>,
        key: Option<Private<'_>>,
    ) -> PyResult<()> {
        self.change(py, key, |engine| engine.mark_paid(invoice.0, paid_on.map(|day| day.0)))
    }

    fn _create_invoice(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        due: Day,
        lines: Vec<(String, i64)>,
        key: Option<Private<'_>>,
    ) -> PyResult<i64> {
        self.change(py, key, |engine| {
            let lines = lines.iter().map(|(title, cents)| line(title, *cents));
            let lines = lines.collect::<Result<Vec<_>, _>>()?;
            engine.create_invoice(tenant.0, due.0, &lines, None)
        })
    }

    fn _add_invoice_line(
        &self,
        py: Python<'_>,
        invoice: Whole<i64>,
        title: Name<'_>,
        cents: i64,
        key: Option<Private<'_>>,
    ) -> PyResult<i64> {
        self.change(py, key, |engine| {
            engine.add_invoice_line(invoice.0, &line(title.0, cents)?, None)
        })
    }

    /// Cancels an invoice that was not paid.
    #[pyo3(signature = (invoice, *, key=None))]
    fn cancel_invoice(
        &self,
        py: Python<'_>,
        invoice: Whole<i64>,
        key: Option<Private<'_>>,
    ) -> PyResult<()> {
        self.change(py, key, |engine| engine.cancel_invoice(invoice.0))
    }

    /// Ends what is charged again with every due date, by an invoice of its purchase; gives the
    /// last day on which it counts, `None` where nothing of it does.
    #[pyo3(signature = (invoice, *, key=None))]
    fn end_purchase(
        &self,
        py: Python<'_>,
        invoice: Whole<i64>,
        key: Option<Private<'_>>,
    ) -> PyResult<Option<NaiveDate>> {
        self.change(py, key, |engine| engine.end_purchase(invoice.0))
    }

    /// Splits an invoice into instalments; gives their numbers.
    #[pyo3(signature = (invoice, parts, *, key=None))]
    fn split_invoice(
        &self,
        py: Python<'_>,
        invoice: Whole<i64>,
        parts: Whole<u32>,
        key: Option<Private<'_>>,
    ) -> PyResult<Vec<i64>> {
        self.change(py, key, |engine| engine.split_invoice(invoice.0, parts.0))
    }

    /// Changes how the next invoices are paid, and what the gateway calls the subscription.
    #[pyo3(signature = (tenant, payment_type, *, gateway_id=None, key=None))]
    fn set_payment_form(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        payment_type: Name<'_>,
        gateway_id: Option<Name<'_>>,
        key: Option<Private<'_>>,
    ) -> PyResult<()> {
        self.change(py, key, |engine| {
            engine.set_payment_form(tenant.0, payment_type.0, gateway_id.map(|id| id.0))
        })
    }

    /// Changes by which method the next invoices are paid: `boleto`, `card`, `pix` ...
    #[pyo3(signature = (tenant, method, *, key=None))]
    fn set_payment_method(
        &self,
        py: Python<'_>,
        tenant: Name<'_>,
        method: Name<'_>,
        key: Option<Private<'_>>,
    ) -> PyResult<()> {
        let method = known("payment method", method.0, &PaymentMethod::ALL, PaymentMethod::code)?;
        self.change(py, key, |engine| engine.set_payment_method(tenant.0, method))
    }

    /// Has money that pays nothing pay an invoice, whatever the amount. Waits for the disk.
    #[pyo3(signature = (gateway, payment, invoice, *, key=None))]
    fn assign_payment(
        &self,
        py: Python<'_>,
        gateway: Name<'_>,
        payment: Name<'_>,
        invoice: Whole<i64>,
        key: Option<Private<'_>>,
    ) -> PyResult<()> {
        let gateway = known("gateway", gateway.0, &Gateway::ALL, Gateway::code)?;
        self.change(py, key, |engine| engine.assign_payment(gateway, payment.0, invoice.0))
    }

    fn _unmatched_payments(&self, py: Python<'_>, tenant: Option<Name<'_>>) -> PyResult<String> {
        self.document(py, |engine| engine.unmatched_payments(tenant.map(|name| name.0)))
    }

    /// Sets the token that a gateway sends with its events. Only its hash is kept.
    fn set_webhook_token(
        &self,
        py: Python<'_>,
        gateway: Name<'_>,
        token: Private<'_>,
    ) -> PyResult<()> {
        let gateway = known("gateway", gateway.0, &Gateway::ALL, Gateway::code)?;
        self.ask(py, |engine| engine.set_webhook_token(gateway, token.0))
    }

    fn _payment_event(
        &self,
        py: Python<'_>,
        gateway: Name<'_>,
        body: &[u8],
        token: Private<'_>,
    ) -> PyResult<Outcome> {
        let gateway = known("gateway", gateway.0, &Gateway::ALL, Gateway::code)?;
        self.ask(py, |engine| engine.payment_event(gateway, body, token.0)).map(Outcome::from)
    }

    fn _apply_payment(&self, py: Python<'_>, event: Private<'_>) -> PyResult<Outcome> {
        let outcome =
            self.ask(py, |engine| engine.apply_payment(&PaymentEvent::parse(event.0)?))?;
        Ok(outcome.into())
    }

    /// A CPF or CNPJ in its normal form: well-formed, its check digits right, in use by no tenant.
    /// Reads SQLite.
    #[pyo3(signature = (text, kind))]
    fn validate_document(
        &self,
        py: Python<'_>,
        text: Private<'_>,
        kind: Name<'_>,
    ) -> PyResult<String> {
        let kind = known("document type", kind.0, &DocumentType::ALL, DocumentType::code)?;
        self.ask(py, |it| Ok(it.validate_document(text.0, kind)?.as_str().to_owned()))
    }

    fn _verify_token(&self, py: Python<'_>, token: Private<'_>) -> PyResult<String> {
        self.document(py, |engine| engine.verify_token(token.0))
    }
}

const fn why(because: IgnoredBecause) -> &'static str {
    match because {
        IgnoredBecause::UnknownEvent => "unknown_event",
        IgnoredBecause::UnknownPayment => "unknown_payment",
        IgnoredBecause::NothingToDo => "nothing_to_do",
    }
}

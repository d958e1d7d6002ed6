//! Invoices and lines that an operator writes manually ("fatura criada manualmente").

use chrono::NaiveDate;
use serde::Serialize;

use super::Engine;
use super::admin_tx::AdminTx;
use super::due_dates::{add_lines, is_fixed, of_lines};
use super::invoices::{InvoiceStatus, Payer, new_invoice, save_new, wrong_status};
use super::joining::PaymentState;
use super::once::Operation;
use crate::billing::Cents;
use crate::error::Error;
use crate::rules::{Line, LineKind};
use crate::store::{Gathers, InvoiceRow};

/// Longest title of a line, in bytes.
const TITLE_BYTES_MAX: usize = 256;
/// The most lines of an invoice that is written manually.
const LINES_MAX: usize = 100;

/// A line that an operator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ManualLine<'a> {
    /// What it is for.
    pub title: &'a str,
    /// How much; more than nothing.
    #[serde(rename = "amount_cents")]
    pub amount: Cents,
    /// The first and the last day that it pays, if it pays a period.
    pub days: Option<(NaiveDate, NaiveDate)>,
}

impl Engine {
    /// Writes an invoice manually, with 1 to 100 lines: it pays what they say and gives nothing.
    /// Its due date is today or later. Gives its number. Waits for the disk.
    pub fn create_invoice(
        &self,
        tenant: &str,
        due: NaiveDate,
        lines: &[ManualLine<'_>],
        key: Option<&str>,
    ) -> Result<i64, Error> {
        if lines.is_empty() || lines.len() > LINES_MAX {
            let why = format!("{} lines; 1 to {LINES_MAX} are allowed", lines.len());
            return Err(Error::InvalidArgument { what: "invoice", why });
        }
        let lines = lines.iter().map(line_of).collect::<Result<Vec<_>, _>>()?;
        let written: Vec<_> =
            lines.iter().map(|it| (&it.title, it.cents, it.from, it.to)).collect();
        let operation = Operation::new("create_invoice", key, &(due, written));
        self.change_once(tenant, &operation, |tx| {
            if due < tx.today() {
                let why = format!("{due} has passed already; name today or a later day");
                return Err(Error::InvalidArgument { what: "due date", why });
            }
            let invoice = write(tx, due, &lines)?;
            let detail = format!("{invoice} written");
            tx.write.audit(Some(tx.loaded.row), tx.now, "invoice", &detail)?;
            Ok(invoice)
        })
    }

    /// Adds a line to an invoice. Where it has a charge already, or is paid, the line goes to a
    /// further invoice with the same due date. Gives the number of the invoice that has it. Waits
    /// for the disk.
    pub fn add_invoice_line(
        &self,
        invoice: i64,
        line: &ManualLine<'_>,
        key: Option<&str>,
    ) -> Result<i64, Error> {
        let line = line_of(line)?;
        let arguments = (invoice, &line.title, line.cents, line.from, line.to);
        let operation = Operation::new("add_invoice_line", key, &arguments);
        self.with_invoice(invoice, &operation, |tx, row| {
            let number = add(tx, row, line.clone())?;
            let detail = format!("{number} has another line");
            tx.write.audit(Some(tx.loaded.row), tx.now, "invoice", &detail)?;
            Ok(number)
        })
    }
}

/// A line as it is stored.
fn line_of(line: &ManualLine<'_>) -> Result<Line, Error> {
    let refused = |why: String| Err(Error::InvalidArgument { what: "invoice line", why });
    let ManualLine { title, amount, days } = *line;
    let is_text = !title.trim().is_empty() && !title.chars().any(char::is_control);
    if !is_text || title.len() > TITLE_BYTES_MAX {
        return refused(format!("its title must be 1 to {TITLE_BYTES_MAX} bytes on one line"));
    }
    if amount == Cents::ZERO {
        return refused("its amount is 0.00; an invoice over nothing is never written".to_owned());
    }
    if let Some((from, to)) = days.filter(|(from, to)| from > to) {
        return refused(format!("its last day, {to}, comes before its first, {from}"));
    }
    Ok(Line {
        kind: LineKind::Manual,
        title: title.to_owned(),
        from: days.map(|(from, _)| from),
        to: days.map(|(_, to)| to),
        cents: amount.get(),
        subscription: None,
        purchase: None,
        is_final: true,
    })
}

/// Writes an invoice of its own with these lines. It is paid as the present subscription is.
fn write(tx: &AdminTx<'_>, due: NaiveDate, lines: &[Line]) -> Result<i64, Error> {
    let total = lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.cents));
    let too_much = || Error::InvalidArgument {
        what: "invoice",
        why: "its lines come to more than an amount may be".to_owned(),
    };
    Cents::new(total.ok_or_else(too_much)?).map_err(|_| too_much())?;
    let payment = PaymentState::of_present(tx)?;
    let payer = Payer {
        subscription: None,
        payment_type: payment.label,
        payment_method: payment.method,
        currency: tx.compiled.catalog.currency.clone(),
    };
    let new = new_invoice(tx.loaded.row, payer, due);
    let new = InvoiceRow { recurring: false, ..of_lines(new, lines) };
    save_new(tx.write, new, lines)
}

fn add(tx: &AdminTx<'_>, row: &mut InvoiceRow, line: Line) -> Result<i64, Error> {
    if InvoiceStatus::of(row) == InvoiceStatus::Cancelled {
        return Err(wrong_status(row));
    }
    if row.is_offer() || row.parts > 1 {
        let why = "it is over one purchase or choice; write an invoice of its own";
        return Err(Error::InvalidArgument { what: "invoice", why: why.to_owned() });
    }
    let mut lines = tx.write.lines(row.id)?;
    if is_fixed(row) {
        return add_beside(tx, row, line);
    }
    lines.push(line);
    let total = lines.iter().map(|it| it.cents).sum();
    Cents::new(total)?;
    *row = InvoiceRow { effect: row.effect.clone(), ..of_lines(row.clone(), &lines) };
    tx.write.save_invoice(row)?;
    tx.write.save_lines(row, &lines)?;
    Ok(row.id)
}

/// Writes a line on a further invoice with the due date of one that is fixed.
fn add_beside(tx: &AdminTx<'_>, row: &InvoiceRow, line: Line) -> Result<i64, Error> {
    if row.gathers != Gathers::Yes {
        return write(tx, row.due, &[line]);
    }
    let Some(terms) = &tx.loaded.account.subscription else {
        return write(tx, row.due, &[line]);
    };
    add_lines(tx.write, tx.loaded.row, terms, row.due, vec![line])?;
    let rows = tx.write.gathering(tx.loaded.row, row.due)?;
    Ok(rows.iter().rfind(|it| !is_fixed(it)).map_or(row.id, |it| it.id))
}

//! What the tenant `acme` owes.

use cotas::billing::Cents;
use cotas::{Engine, InvoiceStatus};

use crate::date;

/// Pays what waits to be paid of a due date.
pub fn pay(engine: &Engine, due: &str) {
    for invoice in engine.invoices("acme").expect("reads") {
        let waits = matches!(invoice.status, InvoiceStatus::Pending | InvoiceStatus::Overdue);
        if waits && invoice.due == date(due) {
            engine.mark_paid(invoice.id, None).expect("is paid");
        }
    }
}

/// What is billed by now: due date, amount and lines; nothing that was cancelled.
pub fn billed(engine: &Engine) -> Vec<String> {
    let invoices = engine.invoices("acme").expect("reads").into_iter();
    let stands = invoices.filter(|it| it.status != InvoiceStatus::Cancelled);
    let listed = stands.map(|it| {
        let lines = it.lines.iter().map(|line| {
            let days = line.from.zip(line.to);
            let days = days.map(|(from, to)| format!(" {from} to {to}")).unwrap_or_default();
            format!("{} {}{days}", line.title, line.amount)
        });
        assert_eq!(it.amount.get(), it.lines.iter().map(|it| it.amount.get()).sum::<i64>());
        assert!(it.amount > Cents::ZERO && it.currency == "BRL", "{it:?}");
        format!("{}: {}", it.due, lines.collect::<Vec<_>>().join(", "))
    });
    listed.collect()
}

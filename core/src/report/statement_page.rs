//! The page "Minha assinatura" (docs/sources.md, LiveChat 360) to read.

use super::balances::tabulate;
use super::figures::{date, day, money, number, yes_or_no};
use super::page::{Column, Page};
use super::statement::{GrantLine, Statement};
use super::words;
use crate::language::Language;
use crate::{Invoice, SubscriptionRecord};

impl Statement {
    /// As a page to read.
    #[must_use]
    pub fn to_page(&self, language: Language) -> String {
        let title = language.say("My subscription", "Minha assinatura");
        let mut page = Page::new(language, &format!("{title}: {}", self.tenant));
        self.summary(&mut page);
        let limited = self.balances.iter().filter(|it| it.contracted.is_some());
        page.lines(&limited.map(|it| it.line(language)).collect::<Vec<_>>());
        tabulate(&mut page, language.say("Plan details", "Detalhes do plano"), &self.balances);
        self.grants(&mut page);
        self.subscriptions(&mut page);
        self.invoices(&mut page);
        page.end()
    }

    fn summary(&self, page: &mut Page) {
        let Some(plan) = &self.plan else {
            page.lines(&[page.say("No plan is active.", "Nenhum plano ativo.").to_owned()]);
            return;
        };
        page.facts(&[
            (page.say("Plan", "Plano"), plan.title.clone()),
            (
                page.say("Payment form", "Forma de pagamento"),
                words::payment(&plan.payment_type, plan.payment_method, page.language),
            ),
            (page.say("Next due date", "Próximo vencimento"), date(plan.due, page.language)),
            (
                page.say("Renews by itself", "Renovação automática"),
                yes_or_no(plan.auto_renew, page.language),
            ),
        ]);
    }

    fn grants(&self, page: &mut Page) {
        let language = page.language;
        let header = [
            Column::Words(page.say("Resource", "Recurso")),
            Column::Words(page.say("Source", "Origem")),
            Column::Numbers(page.say("Granted", "Concedido")),
            Column::Numbers(page.say("Consumed", "Consumido")),
            Column::Numbers(page.say("Remaining", "Restante")),
            Column::Words(page.say("Until", "Válido até")),
        ];
        let row = |GrantLine { title, grant, used_up }: &GrantLine| {
            let until = grant.expires_at.map(|at| day(at.plus_ms(-1), self.time_zone, language));
            let mut row = vec![
                title.text(language).to_owned(),
                words::source(grant.source, language).to_owned(),
            ];
            row.push(number(grant.granted, language));
            row.extend(
                [grant.consumed, grant.remaining]
                    .map(|units| if *used_up { number(units, language) } else { String::new() }),
            );
            row.push(until.unwrap_or_default());
            row
        };
        let rows = self.grants.iter().map(row).collect();
        page.table(page.say("Where it comes from", "Origem dos saldos"), &header, rows);
    }

    fn subscriptions(&self, page: &mut Page) {
        let language = page.language;
        let header = [
            Column::Numbers("Id"),
            Column::Words(page.say("Plan", "Plano")),
            Column::Words(page.say("Gateway id", "Id Gateway")),
            Column::Words(page.say("Payment type", "Tipo de pagamento")),
            Column::Words(page.say("Period start", "Início do período")),
            Column::Words(page.say("Next due date", "Próximo vencimento")),
            Column::Words("Status"),
        ];
        let row = |it: &SubscriptionRecord| {
            vec![
                it.id.to_string(),
                it.title.clone(),
                it.gateway_id.clone().unwrap_or_default(),
                words::payment(&it.payment_type, it.payment_method, language),
                day(it.period_start, self.time_zone, language),
                date(it.due, language),
                words::subscription_status(it.status, language).to_owned(),
            ]
        };
        let rows = self.subscriptions.iter().map(row).collect();
        page.table(page.say("Current and past plans", "Plano atual e anteriores"), &header, rows);
    }

    fn invoices(&self, page: &mut Page) {
        let language = page.language;
        // Most invoices are paid at once: the column is there where one is not.
        let instalments = self.invoices.iter().any(|it| it.part.1 > 1);
        let mut header = vec![
            Column::Numbers("Id"),
            Column::Numbers(page.say("Amount", "Valor")),
            Column::Words(page.say("Plan", "Plano")),
            Column::Words(page.say("Payment type", "Tipo de pagamento")),
            Column::Words("Status"),
            Column::Words(page.say("Recurring?", "É recorrente?")),
            Column::Words(page.say("Due date", "Data de vencimento")),
            Column::Words(page.say("Payment date", "Data de pagamento")),
        ];
        if instalments {
            header.push(Column::Words(page.say("Instalment", "Parcela")));
        }
        let otherwise = self.invoices.iter().any(Invoice::was_paid_otherwise);
        if otherwise {
            header.push(Column::Numbers(page.say("Amount paid", "Valor pago")));
        }
        let row = |it: &Invoice| {
            let paid_on = it.paid_on.map(|day| date(day, language));
            let mut row = vec![
                it.id.to_string(),
                money(it.amount, &self.currency, language),
                it.title.clone(),
                words::payment(&it.payment_type, it.payment_method, language),
                words::invoice_status(it.status, language).to_owned(),
                yes_or_no(it.recurring, language),
                date(it.due, language),
                paid_on.unwrap_or_default(),
            ];
            row.extend(instalments.then(|| format!("{}/{}", it.part.0, it.part.1)));
            let paid = it.paid.map(|paid| money(paid, &self.currency, language));
            row.extend(otherwise.then(|| paid.unwrap_or_default()));
            row
        };
        let rows = self.invoices.iter().map(row).collect();
        page.table(page.say("Invoices", "Faturas"), &header, rows);
    }
}

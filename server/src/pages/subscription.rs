//! "Minha assinatura" (docs/sources.md, LiveChat 360), section by section.

use cotas::billing::PaymentMethod;
use cotas::{
    BalanceLine, Interval, Metric, Pace, Statement, Status, SubscriptionRecord, TenantReport,
    UsageReport, words,
};
use maud::{Markup, html};
use serde_json::json;

use super::answer::Reply;
use super::layout;
use super::parts::{
    badge, empty, invoice_status, meter, notice, numbers_of, or_dash, section, status, table,
    words_of,
};
use super::visit::Visit;
use crate::problem::Problem;

/// The statement of a tenant. Who may not see what it pays sees what it has left.
pub(super) fn page(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let statement = visit.engine.statement(visit.tenant())?;
    let report = visit.engine.report(visit.tenant())?;
    let now = report.as_of;
    let since = Some(Pace::since(now));
    let usage = visit.engine.usage_by(visit.tenant(), Interval::Hour, since, None)?;
    let pays = visit.may("invoices");
    let title = visit.say("My subscription", "Minha assinatura");
    let content = html! {
        (done(visit))
        (warnings(visit, &report))
        (head(visit, &statement, &report, pays))
        (balances(visit, &statement, &usage, &report))
        (denied(visit, &statement, &usage))
        (plans(visit, &statement, pays))
        @if pays { (invoices(visit, &statement)) }
        (grants(visit, &statement))
    };
    Ok(Reply::page(layout::page(visit, title, &content)))
}

/// What a form has just done.
fn done(visit: &Visit<'_>) -> Markup {
    match visit.query.text("done") {
        "bought" => {
            let number = visit.query.units("invoice").unwrap_or_default();
            let text = visit.say(
                "It counts as soon as the invoice is paid. Invoice",
                "Passa a contar assim que a fatura for paga. Fatura",
            );
            notice("good", visit.say("Bought.", "Comprado."), &format!("{text} {number}."))
        }
        "method" => notice(
            "good",
            visit.say("Saved.", "Salvo."),
            visit.say(
                "The next invoices are paid in the way that you chose.",
                "As próximas faturas serão pagas da forma escolhida.",
            ),
        ),
        _ => html! {},
    }
}

/// What keeps the tenant from working as usual.
fn warnings(visit: &Visit<'_>, report: &TenantReport) -> Markup {
    let (title, text) = match report.status {
        Status::Suspended => (
            visit.say("This account is suspended.", "Esta conta está suspensa."),
            visit.say(
                "Messages are received, and nothing is sent. It is billed as before.",
                "As mensagens continuam chegando, mas nada é enviado. A cobrança continua.",
            ),
        ),
        Status::PastDue => (
            visit.say("An invoice is overdue.", "Há uma fatura vencida."),
            visit.say(
                "Everything works. Pay it so that the account is not suspended.",
                "Tudo continua funcionando. Pague-a para que a conta não seja suspensa.",
            ),
        ),
        Status::Cancelled => (
            visit.say("This account is cancelled.", "Esta conta está cancelada."),
            visit.say("Nothing is sent or received.", "Nada é enviado nem recebido."),
        ),
        Status::Demo => (
            visit.say("This is a demonstration.", "Esta é uma demonstração."),
            visit.say(
                "Each message says that it is a test. Nothing is charged.",
                "Cada mensagem avisa que é um teste. Nada é cobrado.",
            ),
        ),
        Status::Active | Status::Onboarding => return html! {},
    };
    let tone = match report.status {
        Status::Suspended | Status::Cancelled => "over",
        Status::PastDue => "near",
        _ => "neutral",
    };
    notice(tone, title, text)
}

fn head(visit: &Visit<'_>, statement: &Statement, report: &TenantReport, pays: bool) -> Markup {
    let yes_or_no = |yes| if yes { visit.say("Yes", "Sim") } else { visit.say("No", "Não") };
    html! {
        div.head {
            div {
                p.overline { (statement.tenant) }
                h1 { (visit.say("My subscription", "Minha assinatura")) }
            }
            (status(visit, report.status))
        }
        @if let Some(plan) = &statement.plan {
            dl.facts {
                div { dt { (visit.say("Plan", "Plano")) } dd.strong { (plan.title) } }
                @if pays {
                    div {
                        dt { (visit.say("Payment form", "Forma de pagamento")) }
                        dd {
                            (words::payment(
                                &plan.payment_type, plan.payment_method, visit.language,
                            ))
                        }
                    }
                }
                div {
                    dt { (visit.say("Next due date", "Próximo vencimento")) }
                    dd { (visit.date(plan.due)) }
                }
                div {
                    dt { (visit.say("Renews by itself", "Renovação automática")) }
                    dd { (yes_or_no(plan.auto_renew)) }
                }
            }
            @if plan.auto_renew {
                p.hint {
                    (visit.say(
                        "What the plan gives is restored on the day after the due date.",
                        "O que o plano dá é restaurado no dia seguinte ao vencimento.",
                    ))
                }
            }
            @if pays { (payment_method(visit, plan.payment_method, &plan.payment_type)) }
        } @else {
            (empty(visit.say("No plan is active.", "Nenhum plano ativo.")))
        }
    }
}

/// Choosing between boleto and card, where the gateway has both (docs/sources.md, LiveChat 360).
fn payment_method(visit: &Visit<'_>, chosen: Option<PaymentMethod>, label: &str) -> Markup {
    if !label.eq_ignore_ascii_case("asaas") || !visit.may("set_payment_method") {
        return html! {};
    }
    let methods =
        [(PaymentMethod::Boleto, "Boleto"), (PaymentMethod::Card, visit.say("Card", "Cartão"))];
    html! {
        details.change {
            summary { (visit.say("Change the payment form", "Alterar forma de pagamento")) }
            form.inline method="post" action=(visit.of_tenant("subscription", "/payment-method")) {
                (visit.hidden())
                fieldset {
                    legend {
                        (visit.say("Pay the next invoices by", "Pagar as próximas faturas com"))
                    }
                    @for (method, name) in methods {
                        label.choice {
                            input type="radio" name="method" value=(method.code())
                                checked[chosen == Some(method)] required;
                            (name)
                        }
                    }
                }
                button.primary type="submit" { (visit.say("Save", "Salvar")) }
            }
        }
    }
}

/// `POST`: how the next invoices are paid.
pub(super) fn set_payment_method(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let arguments = json!({ "tenant": visit.tenant(), "method": visit.form.text("method") });
    visit.call("set_payment_method", &arguments)?;
    Ok(Reply::see(visit.of_tenant("subscription", "?done=method")))
}

fn balances(
    visit: &Visit<'_>,
    statement: &Statement,
    usage: &UsageReport,
    report: &TenantReport,
) -> Markup {
    let title = visit.say("Plan details", "Detalhes do plano");
    let buys = visit.may("buy");
    section(
        "balances",
        title,
        &html! {
            @if statement.balances.is_empty() {
                (empty(visit.say("The plan limits nothing.", "O plano não limita nada.")))
            }
            ul.cards {
                @for line in &statement.balances {
                    li.card { (balance(visit, statement, line, usage, report)) }
                }
            }
            p.actions {
                a.button href=(visit.of_tenant("subscription", "/usage")) {
                    (visit.say("Usage by day and hour", "Consumo por dia e hora"))
                }
                @if buys {
                    a.button.primary href=(visit.of_tenant("subscription", "/extras")) {
                        (visit.say("Buy extras", "Comprar extras"))
                    }
                }
            }
        },
    )
}

/// "Conversas disponíveis: 950 de 1100".
pub(super) fn balance(
    visit: &Visit<'_>,
    statement: &Statement,
    line: &BalanceLine,
    usage: &UsageReport,
    report: &TenantReport,
) -> Markup {
    let of = visit.say("of", "de");
    html! {
        h3 { (line.title.text(visit.language)) }
        @match (line.available, line.contracted) {
            (Some(available), Some(contracted)) => {
                p.figure {
                    strong { (visit.number(available)) }
                    " " (visit.say("available", "disponíveis")) " "
                    span.of { (of) " " (visit.number(contracted)) }
                }
            }
            _ => p.figure { strong { (visit.say("Unlimited", "Sem limite")) } }
        }
        (meter(visit, line))
        p.small {
            (visit.number(line.used)) " "
            (match line.kind {
                "seat" | "lease" => visit.say("in use", "em uso"),
                _ => visit.say("used", "usados"),
            })
            @if line.over_limit {
                " " (badge("over", visit.say("over the limit", "acima do limite")))
            }
        }
        (pace(visit, statement, line, usage, report))
    }
}

/// When it runs out, if it goes on being used as in the last days.
fn pace(
    visit: &Visit<'_>,
    statement: &Statement,
    line: &BalanceLine,
    usage: &UsageReport,
    report: &TenantReport,
) -> Markup {
    let is_used_up = matches!(line.kind, "allowance" | "session");
    let Some(available) = line.available.filter(|_| is_used_up) else { return html! {} };
    let now = report.as_of;
    let Some(pace) = Pace::of(usage, &line.resource, now) else {
        return html! {
            p.small.muted {
                (visit.say("None used in the last 7 days.", "Nenhum uso nos últimos 7 dias."))
            }
        };
    };
    if available == 0 {
        return html! { p.small { (badge("over", visit.say("used up", "esgotado"))) } };
    }
    let out = visit.day(pace.runs_out(available, now), statement.time_zone);
    let ends = pace.runs_out(available, now);
    let out_on = cotas::rules::calendar::date_of(ends, statement.time_zone);
    let renewal = statement.plan.as_ref().filter(|it| it.auto_renew).map(|it| it.due);
    let per_day = visit.number(pace.per_day());
    html! {
        p.small {
            (visit.say("About", "Cerca de")) " " (per_day) " " (visit.say("a day", "por dia")) ": "
            @if renewal.is_some_and(|due| out_on > due) {
                (visit.say("lasts until the renewal", "dura até a renovação"))
            } @else {
                strong.near {
                    (visit.say("runs out on", "acaba em")) " " (out)
                }
            }
        }
    }
}

/// Why something was refused of late, and what to do.
fn denied(visit: &Visit<'_>, statement: &Statement, usage: &UsageReport) -> Markup {
    let mut sums = std::collections::BTreeMap::new();
    for bucket in &usage.buckets {
        if let Metric::Denied(reason) = bucket.metric {
            let key = (reason, bucket.resource.as_str());
            let sum: &mut u64 = sums.entry(key).or_default();
            *sum = sum.saturating_add(bucket.count);
        }
    }
    if sums.is_empty() {
        return html! {};
    }
    let title_of = |name: &str| {
        let line = statement.balances.iter().find(|it| it.resource == name);
        line.map_or(name, |it| it.title.text(visit.language)).to_owned()
    };
    let head = [
        words_of(visit.say("Why", "Motivo")),
        words_of(visit.say("Resource", "Recurso")),
        numbers_of(visit.say("Times", "Vezes")),
    ];
    let rows: Vec<_> = sums
        .into_iter()
        .map(|((reason, resource), count)| {
            let why = words::reason(reason, visit.language);
            vec![html! { (why) }, or_dash(&title_of(resource)), html! { (visit.number(count)) }]
        })
        .collect();
    let title = visit.say("Refused in the last 7 days", "Recusado nos últimos 7 dias");
    section("denied", title, &table(title, &head, &rows))
}

fn plans(visit: &Visit<'_>, statement: &Statement, pays: bool) -> Markup {
    let title = visit.say("Current and past plans", "Plano atual e anteriores");
    if statement.subscriptions.is_empty() {
        let none = visit.say("There was none yet.", "Ainda não houve nenhum.");
        return section("plans", title, &empty(none));
    }
    let mut head = vec![
        numbers_of("Id"),
        words_of(visit.say("Plan", "Plano")),
        words_of(visit.say("Period start", "Início do período")),
        words_of(visit.say("Next due date", "Próximo vencimento")),
        words_of(visit.say("Status", "Status")),
    ];
    if pays {
        head.push(words_of(visit.say("Payment type", "Tipo de pagamento")));
        head.push(words_of(visit.say("Gateway id", "Id Gateway")));
    }
    let row = |it: &SubscriptionRecord| {
        let tone = if it.status == "active" { "good" } else { "quiet" };
        let mut row = vec![
            html! { (it.id) },
            html! { (it.title) },
            html! { (visit.day(it.period_start, statement.time_zone)) },
            html! { (visit.date(it.due)) },
            badge(tone, words::subscription_status(it.status, visit.language)),
        ];
        if pays {
            let paid = words::payment(&it.payment_type, it.payment_method, visit.language);
            row.push(html! { (paid) });
            row.push(or_dash(it.gateway_id.as_deref().unwrap_or_default()));
        }
        row
    };
    let rows: Vec<_> = statement.subscriptions.iter().map(row).collect();
    section("plans", title, &table(title, &head, &rows))
}

/// The invoices, each with its lines below it.
pub(super) fn invoices(visit: &Visit<'_>, statement: &Statement) -> Markup {
    let title = visit.say("Invoices", "Faturas");
    if statement.invoices.is_empty() {
        let none = visit.say("There is no invoice yet.", "Ainda não há faturas.");
        return section("invoices", title, &empty(none));
    }
    let yes_or_no = |yes| if yes { visit.say("Yes", "Sim") } else { visit.say("No", "Não") };
    let instalments = statement.invoices.iter().any(|it| it.part.1 > 1);
    let mut head = vec![
        numbers_of("Id"),
        numbers_of(visit.say("Amount", "Valor")),
        words_of(visit.say("For", "Plano")),
        words_of("Status"),
        words_of(visit.say("Due date", "Data de vencimento")),
        words_of(visit.say("Payment date", "Data de pagamento")),
        words_of(visit.say("Payment type", "Tipo de pagamento")),
        words_of(visit.say("Recurring?", "É recorrente?")),
    ];
    if instalments {
        head.push(numbers_of(visit.say("Instalment", "Parcela")));
    }
    let row = |it: &cotas::Invoice| {
        let paid_on = it.paid_on.map(|day| visit.date(day)).unwrap_or_default();
        let mut row = vec![
            html! { (it.id) },
            html! { (visit.money(it.amount, &it.currency)) },
            html! { (it.title) (lines(visit, it)) },
            invoice_status(visit, it.status),
            html! { (visit.date(it.due)) },
            or_dash(&paid_on),
            html! { (words::payment(&it.payment_type, it.payment_method, visit.language)) },
            html! { (yes_or_no(it.recurring)) },
        ];
        row.extend(instalments.then(|| html! { (it.part.0) "/" (it.part.1) }));
        row
    };
    let rows: Vec<_> = statement.invoices.iter().map(row).collect();
    section("invoices", title, &table(title, &head, &rows))
}

fn lines(visit: &Visit<'_>, invoice: &cotas::Invoice) -> Markup {
    html! {
        ul.lines {
            @for line in &invoice.lines {
                li {
                    (line.title)
                    @if let (Some(from), Some(to)) = (line.from, line.to) {
                        ", " (visit.date(from)) " " (visit.say("to", "a")) " " (visit.date(to))
                    }
                    ": " (visit.money(line.amount, &invoice.currency))
                }
            }
        }
    }
}

/// Where the balances come from: the plan, extras, packages.
pub(super) fn grants(visit: &Visit<'_>, statement: &Statement) -> Markup {
    let title = visit.say("Where it comes from", "Origem dos saldos");
    let head = [
        words_of(visit.say("Resource", "Recurso")),
        words_of(visit.say("Source", "Origem")),
        numbers_of(visit.say("Granted", "Concedido")),
        numbers_of(visit.say("Consumed", "Consumido")),
        numbers_of(visit.say("Remaining", "Restante")),
        words_of(visit.say("Until", "Válido até")),
    ];
    let row = |it: &cotas::GrantLine| {
        let grant = &it.grant;
        let until = grant.expires_at.map(|at| visit.day(at.plus_ms(-1), statement.time_zone));
        let counted = |units| if it.used_up { visit.number(units) } else { String::new() };
        vec![
            html! { (it.title.text(visit.language)) },
            html! { (words::source(grant.source, visit.language)) },
            html! { (visit.number(grant.granted)) },
            or_dash(&counted(grant.consumed)),
            or_dash(&counted(grant.remaining)),
            or_dash(&until.unwrap_or_default()),
        ]
    };
    let rows: Vec<_> = statement.grants.iter().map(row).collect();
    html! {
        @if !rows.is_empty() { (section("grants", title, &table(title, &head, &rows))) }
    }
}

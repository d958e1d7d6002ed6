//! The tour prints what the five documents say, in the engine's own figures.

mod common;

use std::time::{Duration, Instant};

use common::{Desk, stderr, stdout};
use serde_json::{Value, json};

fn tour(platform: &str) -> String {
    let desk = Desk::empty();
    let output = desk.command(&["tour", platform]).env_remove("COTAS_DB").output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

/// The report at the end of a story, for programs.
fn report(platform: &str) -> Value {
    let stories = Desk::empty().json(&["tour", platform]);
    stories.pointer("/0/report").expect("one story").clone()
}

/// Asserts that these lines are there, in this order, with others among them.
fn assert_lines(story: &str, expected: &[&str]) {
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = story.lines().map(squeezed);
    for line in expected {
        assert!(
            lines.any(|it| it == squeezed(line)),
            "{line:?} is not there, or too early, in\n{story}"
        );
    }
}

#[test]
fn livechat360_counts_conversations_and_restores_them_a_day_after_the_due_date() {
    assert_lines(
        &tour("livechat360"),
        &[
            "padaria-aurora subscribes to Plano full, paid manually, due 20/05/2026",
            "Users available: 29 of 30",
            "Conversas disponíveis: 900 de 1000",
            "buys 100 of conversas_extras: BRL 30.00 (100); invoice 2 is paid",
            "Conversas disponíveis: 950 de 1100",
            "sessions: 950 of 1100, 150 used",
            "a campaign: 1,050 contacts write: 950 sessions opened, 0 go on, 100 refused",
            "Conversas disponíveis: 0 de 1100",
            "a contact with an open session: allowed",
            "the due day is not over: a new contact writes, denied, quota_exhausted",
            "21/05/2026 00:00",
            "one day after the due date: a new contact writes, allowed",
            "the plan's units were restored on 21/05/2026, next due 20/06/2026",
            "Minha assinatura: padaria-aurora",
            "Próximo vencimento:   20/06/2026",
            "Conversas disponíveis: 999 de 1000",
            "Usuários disponíveis: 29 de 30",
            "│ 2 ┆ R$ 30,00 ┆ Conversas extras ┆ Manual ┆ paga ┆ Não ┆ 11/05/2026 ┆ 11/05/2026 │",
        ],
    );
}

#[test]
fn helena_has_demonstrations_statuses_and_quantities() {
    let notice = "with the notice \"Esta é uma mensagem de teste\"; receive allowed";
    assert_lines(
        &tour("helena"),
        &[
            &format!("demo: send allowed {notice}"),
            "18/05/2026 09:00",
            "demo: send denied, demo_expired; receive denied, demo_expired",
            "it is removed, and asked for: unknown tenant \"loja-teste\"",
            "attendants, 9 asked for: 8 allowed; 1 denied, quota_exhausted",
            "WhatsApp channels, 4 asked for: 3 allowed; 1 denied, quota_exhausted",
            "on Personalizado it would be over: channels 4 of 1, channels.instagram 1 of 0, \
             users 9 of 1, users.attendants 8 of 1",
            "past_due: send allowed with a warning; receive allowed",
            "suspended: send denied, status_forbids; receive allowed",
            "it wants to be a demonstration: a tenant that is suspended cannot become demo \
             (expected active or cancelled)",
            "Relatório do plano: clinica-sorriso",
            "Situação:      suspenso",
            "│ Canais ┆ 4 ┆ 4 │",
            "│ WhatsApp ┆ 3 ┆ 3 │",
            "│ Agentes de IA ┆ Não │",
        ],
    );
    let report = report("helena");
    assert_eq!(report["data"]["status"], "suspended");
    let users = &report["data"]["usage"]["active_users"];
    assert_eq!(users, 9, "8 attendants and the administrator");
}

#[test]
fn whazing_charges_in_full_at_once_and_with_the_due_date() {
    assert_lines(
        &tour("whazing"),
        &[
            "exemplo-a connects canal-1: allowed",
            "exemplo-a connects canal-2: denied, quota_exhausted",
            "9 of canais_api_plus: BRL 45.00 (9 x 1); 10 would cost BRL 35.00",
            "11 of canais_api_plus: BRL 40.00 (10 + 1)",
            "exemplo-a connects canal-2: the token is in use for another seat",
            "exemplo-a connects canal-2: allowed",
            "and is warned: use WhatsApp Business: plain WhatsApp may disconnect and be unstable",
            "Example A: 2 channels, 2 connected; 5.00 + 5.00 = 10.00 (05/05/2026 and 30/05/2026)",
            "Example B: 3 channels, 0 connected; 10.00 + 10.00 = 20.00 (05/05/2026 and 15/05/2026)",
            "Canais API PLUS: exemplo-a",
            "│ canal-2 ┆ WhatsApp ┆ 05/05/2026 ┆ Sim │",
        ],
    );
    assert_eq!(report("whazing")[1]["paid_cents"], json!([1000, 1000]));
}

#[test]
fn assin_reports_what_it_costs_and_keeps_two_balances() {
    assert_lines(
        &tour("assin"),
        &[
            "before an envelope is sealed its page says Créditos: 3, of 50 available of 50",
            "the request comes twice: answered from memory, 47 of 50 left",
            "the batch used 4, the rest goes back: 46 left",
            "3 by WhatsApp: 2 allowed; 1 denied, quota_exhausted",
            "by e-mail it still goes: allowed",
            "an envelope of 2 with an SMS is all or nothing: denied, quota_exhausted",
            "folder: Credits available: 46 of 50",
            "Saldos: escritorio-lima",
            "Créditos disponíveis: 44 de 50",
            "Créditos de notificação disponíveis: 99 de 120",
        ],
    );
}

#[test]
fn voki_reports_in_the_keys_of_its_document() {
    assert_lines(
        &tour("voki"),
        &[
            "validates 12.345.678/0001-90: the document is not a valid CNPJ: its check digits are \
             wrong",
            "new-company: Professional, paid with Asaas, pending",
            "a stranger reports PAYMENT_CONFIRMED over 699.00: refused",
            "Asaas reports PAYMENT_CONFIRMED over 699.00: applied, invoice 1 is paid",
            "Asaas again reports PAYMENT_CONFIRMED over 699.00: a duplicate",
            "11 calls at a time: 10 allowed; 1 denied, quota_exhausted",
            "a minute after the server crashed: allowed",
            "calls this month: 342",
        ],
    );
    assert_eq!(
        report("voki"),
        json!({ "data": {
            "plan": "professional",
            "status": "active",
            "max_concurrent_calls": 10,
            "max_users": 50,
            "max_departments": 20,
            "recording_enabled": true,
            "transcription_enabled": true,
            "analytics_enabled": true,
            "levels": { "analytics": "full" },
            "current_period_start": "2026-02-01T00:00:00Z",
            "current_period_end": "2026-03-01T00:00:00Z",
            "usage": {
                "active_users": 12,
                "active_departments": 5,
                "calls_this_month": 342,
                "recording_storage_mb": 2048,
            },
        }})
    );
}

#[test]
fn all_five_are_reported_at_once_and_leave_nothing_behind() {
    let desk = Desk::empty();
    let begun = Instant::now();
    let stories = desk.json(&["tour"]);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(stories.as_array().map(Vec::len), Some(5));
    assert!(!desk.path("cotas.db").exists());
}

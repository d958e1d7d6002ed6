//! Helena (docs/sources.md): "Contas".

use cotas::billing::{CompanyType, DocumentType, PersonType};
use cotas::catalog::Feature;
use cotas::{
    AccountHolder, Address, Administrator, DEMO_NOTICE, Details, Engine, Limit, NewTenant, Reason,
    Status,
};
use cotas_tests::wide::allowed;
use cotas_tests::{at, date};

use super::{CNPJ, PT, Platform, company, denied, fill, of, refused, row_with, subscriber};

pub(super) const CATALOG: &str = include_str!("../../examples/catalogs/helena.toml");
const TENANT: &str = "clinica-sorriso";
/// A legal form that the list does not have.
const OTHER: (CompanyType, &str) = (CompanyType::Other, "consórcio");
const NOW: &str = "2026-03-01T10:00:00-03:00";

fn platform() -> Platform {
    Platform::open(CATALOG, NOW)
}

fn on_comercial() -> NewTenant<'static> {
    subscriber(TENANT, "comercial", "2026-03-31")
}

fn with_holder<'a>(holder: AccountHolder<'a>) -> NewTenant<'a> {
    NewTenant { holder: Some(holder), ..on_comercial() }
}

/// Asserts that there is no tenant, no document and no seat of an attempt.
fn assert_nothing_saved(engine: &Engine) {
    assert!(engine.tenants().expect("reads").is_empty());
    engine.validate_document(CNPJ, DocumentType::Cnpj).expect("is free");
}

#[test]
fn seed_001_01_an_account_is_of_a_company_or_of_a_person() {
    let platform = platform();
    platform.create(&with_holder(company(CNPJ)));
    let person = AccountHolder {
        person: PersonType::Natural,
        document: Some(("529.982.247-25", DocumentType::Cpf)),
        company_type: None,
        ..company(CNPJ)
    };
    platform.create(&NewTenant { name: "ana", ..with_holder(person) });
    let account_holder =
        |name| platform.engine.account_holder(name).expect("reads").expect("has one");
    assert_eq!(account_holder(TENANT).person.label(), "Pessoa Jurídica");
    assert_eq!(account_holder("ana").person.label(), "Pessoa Física");
    assert_eq!(account_holder("ana").document.as_deref(), Some("52998224725"));
}

#[test]
fn seed_001_02_trade_name_cnpj_and_legal_name_are_kept() {
    let platform = platform();
    platform.create(&with_holder(company("12.abc.345/01de-35")));
    let account_holder = platform.engine.account_holder(TENANT).expect("reads").expect("has one");
    assert_eq!(account_holder.trade_name, "Padaria Aurora");
    assert_eq!(account_holder.legal_name, "Padaria Aurora Ltda");
    assert_eq!(account_holder.document.as_deref(), Some("12ABC34501DE35"), "in its normal form");
    let again = NewTenant { name: "outra", ..with_holder(company("12ABC34501DE35")) };
    refused(platform.engine.create_tenant(&again), 425);
    let wrong = NewTenant { name: "outra", ..with_holder(company("12.345.678/0001-90")) };
    refused(platform.engine.create_tenant(&wrong), 330);
}

#[test]
fn seed_001_03_the_company_type_is_one_of_a_list() {
    for (kind, text) in CompanyType::ALL.map(|kind| (kind, "")).into_iter().chain([OTHER]) {
        let platform = platform();
        platform.create(&with_holder(AccountHolder {
            company_type: Some(kind),
            company_type_text: text,
            ..company(CNPJ)
        }));
        let account_holder =
            platform.engine.account_holder(TENANT).expect("reads").expect("has one");
        assert_eq!(
            (account_holder.company_type, account_holder.company_type_text.as_str()),
            (Some(kind), text)
        );
    }
    for known in ["EI", "LTDA", "MEI"] {
        assert!(CompanyType::from_code(known).is_some(), "{known}");
    }
    let platform = platform();
    let wrong = AccountHolder { company_type_text: OTHER.1, ..company(CNPJ) };
    refused(platform.engine.create_tenant(&with_holder(wrong)), 406);
    let text = "consórcio\n";
    let wrong =
        AccountHolder { company_type: Some(OTHER.0), company_type_text: text, ..company(CNPJ) };
    refused(platform.engine.create_tenant(&with_holder(wrong)), 406);
    assert_nothing_saved(&platform.engine);
}

#[test]
fn seed_001_04_the_status_is_set_at_creation() {
    for status in Status::ALL {
        let platform = platform();
        platform.create(&NewTenant { status, ..on_comercial() });
        assert_eq!(platform.engine.report(TENANT).expect("reads").status, status);
    }
}

#[test]
fn seed_001_05_a_demonstration_ends_after_14_days_and_is_removed() {
    let platform = platform();
    platform.create(&NewTenant { status: Status::Demo, ..with_holder(company(CNPJ)) });
    let tenant = platform.tenant(TENANT);
    let maintain = || platform.engine.remove_ended_trials().expect("looks");
    platform.at("2026-03-08T10:00:00-03:00");
    assert_eq!(maintain(), [""; 0], "announced");
    platform.at("2026-03-15T09:59:59-03:00");
    assert_eq!(maintain(), [""; 0], "not over");
    allowed(tenant.perform("send_message", &of("c")));
    let ended = || platform.engine.ended_demos().expect("reads");
    assert!(ended().is_empty());
    platform.engine.purge_demo(TENANT).expect_err("is not over");
    platform.at("2026-03-15T10:00:00-03:00");
    for action in ["send_message", "receive_message", "log_in"] {
        denied(tenant.perform(action, &of("c")), Reason::DemoExpired);
    }
    assert_eq!(ended(), [TENANT]);
    assert_eq!(maintain(), [TENANT], "removed by itself, at its end");
    refused(tenant.perform("log_in", &of("c")), 400);
    assert_nothing_saved(&platform.engine);
    platform.create(&on_comercial());
    allowed(platform.tenant(TENANT).perform("log_in", &of("c")));
}

#[test]
fn seed_001_06_the_sends_of_a_demonstration_carry_the_notice() {
    let platform = platform();
    platform.create(&NewTenant { status: Status::Demo, ..on_comercial() });
    let tenant = platform.tenant(TENANT);
    assert!(allowed(tenant.perform("send_message", &of("c"))).demo_notice);
    assert!(!allowed(tenant.perform("receive_message", &of("c"))).demo_notice, "only sends");
    assert_eq!(DEMO_NOTICE, "Esta é uma mensagem de teste");
    platform.engine.set_status(TENANT, Status::Active, "bought", false).expect("moves");
    assert!(!allowed(tenant.perform("send_message", &of("c"))).demo_notice);
}

#[test]
fn seed_001_07_each_of_six_statuses_permits_what_it_says() {
    // access, send, receive, other use; the warning of arrears
    let table = [
        (Status::Demo, [true, true, true, true], false),
        (Status::Onboarding, [true, true, true, true], false),
        (Status::Active, [true, true, true, true], false),
        (Status::PastDue, [true, true, true, true], true),
        (Status::Suspended, [true, false, true, false], false),
        (Status::Cancelled, [false, false, false, false], false),
    ];
    for (status, permitted, warned) in table {
        let platform = platform();
        platform.create(&NewTenant { status, ..on_comercial() });
        let tenant = platform.tenant(TENANT);
        let actions = ["log_in", "send_message", "receive_message", "ask_ai_agent"];
        for (action, permitted) in actions.into_iter().zip(permitted) {
            let answer = tenant.perform(action, &of("c"));
            if permitted {
                let decision = allowed(answer);
                assert_eq!(decision.past_due, warned, "{status:?} {action}");
            } else {
                denied(answer, Reason::StatusForbids);
            }
        }
    }
    let platform = platform();
    platform.create(&NewTenant { status: Status::Cancelled, ..on_comercial() });
    refused(platform.engine.set_status(TENANT, Status::Active, "regret", false), 408);
    assert_eq!(platform.engine.report(TENANT).expect("reads").status, Status::Cancelled, "final");
}

#[test]
fn seed_001_08_billing_stops_only_when_cancelled() {
    let invoices_of = |status: Status| {
        let platform = platform();
        platform.create(&on_comercial());
        platform.engine.set_status(TENANT, status, "as asked", true).expect("moves");
        let before = platform.engine.invoices(TENANT).expect("reads").len();
        platform.at("2026-04-01T12:00:00-03:00");
        platform.engine.settle(TENANT).expect("settles");
        platform.engine.invoices(TENANT).expect("reads").len() - before
    };
    for status in [Status::Active, Status::PastDue, Status::Suspended] {
        assert_eq!(invoices_of(status), 1, "{status:?} is charged for the next period");
    }
    assert_eq!(invoices_of(Status::Cancelled), 0);
}

#[test]
fn seed_001_09_the_administrator_is_mandatory_and_becomes_the_first_user() {
    let complete = company(CNPJ).administrator;
    for (missing, administrator) in [
        ("name", Administrator { name: "", ..complete }),
        ("telephone", Administrator { phone: "", ..complete }),
        ("e-mail", Administrator { email: "", ..complete }),
        ("e-mail", Administrator { email: "ana", ..complete }),
    ] {
        let platform = platform();
        let holder = AccountHolder { administrator, ..company(CNPJ) };
        let error = refused(platform.engine.create_tenant(&with_holder(holder)), 406);
        assert!(error.to_string().contains(missing), "{error}");
        assert_nothing_saved(&platform.engine);
    }
    let platform = platform();
    platform.create(&with_holder(company(CNPJ)));
    let tenant = platform.tenant(TENANT);
    let administrators = tenant.seats("users.administrators").expect("are seats");
    let first = administrators.list().expect("reads").remove(0);
    assert_eq!((first.holder.as_str(), first.since), ("ana@aurora.example", at(NOW)), "the login");
    assert_eq!(platform.left(TENANT, "users.administrators"), (Some(1), Some(2)));
    assert_eq!(platform.left(TENANT, "users"), (Some(9), Some(10)));
}

#[test]
fn seed_001_10_the_address_is_given_manually_with_its_cep() {
    let full = Address {
        cep: "01310-100",
        street: "Avenida Paulista",
        number: "1000",
        complement: "conjunto 12",
        district: "Bela Vista",
        city: "São Paulo",
        state: "SP",
    };
    let platform = platform();
    platform.create(&with_holder(AccountHolder { address: Some(full), ..company(CNPJ) }));
    let account_holder = platform.engine.account_holder(TENANT).expect("reads").expect("has one");
    let address: serde_json::Value =
        serde_json::from_str(&account_holder.address).expect("is JSON");
    assert_eq!(address["cep"], "01310-100");
    assert_eq!(
        (&address["number"], &address["complement"]),
        (&"1000".into(), &full.complement.into())
    );
    for cep in ["01310", "0131-0100", "01310-10a", "013101000"] {
        let platform = self::platform();
        let address = Some(Address { cep, ..full });
        let holder = AccountHolder { address, ..company(CNPJ) };
        refused(platform.engine.create_tenant(&with_holder(holder)), 330);
        assert_nothing_saved(&platform.engine);
    }
}

#[test]
fn seed_001_11_a_plan_is_preset_or_made_manually() {
    let platform = platform();
    platform.create(&on_comercial());
    assert_eq!(platform.left(TENANT, "boards").1, Some(5), "as preset");
    let manual = NewTenant {
        limits: &[("boards", Limit::Finite(7)), ("channels", Limit::Unlimited)],
        features: &[("crm", Feature::Flag(true))],
        ..subscriber("sob-medida", "personalizado", "2026-03-31")
    };
    platform.create(&manual);
    assert_eq!(platform.left("sob-medida", "boards").1, Some(7));
    assert_eq!(platform.left("sob-medida", "channels"), (None, None), "unlimited");
    let tenant = platform.tenant("sob-medida");
    allowed(tenant.perform("open_crm", &Details::default()));
    denied(tenant.perform("run_campaign", &Details::default()), Reason::FeatureMissing);
    let unknown = NewTenant { name: "outra", limits: &[("quadros", Limit::Finite(1))], ..manual };
    refused(platform.engine.create_tenant(&unknown), 402);
}

/// Asserts that each of these features opens its action, and that without it nothing does.
fn assert_opened_by(features: &[(&str, &str)]) {
    let platform = platform();
    platform.create(&on_comercial());
    platform.create(&subscriber("sem-nada", "personalizado", "2026-03-31"));
    let (with, without) = (platform.tenant(TENANT), platform.tenant("sem-nada"));
    for &(feature, action) in features {
        allowed(with.perform(action, &Details::default()));
        denied(without.perform(action, &Details::default()), Reason::FeatureMissing);
        platform.engine.set_feature("sem-nada", feature, Some(&Feature::Flag(true))).expect("is");
        allowed(without.perform(action, &Details::default()));
        platform.engine.set_feature(TENANT, feature, Some(&Feature::Flag(false))).expect("is");
        denied(with.perform(action, &Details::default()), Reason::FeatureMissing);
    }
}

#[test]
fn seed_001_12_apps_are_ticked_one_by_one() {
    assert_opened_by(&[
        ("ai_agents", "ask_ai_agent"),
        ("campaigns", "run_campaign"),
        ("crm", "open_crm"),
        ("internal_chat", "chat_internally"),
    ]);
}

#[test]
fn seed_001_13_custom_fields_and_webhook_api_are_resources_of_a_plan() {
    assert_opened_by(&[("custom_fields", "fill_custom_field"), ("webhook_api", "call_api")]);
    let platform = platform();
    platform.create(&on_comercial());
    let report = platform.engine.plan_report(TENANT, cotas::Role::Manager).expect("reads");
    let page = report.to_page(PT);
    assert_eq!(row_with(&page, "Campos personalizados"), ["Campos personalizados", "Sim"]);
    assert_eq!(row_with(&page, "Webhook+API"), ["Webhook+API", "Sim"]);
}

#[test]
fn seed_001_14_quantities_limit_chatbots_boards_users_and_channels() {
    let platform = platform();
    platform.create(&on_comercial());
    let tenant = platform.tenant(TENANT);
    for (resource, most) in [
        ("chatbots.attendance", 3),
        ("chatbots.automation", 2),
        ("boards", 5),
        ("users.attendants", 8),
        ("users.administrators", 2),
        ("channels.whatsapp", 2),
        ("channels.instagram", 1),
        ("channels.messenger", 1),
    ] {
        let seats = tenant.seats(resource).expect("are seats");
        fill(&seats, resource, most);
        denied(seats.occupy("one-more"), Reason::QuotaExhausted);
        assert_eq!(platform.left(TENANT, resource), (Some(0), Some(most)));
    }
    for (all, most) in [("users", 10), ("channels", 4)] {
        assert_eq!(platform.left(TENANT, all), (Some(0), Some(most)), "{all} of any kind");
    }
    // A kind that has capacity cannot pass the number of all.
    platform.engine.set_limit(TENANT, "channels.whatsapp", Limit::Finite(9)).expect("changes");
    let whatsapp = tenant.seats("channels.whatsapp").expect("are seats");
    denied(whatsapp.occupy("one-more"), Reason::QuotaExhausted);
    let instagram = tenant.seats("channels.instagram").expect("are seats");
    assert!(instagram.release("channels.instagram-0").expect("releases"));
    allowed(whatsapp.occupy("one-more"));
}

#[test]
fn seed_001_15_everything_is_checked_together_before_the_account_is_saved() {
    let platform = platform();
    let good = NewTenant { limits: &[("boards", Limit::Finite(7))], ..with_holder(company(CNPJ)) };
    let holder = || company(CNPJ);
    let attempts: [(&str, i32, NewTenant<'_>); 6] = [
        ("document", 330, with_holder(company("11.222.333/0001-82"))),
        ("resource", 402, NewTenant { limits: &[("quadros", Limit::Unlimited)], ..good.clone() }),
        ("feature", 421, NewTenant { features: &[("x", Feature::Flag(true))], ..good.clone() }),
        ("plan", 404, NewTenant { ..good.clone().plan("gold", date("2026-03-31"), true) }),
        ("due date", 406, good.clone().plan("comercial", date("2026-02-28"), true)),
        (
            "for the administrator",
            406,
            NewTenant {
                limits: &[("users", Limit::Finite(0))],
                holder: Some(holder()),
                ..good.clone()
            },
        ),
    ];
    for (what, code, attempt) in attempts {
        refused(platform.engine.create_tenant(&attempt), code);
        assert_nothing_saved(&platform.engine);
        refused(platform.engine.tenant(TENANT).map(|_| what), 400);
    }
    platform.create(&good);
    assert_eq!(platform.left(TENANT, "boards").1, Some(7));
}

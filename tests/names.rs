//! Names that look the same are the same.
#![allow(clippy::unwrap_used)]

use cotas::*;
use cotas_tests::*;

const EMAILS: &str = r#"
[catalog]
administrator_seat = "users"
[resources.users]
kind = "seat"
holder = "email"
[resources.boards]
kind = "seat"
[plans.full]
title = "Full"
price = "1.00"
limits = { users = 3, boards = 3 }
"#;

fn emails() -> (Engine, Tenant) {
    let (engine, _) = in_memory(NOON);
    engine.load_catalog(&Catalog::parse(EMAILS, "t.toml").unwrap()).unwrap();
    add_tenant(&engine, "acme", "full", "2026-06-20", true);
    let tenant = engine.tenant("acme").unwrap();
    (engine, tenant)
}

fn holders(tenant: &Tenant, resource: &str) -> Vec<String> {
    tenant.seats(resource).unwrap().list().unwrap().into_iter().map(|it| it.holder).collect()
}

#[test]
fn a_tenant_whose_name_looks_like_another_is_refused_with_the_right_spelling() {
    let (engine, _) = in_memory(NOON);
    engine.create_tenant(&NewTenant::new("padaria-s\u{e3}o")).unwrap();
    for (name, why) in [
        ("padaria-sa\u{303}o", "write \"padaria-s\u{e3}o\""),
        ("padaria-s\u{e3}o\n", "begins or ends with a space"),
        ("padaria\u{200b}-s\u{e3}o", "U+200B"),
        ("\u{202e}padaria", "U+202E"),
    ] {
        for error in [
            engine.create_tenant(&NewTenant::new(name)).unwrap_err(),
            engine.tenant(name).err().unwrap(),
        ] {
            assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
            assert!(error.to_string().contains(why), "{error}");
        }
    }
    assert_eq!(engine.tenants().unwrap(), ["padaria-s\u{e3}o"]);
}

#[test]
fn a_person_has_one_seat_however_the_address_is_written() {
    let (engine, tenant) = emails();
    let users = tenant.seats("users").unwrap();
    assert!(users.occupy("Ana@Aurora.example").unwrap().allowed());
    assert!(users.occupy("ana@aurora.example").unwrap().allowed());
    assert_eq!(holders(&tenant, "users"), ["Ana@Aurora.example"]);
    users.replace("ANA@AURORA.EXAMPLE", "ana@aurora.example").unwrap();
    assert_eq!(holders(&tenant, "users"), ["ana@aurora.example"]);
    assert!(users.occupy("bia@aurora.example").unwrap().allowed());
    assert!(users.replace("ana@aurora.example", "BIA@aurora.example").is_err());
    assert!(users.occupy("bia").unwrap_err().to_string().contains("no e-mail address"));
    assert!(users.release("Bia@Aurora.Example").unwrap());
    assert!(!users.release("Bia@Aurora.Example").unwrap());
    let boards = tenant.seats("boards").unwrap();
    assert!(boards.occupy("A").unwrap().allowed() && boards.occupy("a").unwrap().allowed());
    assert_eq!(holders(&tenant, "boards"), ["A", "a"]);
    assert!(boards.occupy("a\u{301}").unwrap_err().to_string().contains("write \"\u{e1}\""));
    assert_sound(&engine);
}

#[test]
fn only_seats_say_what_their_holders_are() {
    let wrong = EMAILS.replace("kind = \"seat\"\nholder", "kind = \"allowance\"\nholder");
    let error = Catalog::parse(&wrong, "t.toml").unwrap_err().to_string();
    assert!(error.contains("belongs to kind \"seat\""), "{error}");
}

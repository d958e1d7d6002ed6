"""The story of tests/hosts/story.txt, by ctypes. Arguments: a new database, a catalog."""

import json
import sys
from datetime import datetime, timezone

from binding import MODE_FINITE, REPLAYED, SESSION_OPENED, CotasError, Engine, reason_name

TENANT = "padaria-são-joão"


def ms(text):
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def instant(at_ms):
    return datetime.fromtimestamp(at_ms / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def shown(decision):
    if decision.allowed:
        session = "opened" if decision.flags & SESSION_OPENED else "goes on"
        text = f"allowed, session {session} until {instant(decision.session_expires_at_ms)}"
        left = f", {decision.available} of {decision.limit} left"
        return text + left if decision.mode == MODE_FINITE else text
    reason = reason_name(decision.reason).replace("_", " ")
    figures = f"{decision.used} of {decision.limit} used, {decision.available} left"
    return f"denied, {reason}, {figures}, again at {instant(decision.retry_at_ms)}"


def play(path, catalog):
    engine = Engine(path, ms("2026-05-19T12:00:00-03:00"))
    print(f"catalog {engine.load_catalog(catalog, 'help_desk.toml')}")
    plan = {"name": "starter", "first_due": "2026-05-20", "auto_renew": True}
    document = {"name": TENANT, "plan": plan}
    print("created" if engine.ensure_tenant(document) else "there already")
    print("created" if engine.ensure_tenant(document) else "there already")
    try:
        engine.tenant("açougue")
    except CotasError as error:
        print(f"error {error.code}: {error}")

    tenant = engine.tenant(TENANT)

    def receive(contact):
        return tenant.perform("receive_message", channel="whatsapp", contact=contact)

    number = 1
    while receive(f"contact-{number}").allowed:
        number += 1
    print(f"{number - 1} contacts were admitted")
    engine.set_time(ms("2026-05-20T08:00:00-03:00"))
    print(f"contact-{number}: {shown(receive(f'contact-{number}'))}")
    print(f"contact-1: {shown(receive('contact-1'))}")

    def send_sms():
        return tenant.perform("send_sms", quantity=150, key="pedido-1")

    sms, again = send_sms(), send_sms()
    print(f"sms: {sms.charges[0].units} units, {sms.available} left")
    same = "the same" if again.receipt == sms.receipt != b"" else "another"
    once = "the stored decision" if again.flags & REPLAYED else "a new decision"
    print(f"sms with the same key: {once}, {same} receipt, {again.available} left")

    engine.set_time(ms("2026-05-20T23:59:59-03:00"))
    print(f"contact-{number}: {shown(receive(f'contact-{number}'))}")
    engine.set_time(ms("2026-05-21T00:00:00-03:00"))
    print(f"contact-{number}: {shown(receive(f'contact-{number}'))}")
    statement = json.loads(engine.statement(TENANT))
    [sessions] = [it for it in statement["balances"] if it["resource"] == "sessions"]
    print(
        f"statement of {statement['tenant']}: {statement['plan']['title']}, "
        f"next due {statement['plan']['next_due']}, "
        f"sessions {sessions['available']} of {sessions['contracted']}"
    )
    tenant.close()
    engine.close()
    try:
        engine.statement(TENANT)
    except CotasError as error:
        print(f"error {error.code}: {error}")


with open(sys.argv[2], encoding="utf-8") as file:
    play(sys.argv[1], file.read())

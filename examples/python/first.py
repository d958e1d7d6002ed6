"""A first program: a platform sells conversations, and asks before it takes a message in."""

import tempfile
from datetime import date, timedelta
from pathlib import Path

import cotas

CATALOG = """
[resources.sessions]
kind = "session"
[plans.full]
title = "Plano full"
price = "299.00"
limits = { sessions = 1000 }
[actions.receive_message]
gate = "receive"
session = { resource = "sessions", extend = true }
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        with cotas.open(Path(directory) / "quotas.db") as engine:
            engine.load_catalog(CATALOG)
            due = date.today() + timedelta(days=30)
            engine.ensure_tenant("padaria-aurora", plan="full", first_due=due, auto_renew=True)

            tenant = engine.tenant("padaria-aurora")  # Keep it: this is the fast way.
            decision = tenant.perform("receive_message", channel="whatsapp-1", contact="c-1042")
            if decision:
                print(f"{decision.available} of {decision.limit} sessions left")
            else:
                print(f"denied: {decision.reason}, again at {decision.retry_at}")


if __name__ == "__main__":
    main()

"""Bodies of WhatsApp webhooks: what each of their parts is, and which of them open a session."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone

from ._cotas import _whatsapp_events

__all__ = ["Body", "BodyPart", "MalformedPart", "read"]


@dataclass(frozen=True)
class BodyPart:
    """One part of a body: a message, a status, a notice. `contacts` are all ids of the one contact:
    decide with the first, and link the others to it. Where `opens`, there are contacts and a time.
    """

    kind: str
    opens: bool
    channel: str | None
    contacts: tuple[str, ...]
    id: str | None
    at: datetime | None
    status: str | None


@dataclass(frozen=True)
class MalformedPart:
    """A part that cannot be read: where it stands, and the rule that it breaks."""

    path: str
    rule: str


@dataclass(frozen=True)
class Body:
    """What one body says; nothing where its form is not `known`."""

    known: bool
    events: tuple[BodyPart, ...]
    malformed: tuple[MalformedPart, ...]


def read(body: bytes | str) -> Body:
    """Reads a body of the Cloud API, as 360dialog passes it on, or of Evolution API. Raises
    InvalidArgument where it is not JSON. Blocks on nothing."""
    raw = body.encode() if isinstance(body, str) else body
    document = json.loads(_whatsapp_events(raw))
    return Body(
        known=document["known"],
        events=tuple(_part(it) for it in document["events"]),
        malformed=tuple(MalformedPart(it["path"], it["rule"]) for it in document["malformed"]),
    )


def _part(document: dict[str, object]) -> BodyPart:
    fields = {name: document[name] for name in ("kind", "opens", "channel", "id", "status")}
    contacts, at_ms = document["contacts"], document["at_ms"]
    at = datetime.fromtimestamp(at_ms / 1000, timezone.utc) if isinstance(at_ms, int) else None
    names = tuple(contacts) if isinstance(contacts, list) else ()
    return BodyPart(contacts=names, at=at, **fields)  # type: ignore[arg-type]

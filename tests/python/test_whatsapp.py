"""Bodies of WhatsApp webhooks, read as the replay and the examples of other languages read them."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cotas
import pytest
from cotas import whatsapp

PAYLOADS = Path(__file__).resolve().parents[1] / "payloads" / "whatsapp.jsonl"
SHAPES = [json.loads(line) for line in PAYLOADS.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("shape", SHAPES, ids=[shape["shape"] for shape in SHAPES])
def test_every_shape_is_read_as_what_it_is(shape: dict[str, Any]) -> None:
    bodies = [whatsapp.read(json.dumps(body)) for body in shape["bodies"]]
    assert [part.kind for body in bodies for part in body.events] == shape["kinds"]
    assert sum(len(body.malformed) for body in bodies) == shape["malformed"]
    assert all(body.known == shape["known"] for body in bodies)


def test_a_part_names_all_ids_of_its_contact_and_its_time() -> None:
    message = {"from": "1", "from_user_id": "BR.1", "id": "m", "timestamp": "1779278400.5"}
    body = whatsapp.read(
        json.dumps({"metadata": {"phone_number_id": "7"}, "messages": [message, 5]}).encode()
    )
    [part] = body.events
    at = datetime(2026, 5, 20, 12, 0, 0, 500_000, tzinfo=timezone.utc)
    assert part == whatsapp.BodyPart("message", True, "7", ("1", "BR.1"), "m", at, None)
    assert body.malformed == (whatsapp.MalformedPart("messages[1]", "is not an object"),)


@pytest.mark.parametrize("wrong", ["", "{", b"\xff", "[" * 5_000])
def test_what_is_not_json_is_an_invalid_argument(wrong: str | bytes) -> None:
    with pytest.raises(cotas.InvalidArgument, match="not JSON"):
        whatsapp.read(wrong)

#!/usr/bin/env python3
"""Writes the traffic of a busy day of a help desk, as CSV that `cotas replay` reads.

usage: generate.py > help_desk_day.csv

Six made-up businesses, from 2026-05-20T08:00-03:00 to 2026-05-21T12:00-03:00, some 210,000
messages. Lines are in the order of arrival. Most arrive at once; a few are delivered a second time,
minutes to hours later, as Meta does, so that `at` goes back.

The output is the same on every platform and every Python: all of it is whole-number arithmetic on
`random.Random(SEED).random()`, the one method whose sequence Python promises to keep.
"""
import random
import sys
from bisect import bisect
from itertools import accumulate
from typing import NamedTuple

SEED = 20260520
START = 1779274800  # 2026-05-20T08:00-03:00
END = START + 28 * 3600
MINUTE, HOUR = 60, 3600

# How many of a thousand are delivered again. Gateways of SMS are the worst.
RECEIVED_AGAIN, SENT_AGAIN, SMS_AGAIN = 12, 4, 60

# How many conversations begin in each hour of the day, relative to the others: a quiet night, a
# peak at lunch and a higher one in the evening.
BUSY = [4, 2, 1, 1, 1, 3, 10, 28, 48, 56, 60, 76, 92, 80, 62, 60, 64, 74, 92, 104, 88, 58, 30, 12]


class Tenant(NamedTuple):
    """A business: how many know it, and how much they talk."""

    name: str
    channels: int
    contacts: int
    conversations: int
    sms_per_mille: int  # of the conversations that end with a reminder by SMS
    campaign: int = 0  # contacts to whom an offer is sent on the first morning


TENANTS = [
    Tenant("padaria-aurora", 1, 5000, 3600, 0),
    Tenant("clinica-boa-vista", 2, 6000, 5000, 150),
    Tenant("oficina-tres-irmaos", 1, 3000, 2900, 25),
    Tenant("pet-shop-amigo-fiel", 1, 1500, 1500, 20),
    Tenant("escola-novo-saber", 2, 5000, 4400, 30, campaign=2500),
    Tenant("mercado-sao-jorge", 3, 16000, 9000, 10),
]

rng = random.Random(SEED)


def between(low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return low + int(rng.random() * (high - low + 1))


def pick(cumulated: list[int]) -> int:
    """An index, as often as its weight says."""
    return bisect(cumulated, int(rng.random() * cumulated[-1]))


class Day:
    """The lines of the day, and when each arrives."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, int, str]] = []
        self.sms = 0

    def add(self, at: int, fields: str, again_per_mille: int) -> None:
        """An event that arrives at once, and perhaps a second time."""
        self.arrive(at, at, fields)
        if between(1, 1000) <= again_per_mille:
            soon = between(1, 3) < 3
            delay = between(2 * MINUTE, 30 * MINUTE) if soon else between(HOUR, 6 * HOUR)
            self.arrive(at + delay, at, fields)

    def arrive(self, arrival: int, at: int, fields: str) -> None:
        """A line, unless the day is over by then."""
        if arrival < END:
            self.lines.append((arrival, len(self.lines), f"{at},{fields}\n"))


def conversation(day: Day, tenant: Tenant, contact: int, at: int) -> None:
    """A contact writes, is answered, writes again, and so on; now and then an SMS follows."""
    told = f"w{1 + contact % tenant.channels},c{contact},,"
    while at < END:
        for _ in range(between(1, 3)):
            day.add(at, f"{tenant.name},receive_message,{told}", RECEIVED_AGAIN)
            at += between(4, 50)
        at += between(15, 8 * MINUTE)
        for _ in range(between(1, 2)):
            day.add(at, f"{tenant.name},send_message,{told}", SENT_AGAIN)
            at += between(3, 40)
        at += between(20, 12 * MINUTE)
        if between(1, 100) <= 45:
            break
    if between(1, 1000) <= tenant.sms_per_mille:
        day.sms += 1
        sms = f",c{contact},{between(1, 3)},sms-{day.sms}"
        day.add(at, f"{tenant.name},send_sms,{sms}", SMS_AGAIN)


def main() -> None:
    day = Day()
    hours = list(accumulate(BUSY[(8 + hour) % 24] for hour in range((END - START) // HOUR)))
    for tenant in TENANTS:
        # Few write often, many write once: the n-th contact comes up about as 1/n does.
        contacts = list(accumulate(10_000_000 // (rank + 50) for rank in range(tenant.contacts)))
        for _ in range(tenant.conversations):
            begin = START + HOUR * pick(hours) + between(0, HOUR - 1)
            conversation(day, tenant, 1 + pick(contacts), begin)
        for contact in range(1, tenant.campaign + 1):
            offered = START + 2 * HOUR + between(0, 20 * MINUTE)
            told = f"w{1 + contact % tenant.channels},c{contact},,"
            day.add(offered, f"{tenant.name},send_template,{told}", SENT_AGAIN)
            if between(1, 100) <= 25:
                conversation(day, tenant, contact, offered + between(MINUTE, 3 * HOUR))
    sys.stdout.reconfigure(newline="\n")
    sys.stdout.write("at,tenant,action,channel,contact,quantity,key\n")
    sys.stdout.writelines(line for _, _, line in sorted(day.lines))


if __name__ == "__main__":
    main()

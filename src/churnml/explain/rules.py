"""The rules of what is told, in words, with sentences in every language: the page ``docs/reasons.md``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from churnml.explain.facts import Change, Facts, comparison, fact
from churnml.explain.reference import Yardstick
from churnml.features.spec import FeatureSpec
from churnml.language import Quantity, Text, languages, phrases, words

__all__ = ["examples", "reasons_markdown"]

_RULES = """# Reasons

Made by `make docs`. What a reader is told of an account, by what rules, and how it is said in every language.

## What is told

- A reason moves the churn probability by at least one percentage point, and by a fifth of the largest reason. At most
  three raise the risk and two lower it; what is left is one line: "Other signals together: +1.2 points". The
  contributions themselves stay complete: they add up to the account's log-odds.
- What raises the risk is told in the order of its own effect together with its family's: several signals of one
  family say more of what is at work than a single one that is a little larger. Hard facts stand in that order too.
- One fact a topic: a level, its trend, its share and its rank are about one thing, and so are active days and logins.
  A hard fact (notice given, an invoice overdue, a champion who left, silence, a contract that ends within 30 days and
  does not renew by itself) comes first and is not said again as a reason. What nobody can act on is context and stands
  apart; a price rise stands where a CSM sees it.
- A fact supports its claim or is not told: a level lies beyond what is usual at similar accounts, on the side that
  the declared direction of its measure calls a risk, and not nearer to the accounts of the opposite risk. Where no
  direction is declared, the accounts at low and at high risk must differ by more than chance (95 % interval, accounts
  counted).
- A missing value is a reason only where its absence is the fact ("First value not yet reached").
- An account with a red band always has a reason: where the model sees none, the measures that made it red are told.

## How it is said

- The window is named: "in the last 28 days, 9 in the 28 days before". A value of another date names the date.
- No percentage stands on a base below 10; a share of fewer than ten things is told as "2 of 4". A relative change is
  computed from the numbers as they are read.
- A change is told from 30 % on, and from 2 things (3 events, 3 days or hours; 5 percentage points; 2 points of NPS).
- A comparison is told with the median of similar accounts, unless that is zero; then with the share of similar
  accounts that have less or more. Nothing is compared with itself.
- No number is finer than the thing: "5 % of low-risk and 20 % of high-risk accounts have any", not 0.049 deals.
- Event types, attributes, plans and segments are called what `display:` in the config says; without it a raw name is
  at least made readable.
- Sentences say what is associated with the risk, never what causes it.

## Sentences

"""


def examples() -> Iterator[Facts]:
    """Yield facts of every kind, as an account's features would give them."""

    def spec(measure: str, unit: str, window: int | None = None, kind: Any = "level") -> FeatureSpec:
        name = f"{measure}_{window}d" if window else measure
        return FeatureSpec(name, "engagement", unit, "", "", "", "", window, measure, kind)

    def usual(value: float, spread: float | None = None, **more: Any) -> Yardstick:
        top = value if spread is None else spread
        return Yardstick((*[value] * 30, *[top] * 11), more.pop("low", None), None, more.pop("high", None), **more)

    automations = words({"en": "automations", "ja": "自動化"})
    templates = words({"en": "templates", "ja": "テンプレート"})
    users, logins = spec("active_users", "users", 28), spec("logins", "logins", 28)
    features, core = spec("features_used", "features", 28), spec("core_feature_share", "share", 28)
    yield Facts(users, 5.0, -1, change=Change(14.0), yardstick=usual(20.0, low=22.0, high=7.0, clear=True))
    yield Facts(users, 1.0, -1, yardstick=usual(12.0))
    yield Facts(users, 60.0, 1, raising=False, change=Change(38.0))
    yield Facts(logins, 0.0, -1, gone=True)
    yield Facts(logins, 17.0, -1, peak=60.0)
    yield Facts(spec("events", "events", 28), 19.0, -1, change=Change(45.0))
    yield Facts(spec("active_weeks", "weeks", 91), 3.0, -1, yardstick=usual(12.0))
    yield Facts(spec("active_day_rate", "share", 28), 0.12, -1, yardstick=usual(0.6))
    yield Facts(spec("days_since_last_login", "days", kind="age"), 34.0, 1, yardstick=usual(1.0))
    yield Facts(spec("days_since_last_login", "days", kind="age"), None, 1)
    yield Facts(spec("silence_ratio", "ratio", 28), 5.8, 1, yardstick=usual(0.7))
    yield Facts(spec("mean_gap_days", "days"), 6.5, 1, yardstick=usual(1.4))
    yield Facts(spec("users_gained", "users", 91), 0.0, -1, yardstick=usual(3.0))
    yield Facts(spec("users_lost", "users", 28), 4.0, 1, change=Change(0.0, on="2025-12-04"))
    yield Facts(spec("former_user_share", "share", 28), 0.71, 1, yardstick=usual(0.2))
    yield Facts(features, 3.0, -1, change=Change(9.0))
    yield Facts(features, 0.0, -1, yardstick=usual(10.0))
    yield Facts(core, 0.5, -1, whole=4.0, yardstick=usual(0.75))
    yield Facts(spec("events_of_automation", "events", 28), 12.0, -1, change=Change(40.0), kind=automations)
    yield Facts(spec("events_of_template", "events", 28), 0.0, -1, gone=True, kind=templates)
    yield Facts(spec("seat_utilisation", "share", 28), 0.25, -1, whole=8.0, yardstick=usual(0.7))
    yield Facts(spec("seat_utilisation", "share", 28), 0.22, -1, whole=90.0, yardstick=usual(0.7))
    yield Facts(spec("tickets_opened", "tickets", 91), 6.0, 1, yardstick=usual(0.0))
    yield Facts(spec("tickets_open", "tickets"), 3.0, 1, yardstick=usual(0.0))
    yield Facts(spec("urgent_ticket_share", "share", 28), 1.0, 1, whole=3.0, yardstick=usual(0.0))
    yield Facts(spec("first_response_hours", "hours", 91), 31.0, 1, yardstick=usual(5.0))
    yield Facts(spec("oldest_open_ticket_days", "days", kind="age"), 48.0, 1, yardstick=usual(9.0))
    yield Facts(spec("csat", "points", 91), 2.25, -1, change=Change(2.75))
    yield Facts(spec("nps_last", "points"), 3.0, -1, change=Change(8.0))
    yield Facts(spec("nps_last", "points"), 9.0, 1, raising=False, yardstick=usual(6.0))
    yield Facts(spec("survey_silence_days", "days", kind="age"), 210.0, 1, yardstick=usual(60.0))
    yield Facts(spec("payment_delay_days", "days", 182), -0.83, 1, yardstick=usual(-5.2))
    yield Facts(spec("payment_delay_days", "days", 182), 12.4, 1, yardstick=usual(0.0))
    yield Facts(spec("mrr_per_seat", "currency"), 40.0, 1, change=Change(35.0, days=91), stem="price_change")
    yield Facts(spec("seats", "seats"), 14.0, -1, change=Change(20.0, days=182))
    yield Facts(spec("mrr", "currency"), 4200.0, 1, rank=0.954, yardstick=usual(900.0))
    yield Facts(spec("days_to_renewal", "days", kind="age"), 40.0, -1, term_days=365.0, plain=True)
    yield Facts(spec("champions_active", "contacts"), 0.0, -1, change=Change(1.0, on="2025-12-04"))
    few = {"low": 0.05, "high": 0.21, "some_low": 0.05, "some_high": 0.2, "clear": True}
    yield Facts(spec("opportunities_lost", "opportunities", 91), 1.0, 1, yardstick=usual(0.0, **few))
    yield Facts(spec("days_since_last_touchpoint", "days", kind="age"), 64.0, 1, yardstick=usual(12.0))
    yield Facts(spec("milestones_overdue", "milestones"), 4.0, 1, yardstick=usual(0.0))
    yield Facts(spec("days_to_first_value", "days", kind="age"), None, 1)


_HARD = (
    Text.of("fact-notice"),
    Text.of("fact-invoice_overdue", n=Quantity(value=2, unit="invoices")),
    Text.of("fact-champion_left", n=Quantity(value=1, unit="contacts"), days=Quantity(value=91, unit="days")),
    Text.of("fact-contract_end", n=Quantity(value=12, unit="days")),
    Text.of("fact-silence", n=Quantity(value=34, unit="days")),
)


def reasons_markdown() -> str:
    """Return ``docs/reasons.md``: the rules in words, and sentences in every language.

    Examples
    --------
    >>> reasons_markdown().splitlines()[0]
    '# Reasons'
    """
    lines = ["| " + " | ".join(("", *languages())) + " |", "|" + "---|" * (len(languages()) + 1)]
    lines += [_line("fact", text) for text in _HARD]
    for facts in examples():
        text = fact(facts)
        if text is None:
            raise AssertionError(f"an example that is not told: {facts.spec.name}")
        lines.append(_line("raises" if facts.raising else "lowers", text))
        compared = comparison(facts)
        if compared is not None:
            lines.append(_line("beside it", compared))
    return _RULES + "\n".join(lines) + "\n"


def _line(side: str, text: Text) -> str:
    return "| " + " | ".join((side, *(phrases(code).text(text) for code in languages()))) + " |"

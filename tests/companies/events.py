"""Random small companies: every table, late facts, midnights, a leap day, accounts without history."""

import numpy as np
import pandas as pd

BEGIN = pd.Timestamp("2024-01-20")
END = pd.Timestamp("2024-05-10")


class Maker:
    def __init__(self, seed, accounts=("a", "b", "c")):
        self.rng = np.random.default_rng(seed)
        self.accounts = accounts

    def moment(self, begin=BEGIN, days=None):
        span = days if days is not None else (END - begin).days
        day = begin.normalize() + pd.Timedelta(days=int(self.rng.integers(max(span, 1))))
        # One in three falls on midnight, where off-by-one errors live.
        return day if self.rng.random() < 0.34 else day + pd.Timedelta(minutes=int(self.rng.integers(1440)))

    def maybe(self, value, share=0.7):
        return value if self.rng.random() < share else None

    def later(self, moment, days=25):
        if self.rng.random() < 0.2:
            return moment
        if self.rng.random() < 0.4:
            return moment.normalize() + pd.Timedelta(days=int(self.rng.integers(1, days)))
        return moment + pd.Timedelta(minutes=int(self.rng.integers(1440 * days)))

    def known(self, moment):
        return self.later(moment, 40) if self.rng.random() < 0.3 else moment

    def word(self, *words):
        return str(self.rng.choice(words))

    def rows(self, most, make):
        return [
            make(account, str(n)) for account in self.accounts[:-1] for n in range(int(self.rng.integers(most + 1)))
        ]

    def frames(self):
        makers = {
            "accounts": self._accounts,
            "events": lambda: self.rows(45, self._event),
            "subscriptions": lambda: self.rows(5, self._term),
            "tickets": lambda: self.rows(8, self._ticket),
            "surveys": lambda: self.rows(6, self._survey),
            "contacts": lambda: self.rows(6, self._contact),
            "touchpoints": lambda: self.rows(8, self._touch),
            "invoices": lambda: self.rows(6, self._invoice),
            "campaign_events": lambda: self.rows(12, self._mail),
            "milestones": lambda: self.rows(6, self._milestone),
            "opportunities": lambda: self.rows(5, self._deal),
        }
        return {name: pd.DataFrame(make()) for name, make in makers.items()}

    def _accounts(self):
        rows = []
        for account in self.accounts:
            created = self.maybe(self.moment().normalize(), 0.5)
            rows.append(
                {
                    "account_id": account,
                    "created_on": created,
                    "industry": self.word("x", "y"),
                    "segment": "s0",
                    "known_at": None,
                }
            )
            rows += [
                {
                    "account_id": account,
                    "created_on": created,
                    "industry": "z",
                    "segment": f"s{n}",
                    "known_at": self.moment() + pd.Timedelta(seconds=n),
                }
                for n in (1, 2)
            ]
        return rows

    def _event(self, account, _):
        moment = self.moment()
        return {
            "account_id": account,
            "user_id": self.maybe(self.word("u1", "u2", "u3", "u4"), 0.9),
            "event_type": self.word("login", "report", "export", "share"),
            "occurred_at": moment,
            "event_count": int(self.rng.integers(1, 4)),
            "value": self.maybe(float(np.round(self.rng.normal() * 100, 2))),
            "known_at": self.known(moment),
        }

    def _term(self, account, n):
        begin = self.moment().normalize()
        end = self.maybe(begin + pd.Timedelta(days=int(self.rng.integers(1, 70))), 0.85)
        stop = self.maybe(begin + pd.Timedelta(days=int(self.rng.integers(1, 60))), 0.3)
        return {
            "subscription_id": f"{account}{n}",
            "account_id": account,
            "product": self.word("p", "q"),
            "plan": self.maybe(self.word("gold", "silver")),
            "is_addon": bool(self.rng.random() < 0.3),
            "started_on": begin,
            "ends_on": end,
            "terminated_on": stop,
            "notice_at": self.maybe(self.moment(begin, 60), 0.3),
            "mrr": self.maybe(float(self.rng.integers(5) * 100), 0.9),
            "seats": self.maybe(int(self.rng.integers(0, 9)), 0.9),
            "discount_rate": self.maybe(0.25),
            "billing_period_months": self.maybe(int(self.rng.choice([1, 12]))),
            "auto_renew": self.maybe(bool(self.rng.random() < 0.5)),
            "known_at": self.known(begin),
        }

    def _ticket(self, account, n):
        opened = self.moment()
        solved = self.maybe(self.later(opened))
        return {
            "ticket_id": f"{account}{n}",
            "account_id": account,
            "opened_at": opened,
            "priority": self.word("low", "normal", "high", "urgent"),
            "category": self.word("billing", "bug"),
            "first_response_at": self.maybe(self.later(opened)),
            "solved_at": solved,
            "reopened_at": self.maybe(self.later(solved), 0.4) if solved is not None else None,
            "escalated_at": self.maybe(self.later(opened), 0.3),
            "csat_score": float(self.rng.integers(1, 6)),
            "csat_at": self.maybe(self.later(opened)),
            "known_at": self.known(opened),
        }

    def _survey(self, account, n):
        sent = self.moment()
        answered = self.maybe(self.later(sent))
        return {
            "survey_id": f"{account}{n}",
            "account_id": account,
            "contact_id": self.word("c1", "c2"),
            "kind": self.word("nps", "nps", "csat"),
            "sent_at": sent,
            "responded_at": answered,
            "score": float(self.rng.integers(1, 6)) if answered is not None else None,
            "known_at": self.known(sent),
        }

    def _contact(self, account, n):
        begin = self.moment()
        left = self.maybe(self.later(begin, 60), 0.6)
        return {
            "contact_id": f"{account}{n}",
            "account_id": account,
            "role": self.word("champion", "sponsor", "admin", "user"),
            "started_at": begin,
            "left_at": left,
            "left_known_at": self.known(left) if left is not None else None,
            "known_at": self.known(begin),
        }

    def _touch(self, account, n):
        moment = self.moment()
        return {
            "touchpoint_id": f"{account}{n}",
            "account_id": account,
            "direction": self.word("inbound", "outbound"),
            "occurred_at": moment,
            "known_at": self.known(moment),
        }

    def _invoice(self, account, n):
        issued = self.moment().normalize()
        due = self.maybe(issued + pd.Timedelta(days=int(self.rng.integers(30))), 0.9)
        return {
            "invoice_id": f"{account}{n}",
            "account_id": account,
            "issued_on": issued,
            "due_on": due,
            "paid_on": self.maybe(issued + pd.Timedelta(days=int(self.rng.integers(50)))),
            "amount": self.maybe(float(self.rng.integers(-100, 400)), 0.9),
            "known_at": self.known(issued),
        }

    def _mail(self, account, n):
        moment = self.moment()
        return {
            "campaign_event_id": f"{account}{n}",
            "account_id": account,
            "contact_id": self.word("c1", "c2", "c3"),
            "campaign_id": self.word("m1", "m2"),
            "kind": self.word("delivered", "opened", "clicked", "unsubscribed"),
            "occurred_at": moment,
            "known_at": self.known(moment),
        }

    def _milestone(self, account, n):
        planned = self.moment()
        return {
            "milestone_id": f"{account}{n}",
            "account_id": account,
            "kind": self.word("onboarding", "training", "value"),
            "planned_at": planned,
            "due_on": self.maybe(planned.normalize() + pd.Timedelta(days=10)),
            "completed_at": self.maybe(self.later(planned)),
            "known_at": self.known(planned),
        }

    def _deal(self, account, n):
        created = self.moment()
        closed = self.maybe(self.later(created))
        return {
            "opportunity_id": f"{account}{n}",
            "account_id": account,
            "kind": "upsell",
            "created_at": created,
            "closed_at": closed,
            "outcome": self.word("won", "lost") if closed is not None else None,
            "amount": 5.0,
            "known_at": self.known(created),
        }

    def spine(self, rows=10):
        """Anchored and shared as_of dates, unsorted, one row twice, one account without any history."""
        days = [(END - BEGIN).days - 1, 40, 41, int(self.rng.integers(100)), int(self.rng.integers(100))]
        picks = [
            (str(self.rng.choice(self.accounts)), BEGIN + pd.Timedelta(days=int(self.rng.choice(days)) + 1))
            for _ in range(rows)
        ]
        picks += [("nobody", BEGIN + pd.Timedelta(days=50)), picks[0]]
        return pd.DataFrame(picks, columns=["account_id", "as_of"])


def company(seed):
    """Return the frames and a spine of a random company."""
    maker = Maker(seed)
    return maker.frames(), maker.spine()

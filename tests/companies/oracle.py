"""Every feature again, naively: one account, one as_of, plain loops over rows, written from the definitions.

It shares no code with the engine. Times are pandas timestamps; ``None`` in a frame means null.
"""

import math
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd

DAY = pd.Timedelta(days=1)
NAN = float("nan")


def divide(top, bottom):
    return top / bottom if bottom is not None and bottom > 0 else NAN


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else NAN


class Oracle:
    def __init__(self, frames, *, windows, observed_from, observed_until, core=(), logins=("login",), attributes=()):
        self.frames = {
            name: frame.astype("object").where(frame.notna(), None).to_dict("records") for name, frame in frames.items()
        }
        self.windows = windows
        self.main = min(windows, key=lambda w: (abs(w - 28), w))
        self.observed_from, self.observed_until = pd.Timestamp(observed_from), pd.Timestamp(observed_until)
        self.core, self.logins, self.attributes = core, logins, attributes
        self.known, self.started, self.observable = cache(self._known), cache(self._started), cache(self._observable)

    # -- what was known -----------------------------------------------------------------------------------------

    def _known(self, table, account, as_of, occurred="occurred_at"):
        rows = []
        for row in self.frames.get(table, []):
            happened = pd.Timestamp(row[occurred])
            known_at = row.get("known_at")
            known_at = happened if known_at is None or pd.isna(known_at) else pd.Timestamp(known_at)
            if row["account_id"] == account and happened < as_of and known_at < as_of:
                rows.append(dict(row))
        return rows

    @staticmethod
    def seen(value, as_of):
        return value is not None and not pd.isna(value) and pd.Timestamp(value) < as_of

    @staticmethod
    def inside(value, as_of, w, end=0):
        if value is None or pd.isna(value):
            return False
        return as_of - w * DAY <= pd.Timestamp(value) < as_of - end * DAY

    def _started(self, account, as_of):
        starts = [pd.Timestamp(row["occurred_at"]).normalize() for row in self.known("events", account, as_of)]
        starts += [pd.Timestamp(row["started_on"]) for row in self.known("subscriptions", account, as_of, "started_on")]
        for row in self.frames.get("accounts", []):
            told = row.get("known_at") is None or self.seen(row["known_at"], as_of)
            if row["account_id"] == account and told and self.seen(row.get("created_on"), as_of):
                starts.append(pd.Timestamp(row["created_on"]))
        return min(starts) if starts else None

    def _observable(self, account, as_of, start, end=0):
        begin = self.started(account, as_of) or self.observed_from
        days = 0
        for back in range(end + 1, start + 1):
            day = as_of - back * DAY
            if day >= max(begin, self.observed_from) and day < self.observed_until:
                days += 1
        return days

    # -- one row --------------------------------------------------------------------------------------------------

    def row(self, account, as_of):
        as_of = pd.Timestamp(as_of)
        start = self.started(account, as_of)
        out = {"tenure_days": (as_of - start).days if start is not None else NAN}
        out["cohort_month"] = (start.year - 2000) * 12 + start.month - 1 if start is not None else NAN
        for family in (self.events, self.tickets, self.surveys, self.people, self.milestones, self.bills):
            out |= family(account, as_of)
        if "subscriptions" in self.frames:
            out |= self.terms(account, as_of, out)
        for name in self.attributes:
            out[f"attr_{name}"] = self.attribute(account, as_of, name)
        return out

    def counted(self, value, account, as_of, w):
        return float(value) if self.observable(account, as_of, w) > 0 else NAN

    def events(self, account, as_of):
        rows = self.known("events", account, as_of)
        for row in rows:
            row["day"] = pd.Timestamp(row["occurred_at"]).normalize()

        def within(a, b=0):
            return [row for row in rows if self.inside(row["occurred_at"], as_of, a, b)]

        def total(a, b=0, kind=None):
            return sum(row["event_count"] for row in within(a, b) if kind is None or row["event_type"] in kind)

        def days(a, b=0):
            return len({row["day"] for row in within(a, b)})

        def users(a, b=0):
            return len({row["user_id"] for row in within(a, b) if row["user_id"] is not None})

        def kinds(a, b=0):
            return {row["event_type"] for row in within(a, b)}

        out = {}
        logins = [row["day"] for row in rows if row["event_type"] in self.logins]
        out["days_since_last_event"] = (as_of - max(row["day"] for row in rows)).days if rows else NAN
        out["days_since_last_login"] = (as_of - max(logins)).days if logins else NAN
        measures = {
            "events": total,
            "active_days": days,
            "active_users": users,
            "logins": lambda a, b=0: total(a, b, self.logins),
            "features_used": lambda a, b=0: len(kinds(a, b)),
        }
        everything = sorted({row["event_type"] for row in self.frames["events"]})
        single = {f"events_of_{kind}": kind for kind in everything if kind not in self.logins}
        for w in self.windows:
            seen = self.observable(account, as_of, w)
            for name, measure in measures.items():
                out[f"{name}_{w}d"] = self.counted(measure(w), account, as_of, w)
                out[f"{name}_trend_{w}d"] = self.trend(account, as_of, measure, w)
            out[f"active_day_rate_{w}d"] = divide(days(w), seen)
            out[f"events_per_user_{w}d"] = divide(total(w), users(w))
            pairs = {(row["user_id"], row["day"]) for row in within(w) if row["user_id"] is not None}
            out[f"stickiness_{w}d"] = divide(len(pairs), users(w) * seen)
            since, active = out["days_since_last_event"], days(w)
            out[f"silence_ratio_{w}d"] = since / (seen / active) if active and seen else NAN
            weeks = sum(days(7 * n + 7, 7 * n) > 0 for n in range(w // 7))
            out[f"active_weeks_{w}d"] = self.counted(weeks, account, as_of, w)
            weekday = sum(row["event_count"] for row in within(w) if row["day"].weekday() < 5)
            out[f"weekday_share_{w}d"] = divide(weekday, total(w))
            out[f"longest_silence_{w}d"] = self.silence(account, as_of, w, {row["day"] for row in rows})
            whole = self.observable(account, as_of, 2 * w, w) == w
            now = {row["user_id"] for row in within(w)} - {None}
            then = {row["user_id"] for row in within(2 * w, w)} - {None}
            out[f"users_gained_{w}d"] = len(now - then) if whole else NAN
            out[f"users_lost_{w}d"] = len(then - now) if whole else NAN
            out[f"features_gained_{w}d"] = len(kinds(w) - kinds(2 * w, w)) if whole else NAN
            out[f"features_lost_{w}d"] = len(kinds(2 * w, w) - kinds(w)) if whole else NAN
            if self.core:
                share = len(kinds(w) & set(self.core)) / len(self.core)
                out[f"core_feature_share_{w}d"] = self.counted(share, account, as_of, w)
            for name, kind in single.items():
                out[f"{name}_{w}d"] = self.counted(total(w, 0, (kind,)), account, as_of, w)
                out[f"share_of_{kind}_{w}d"] = divide(total(w, 0, (kind,)), total(w))
                value = math.fsum(
                    row["value"] for row in within(w) if row["event_type"] == kind and not pd.isna(row["value"])
                )
                out[f"value_of_{kind}_{w}d"] = self.counted(value, account, as_of, w)
        for name, kind in single.items():
            out[f"{name}_trend_{self.main}d"] = self.trend(
                account, as_of, lambda a, b=0, kind=kind: total(a, b, (kind,)), self.main
            )
        for name in ("events", "active_days", "active_users", "logins"):
            out[f"{name}_slope_12w"] = self.slope(account, as_of, measures[name])
            out[f"{name}_from_peak_{self.main}d"] = self.from_peak(account, as_of, measures[name], self.main)
        ever = out["_users_ever"] = len({row["user_id"] for row in rows if row["user_id"] is not None})
        for w in self.windows:
            recent = len({row["user_id"] for row in within(w) if row["user_id"] is not None})
            out[f"former_user_share_{w}d"] = divide(ever - recent, ever)
        return out | self.lifetime(account, as_of, rows, out["days_since_last_event"])

    def lifetime(self, account, as_of, rows, since):
        """Return what is made of all events known, and of the days from one active day to the next."""
        active = sorted({row["day"] for row in rows})
        gaps = [(later - earlier).days for earlier, later in pairwise(active)]
        count = sum(row["event_count"] for row in rows)
        value = math.fsum(row["value"] for row in rows if not pd.isna(row.get("value")))
        lived = self.observable(account, as_of, 2000)
        return {
            "lifetime_events_per_day": divide(count, lived),
            "lifetime_active_day_rate": divide(len(active), lived),
            "mean_gap_days": mean(gaps),
            "gap_variation": float(np.std(gaps) / np.mean(gaps)) if len(gaps) >= 2 else NAN,
            "silence_in_usual_gaps": since / mean(gaps) if gaps else NAN,
            "lifetime_value": value,
            "lifetime_value_per_event": divide(value, count),
        }

    def trend(self, account, as_of, measure, w):
        if self.observable(account, as_of, 2 * w, w) < w:
            return NAN
        recent, before = measure(w), measure(2 * w, w)
        return divide(recent - before, recent + before)

    def slope(self, account, as_of, measure):
        weeks = [back for back in range(12) if self.observable(account, as_of, 7 * back + 7, 7 * back) == 7]
        points = [(-back, measure(7 * back + 7, 7 * back)) for back in weeks]
        if len(points) < 4 or not sum(value for _, value in points):
            return NAN
        times, values = zip(*points, strict=True)
        return np.polyfit(times, values, 1)[0] / np.mean(values)

    def from_peak(self, account, as_of, measure, w):
        if self.observable(account, as_of, w) < w:
            return NAN
        peaks, start = [], w
        while start <= max(364, w):
            if self.observable(account, as_of, start, start - w) == w:
                peaks.append(measure(start, start - w))
            start += w
        return 1 - divide(measure(w), max(peaks))

    def silence(self, account, as_of, w, active):
        begin = max(self.started(account, as_of) or self.observed_from, self.observed_from, as_of - w * DAY)
        if not self.observable(account, as_of, w):
            return NAN
        longest = run = 0
        day = begin
        while day < as_of:
            run = 0 if day in active else run + 1
            longest = max(longest, run)
            day += DAY
        return longest

    def running(self, account, as_of, back=0):
        then = as_of - back * DAY
        return [
            row
            for row in self.terms_known(account, as_of)
            if pd.Timestamp(row["started_on"]) < then and (row["end"] is None or row["end"] >= then)
        ]

    def terms_known(self, account, as_of):
        """Return the terms known, each with its end as known."""
        out = []
        for row in self.known("subscriptions", account, as_of, "started_on"):
            ended = row["terminated_on"]
            if ended is not None and not pd.isna(ended):
                told = min(x for x in (row["notice_at"], ended) if x is not None and not pd.isna(x))
                ended = ended if pd.Timestamp(told) < as_of else None
            end = ended if ended is not None and not pd.isna(ended) else row["ends_on"]
            row["end"] = None if end is None or pd.isna(end) else pd.Timestamp(end)
            out.append(row)
        return out

    @staticmethod
    def level(rows, column):
        if not rows:
            return 0.0
        values = [row[column] for row in rows if row[column] is not None and not pd.isna(row[column])]
        return float(sum(values)) if values else NAN

    def revenue(self, account, as_of):
        known = self.terms_known(account, as_of)
        paid = []
        for row in known:
            until = as_of if row["end"] is None else min(row["end"], as_of)
            days = max((until - pd.Timestamp(row["started_on"])).days, 0)
            if row["mrr"] is not None and not pd.isna(row["mrr"]):
                paid.append(row["mrr"] * days / (365.25 / 12))
        if not known:
            return 0.0
        return math.fsum(paid) if paid else NAN

    def terms(self, account, as_of, made):
        now = self.running(account, as_of)
        plans = [row for row in now if not row["is_addon"]]
        out = {"addons": float(len(now) - len(plans))}
        starts = {
            row["started_on"]
            for row in self.known("subscriptions", account, as_of, "started_on")
            if not row["is_addon"]
        }
        out["renewals_so_far"] = float(max(len(starts) - 1, 0))
        out["mrr"], out["seats"] = self.level(now, "mrr"), self.level(plans, "seats")
        out["mrr_per_seat"] = divide(out["mrr"], out["seats"])
        ends = [(row["end"] - as_of).days for row in plans if row["end"] is not None]
        out["days_to_renewal"] = min(ends) if ends else NAN
        main = sorted(
            plans,
            key=lambda row: (
                -(row["mrr"] if row["mrr"] is not None and not pd.isna(row["mrr"]) else -1),
                -pd.Timestamp(row["started_on"]).value,
                row["subscription_id"],
            ),
        )
        out["revenue_to_date"] = self.revenue(account, as_of)
        row = main[0] if main else {}
        out["plan"] = row.get("plan") or row.get("product")
        for name in ("discount_rate", "billing_period_months"):
            value = row.get(name)
            out[name] = NAN if value is None or pd.isna(value) else float(value)
        auto = row.get("auto_renew")
        out["auto_renew"] = NAN if auto is None or pd.isna(auto) else float(auto)
        agreed = row.get("ends_on")
        open_ended = agreed is None or pd.isna(agreed)
        out["term_days"] = NAN if open_ended else (pd.Timestamp(agreed) - pd.Timestamp(row["started_on"])).days
        out["days_into_term"] = (as_of - pd.Timestamp(row["started_on"])).days if row else NAN
        for w in self.windows:
            then = self.running(account, as_of, w)
            mrr = self.level(then, "mrr")
            seats = self.level([row for row in then if not row["is_addon"]], "seats")
            price = divide(mrr, seats)
            out[f"mrr_change_{w}d"] = divide(out["mrr"] - mrr, mrr)
            out[f"seats_change_{w}d"] = divide(out["seats"] - seats, seats)
            out[f"price_change_{w}d"] = divide(out["mrr_per_seat"] - price, price)
            events = sum(
                row["event_count"]
                for row in self.known("events", account, as_of)
                if self.inside(row["occurred_at"], as_of, w)
            )
            out[f"events_per_mrr_{w}d"] = divide(events, out["mrr"])
            out[f"events_per_seat_{w}d"] = divide(events, out["seats"])
            users = made[f"active_users_{w}d"]
            out[f"seat_utilisation_{w}d"] = divide(0.0 if np.isnan(users) else users, out["seats"])
        out["seat_activation"] = min(divide(made["_users_ever"], out["seats"]), 1.0)
        return out

    def tickets(self, account, as_of):
        rows = self.known("tickets", account, as_of, "opened_at")
        for row in rows:
            for column in ("first_response_at", "solved_at", "reopened_at", "escalated_at", "csat_at"):
                row[column] = pd.Timestamp(row[column]) if self.seen(row[column], as_of) else None
            row["opened_at"] = pd.Timestamp(row["opened_at"])
            again = row["reopened_at"] is not None and row["solved_at"] is not None
            row["open"] = row["solved_at"] is None or (again and row["reopened_at"] >= row["solved_at"])
        unsolved = [row for row in rows if row["open"]]
        out = {
            "tickets_open": float(len(unsolved)),
            "oldest_open_ticket_days": max(
                ((as_of - row["opened_at"].normalize()).days for row in unsolved), default=NAN
            ),
        }

        def opened(a, b=0):
            return [row for row in rows if self.inside(row["opened_at"], as_of, a, b)]

        for w in self.windows:
            fresh = opened(w)
            out[f"tickets_opened_{w}d"] = self.counted(len(fresh), account, as_of, w)
            out[f"tickets_opened_trend_{w}d"] = self.trend(account, as_of, lambda a, b=0: len(opened(a, b)), w)
            urgent = [row for row in fresh if row["priority"] in ("high", "urgent")]
            out[f"urgent_ticket_share_{w}d"] = divide(len(urgent), len(fresh))
            out[f"ticket_resolution_rate_{w}d"] = divide(sum(not row["open"] for row in fresh), len(fresh))
            for name, column in (("first_response_hours", "first_response_at"), ("resolution_hours", "solved_at")):
                out[f"{name}_{w}d"] = mean(
                    (row[column] - row["opened_at"]) / pd.Timedelta(hours=1)
                    for row in rows
                    if self.inside(row[column], as_of, w)
                )
            for name, column in (("tickets_reopened", "reopened_at"), ("tickets_escalated", "escalated_at")):
                count = sum(self.inside(row[column], as_of, w) for row in rows)
                out[f"{name}_{w}d"] = self.counted(count, account, as_of, w)
            out[f"csat_{w}d"] = mean(row["csat_score"] for row in rows if self.inside(row["csat_at"], as_of, w))
        return out

    def surveys(self, account, as_of):
        rows = self.known("surveys", account, as_of, "sent_at")
        for row in rows:
            row["answered"] = self.seen(row["responded_at"], as_of)
        answers = sorted({pd.Timestamp(r["responded_at"]) for r in rows if r["answered"] and r["kind"] == "nps"})
        scores = [
            mean(
                r["score"]
                for r in rows
                if r["answered"] and r["kind"] == "nps" and pd.Timestamp(r["responded_at"]) == moment
            )
            for moment in answers
        ]
        any_answer = [pd.Timestamp(r["responded_at"]) for r in rows if r["answered"]]
        asked = [pd.Timestamp(r["sent_at"]) for r in rows]
        since = max(any_answer) if any_answer else min(asked, default=None)
        out = {
            "nps_last": scores[-1] if scores else NAN,
            "nps_change": scores[-1] - scores[-2] if len(scores) > 1 else NAN,
            "nps_age_days": (as_of - answers[-1].normalize()).days if answers else NAN,
            "survey_silence_days": (as_of - since.normalize()).days if since is not None else NAN,
        }
        for w in self.windows:
            sent = [r for r in rows if self.inside(r["sent_at"], as_of, w)]
            out[f"survey_response_rate_{w}d"] = divide(sum(r["answered"] for r in sent), len(sent))
        return out

    def people(self, account, as_of):
        contacts = self.known("contacts", account, as_of, "started_at")
        for row in contacts:
            row["left"] = pd.Timestamp(row["left_at"]) if self.seen(row["left_known_at"], as_of) else None
        here = [row for row in contacts if row["left"] is None or row["left"] >= as_of]
        lead = ("champion", "sponsor")
        out = {
            "contacts_active": float(len(here)),
            "champions_active": float(sum(row["role"] in lead for row in here)),
        }
        touches = self.known("touchpoints", account, as_of)
        latest = max((pd.Timestamp(row["occurred_at"]) for row in touches), default=None)
        out["days_since_last_touchpoint"] = (as_of - latest.normalize()).days if latest is not None else NAN
        mails = self.known("campaign_events", account, as_of)
        for w in self.windows:
            gone = [row for row in contacts if self.inside(row["left"], as_of, w)]
            left = sum(row["role"] in lead for row in gone)
            out[f"champions_left_{w}d"] = self.counted(left, account, as_of, w)
            admins = sum(row["role"] == "admin" for row in gone)
            out[f"admins_left_{w}d"] = self.counted(admins, account, as_of, w)
            for direction in ("inbound", "outbound"):
                count = sum(
                    row["direction"] == direction and self.inside(row["occurred_at"], as_of, w) for row in touches
                )
                out[f"touchpoints_{direction}_{w}d"] = self.counted(count, account, as_of, w)
            delivered, answered = 0, 0
            for pair in {(row["campaign_id"], row["contact_id"]) for row in mails}:
                own = [row for row in mails if (row["campaign_id"], row["contact_id"]) == pair]
                sent = [pd.Timestamp(row["occurred_at"]) for row in own if row["kind"] == "delivered"]
                if sent and self.inside(max(sent), as_of, w):
                    delivered += 1
                    answered += any(row["kind"] in ("opened", "clicked", "replied") for row in own)
            out[f"campaign_response_rate_{w}d"] = divide(answered, delivered)
        return out

    def milestones(self, account, as_of):
        rows = self.known("milestones", account, as_of, "planned_at")
        for row in rows:
            row["done"] = (
                pd.Timestamp(row["completed_at"]).normalize() if self.seen(row["completed_at"], as_of) else None
            )
        done = [row["done"] for row in rows if row["done"] is not None]
        early = [row for row in rows if row["kind"] == "onboarding"]
        value = [row["done"] for row in rows if row["done"] is not None and row["kind"] == "value"]
        late = [row for row in rows if row["done"] is None and self.seen(row["due_on"], as_of)]
        start = self.started(account, as_of)
        return {
            "milestones_done": float(len(done)) if rows else NAN,
            "milestones_overdue": float(len(late)) if rows else NAN,
            "onboarding_completion": divide(sum(row["done"] is not None for row in early), len(early)),
            "days_to_first_value": (min(value) - start).days if value and start is not None else NAN,
            "days_since_last_milestone": (as_of - max(done)).days if done else NAN,
        }

    def bills(self, account, as_of):
        rows = [
            row
            for row in self.known("invoices", account, as_of, "issued_on")
            if row["amount"] is None or pd.isna(row["amount"]) or row["amount"] >= 0
        ]
        overdue = [row for row in rows if self.seen(row["due_on"], as_of) and not self.seen(row["paid_on"], as_of)]
        amounts = [row["amount"] for row in overdue if row["amount"] is not None and not pd.isna(row["amount"])]
        out = {
            "invoices_overdue": float(len(overdue)),
            "overdue_amount": math.fsum(amounts),
            "oldest_overdue_days": max(((as_of - pd.Timestamp(row["due_on"])).days for row in overdue), default=NAN),
        }
        deals = self.known("opportunities", account, as_of, "created_at")
        out["opportunities_open"] = float(sum(not self.seen(row["closed_at"], as_of) for row in deals))
        for w in self.windows:
            out[f"payment_delay_days_{w}d"] = mean(
                (pd.Timestamp(row["paid_on"]) - pd.Timestamp(row["due_on"])).days
                for row in rows
                if self.inside(row["paid_on"], as_of, w) and row["due_on"] is not None and not pd.isna(row["due_on"])
            )
            for outcome in ("won", "lost"):
                count = sum(row["outcome"] == outcome and self.inside(row["closed_at"], as_of, w) for row in deals)
                out[f"opportunities_{outcome}_{w}d"] = self.counted(count, account, as_of, w)
        return out

    def attribute(self, account, as_of, name):
        versions = [
            (
                pd.Timestamp.min
                if row["known_at"] is None or pd.isna(row["known_at"])
                else pd.Timestamp(row["known_at"]),
                row,
            )
            for row in self.frames["accounts"]
            if row["account_id"] == account
        ]
        known = [(when, row) for when, row in versions if when < as_of]
        return max(known, key=lambda pair: pair[0])[1][name] if known else None

    # -- peers --------------------------------------------------------------------------------------------------

    PEERS = ("events", "active_days", "active_users", "features_used", "seat_utilisation", "tickets_opened", "mrr")

    def add_percentiles(self, keys, rows):
        """Add each measure's percentile among the peers: same `as_of` and same plan, else the same size of seats."""
        distinct = dict(zip(keys, rows, strict=True))
        plans = any(isinstance(row.get("plan"), str) for row in distinct.values())
        seats = any(math.isfinite(row.get("seats", NAN)) for row in distinct.values())

        def group(row):
            if plans:
                return row["plan"] or ""
            size = row.get("seats", NAN)
            return math.floor(math.log2((size if math.isfinite(size) else 0) + 1)) if seats else "all"

        for (_account, as_of), row in zip(keys, rows, strict=True):
            same_day = [other for (_, day), other in distinct.items() if day == as_of]
            peers = [other for other in same_day if group(other) == group(row)]
            for name in self.PEERS:
                source = name if name == "mrr" else f"{name}_{self.main}d"
                if source in row:
                    row[f"{name}_percentile"] = self.share_below(row[source], source, peers, same_day)

    @staticmethod
    def share_below(value, source, *groups):
        for group in groups:
            values = [row[source] for row in group if not math.isnan(row[source])]
            if len(values) >= 5:
                if math.isnan(value):
                    return NAN
                lower, equal = sum(v < value for v in values), sum(v == value for v in values)
                return (lower + equal / 2) / len(values)
        return NAN

"""One definition of every canonical table; the docs, the checks and the mapping are all made from it.

All times are UTC. A ``date`` column stands for midnight UTC at the start of that day. Intervals are half-open:
``ends_on`` is the first day that is no longer covered.
"""

from __future__ import annotations

from churnml.tables.columns import Column, DType, Table

__all__ = ["TABLES", "Column", "DType", "Table", "schema_markdown"]

_ACCOUNT = Column("account_id", "string", "The customer account", required=True)
_KNOWN = Column("known_at", "timestamp", "When the business could have known the row; defaults to when it happened")


def _id(name: str, what: str) -> Column:
    return Column(name, "string", f"{what}; made from the row's other columns when not mapped", required=True)


_DEFINITIONS: tuple[Table, ...] = (
    Table(
        name="accounts",
        grain="Who the customers are: one row per account, or per account and `known_at` where attributes have history",
        key=("account_id", "known_at"),
        occurred_at=None,
        columns=(
            _ACCOUNT,
            Column("name", "string", "Display name of the account"),
            Column("created_on", "date", "First day as a customer or trial"),
            Column("industry", "string", "Industry of the customer"),
            Column("country", "string", "Country of the customer"),
            Column("segment", "string", "Business segment, e.g. SMB or enterprise", mutable=True),
            Column("plan", "string", "Plan the account is on", mutable=True),
            Column("owner", "string", "CSM or team that owns the account", mutable=True),
            Column(
                "touch_model",
                "string",
                "How the account is looked after",
                values=("high", "low", "tech"),
                mutable=True,
            ),
            Column(
                "phase",
                "string",
                "Lifecycle phase",
                values=("contract", "onboarding", "adoption", "utilisation", "renewal"),
                mutable=True,
            ),
            Column("employees", "int64", "Size of the customer", unit="people", minimum=0, mutable=True),
            Column(
                "csm_sentiment",
                "string",
                "The CSM's own judgement, kept apart from the score",
                values=("good", "neutral", "bad"),
                mutable=True,
            ),
            Column(
                "parent_id", "string", "The account that this one is part of, directly; null = of none", mutable=True
            ),
            Column("known_at", "timestamp", "From when these attributes were known; absent = no history"),
        ),
    ),
    Table(
        name="subscriptions",
        may_lie_ahead=True,
        grain="What is under contract: one row per account, product and term",
        key=("subscription_id",),
        occurred_at="started_on",
        columns=(
            _id("subscription_id", "Identity of the term"),
            _ACCOUNT,
            Column("product", "string", "Product or plan sold"),
            Column("plan", "string", "Plan name where it differs from the product"),
            Column(
                "is_addon",
                "boolean",
                "Add-ons count as revenue but do not keep an account alive",
                default=False,
            ),
            Column("started_on", "date", "First day covered", required=True),
            Column("ends_on", "date", "Agreed end of the term, exclusive, as known at its start; null = evergreen"),
            Column(
                "terminated_on",
                "date",
                "Actual end, exclusive, when it ended otherwise than agreed; hidden until `notice_at` or that day",
            ),
            Column("notice_at", "timestamp", "When the customer gave notice that it will not go on"),
            Column(
                "mrr",
                "float64",
                "Monthly recurring revenue. A plan makes a customer whatever its MRR: for trials see `label.trials`",
                unit="currency per month",
                minimum=0,
            ),
            Column("seats", "int64", "Purchased seats or licences", unit="seats", minimum=0),
            Column("discount_rate", "float64", "Discount on the list price", unit="share", minimum=0, maximum=1),
            Column("billing_period_months", "int64", "Months billed at once", unit="months", minimum=0),
            Column("auto_renew", "boolean", "Goes on unless notice is given"),
            _KNOWN,
        ),
        revealed={"terminated_on": ("notice_at", "terminated_on"), "notice_at": ("notice_at",)},
    ),
    Table(
        name="events",
        grain="What users did in the product: one row per event, or per account, user, kind and time with a count",
        key=(),
        occurred_at="occurred_at",
        columns=(
            _ACCOUNT,
            Column("user_id", "string", "Who acted; null where unknown"),
            Column("event_type", "string", "Kind of event, i.e. the product feature used", required=True),
            Column("occurred_at", "timestamp", "When it happened", required=True),
            Column("event_count", "int64", "Events the row stands for", unit="events", minimum=0, default=1),
            Column("value", "float64", "A quantity the event carries, e.g. minutes or amount"),
            _KNOWN,
        ),
    ),
    Table(
        name="tickets",
        grain="Support: one row per ticket",
        key=("ticket_id",),
        occurred_at="opened_at",
        columns=(
            _id("ticket_id", "Identity of the ticket"),
            _ACCOUNT,
            Column("opened_at", "timestamp", "When it was opened", required=True),
            Column("priority", "string", "Urgency", values=("low", "normal", "high", "urgent"), default="normal"),
            Column("category", "string", "Topic"),
            Column("first_response_at", "timestamp", "First answer of a person"),
            Column("solved_at", "timestamp", "When it was (last) solved"),
            Column("reopened_at", "timestamp", "When it was (last) reopened"),
            Column("escalated_at", "timestamp", "When it was escalated"),
            Column("csat_score", "float64", "Satisfaction with the answer", unit="1–5", minimum=1, maximum=5),
            Column("csat_at", "timestamp", "When the satisfaction was given"),
            _KNOWN,
        ),
        revealed={
            "first_response_at": ("first_response_at",),
            "solved_at": ("solved_at",),
            "reopened_at": ("reopened_at",),
            "escalated_at": ("escalated_at",),
            "csat_score": ("csat_at",),
            "csat_at": ("csat_at",),
        },
    ),
    Table(
        name="surveys",
        grain="Asked opinions: one row per survey sent to one person",
        key=("survey_id",),
        occurred_at="sent_at",
        columns=(
            _id("survey_id", "Identity of the survey"),
            _ACCOUNT,
            Column("contact_id", "string", "Who was asked"),
            Column("kind", "string", "Kind of survey", values=("nps", "csat", "ces"), default="nps"),
            Column("sent_at", "timestamp", "When it was sent; defaults to the answer's time", required=True),
            Column("responded_at", "timestamp", "When it was answered; null = not answered"),
            Column(
                "score", "float64", "The answer", unit="0–10 for nps, 1–5 for csat, 1–7 for ces", minimum=0, maximum=10
            ),
            _KNOWN,
        ),
        revealed={"score": ("responded_at",), "responded_at": ("responded_at",)},
    ),
    Table(
        name="contacts",
        grain="People at the customer: one row per contact and role",
        key=("contact_id",),
        occurred_at="started_at",
        columns=(
            _id("contact_id", "Identity of the contact"),
            _ACCOUNT,
            Column("user_id", "string", "The contact's product user, as in `events.user_id`"),
            Column(
                "role",
                "string",
                "Role in the relationship",
                values=("champion", "sponsor", "admin", "decision_maker", "billing", "user"),
                default="user",
            ),
            Column("started_at", "timestamp", "From when the person is in that role", required=True),
            Column("activated_at", "timestamp", "When the person first used a licence"),
            Column("left_at", "timestamp", "When the person left the role"),
            Column("left_known_at", "timestamp", "When we learnt that; defaults to `left_at`"),
            _KNOWN,
        ),
        revealed={
            "activated_at": ("activated_at",),
            "left_at": ("left_known_at",),
            "left_known_at": ("left_known_at",),
        },
    ),
    Table(
        name="touchpoints",
        grain="Contact between vendor and customer: one row per call, mail or meeting",
        key=("touchpoint_id",),
        occurred_at="occurred_at",
        columns=(
            _id("touchpoint_id", "Identity of the touchpoint"),
            _ACCOUNT,
            Column("contact_id", "string", "The person at the customer"),
            Column("direction", "string", "Who began it", values=("inbound", "outbound"), default="outbound"),
            Column("channel", "string", "call, email, meeting, chat …"),
            Column("occurred_at", "timestamp", "When it happened", required=True),
            _KNOWN,
        ),
    ),
    Table(
        name="invoices",
        grain="What was billed: one row per invoice",
        key=("invoice_id",),
        occurred_at="issued_on",
        columns=(
            _id("invoice_id", "Identity of the invoice"),
            _ACCOUNT,
            Column("issued_on", "date", "When it was issued", required=True),
            Column("due_on", "date", "When payment is due"),
            Column("paid_on", "date", "When it was paid; null = open"),
            Column("amount", "float64", "Amount billed; negative for a credit note", unit="currency"),
            _KNOWN,
        ),
        revealed={"paid_on": ("paid_on",)},
    ),
    Table(
        name="campaign_events",
        grain="Marketing and tech-touch mails: one row per recipient, campaign and step",
        key=("campaign_event_id",),
        occurred_at="occurred_at",
        columns=(
            _id("campaign_event_id", "Identity of the step"),
            _ACCOUNT,
            Column("contact_id", "string", "The recipient"),
            Column("campaign_id", "string", "The campaign"),
            Column(
                "kind",
                "string",
                "The step",
                values=("delivered", "opened", "clicked", "replied", "unsubscribed"),
                required=True,
            ),
            Column("occurred_at", "timestamp", "When it happened", required=True),
            _KNOWN,
        ),
    ),
    Table(
        name="milestones",
        may_lie_ahead=True,
        grain="Onboarding and training plans: one row per account and milestone",
        key=("milestone_id",),
        occurred_at="planned_at",
        columns=(
            _id("milestone_id", "Identity of the milestone"),
            _ACCOUNT,
            Column("name", "string", "What is to be reached"),
            Column(
                "kind", "string", "Kind of milestone", values=("onboarding", "training", "value"), default="onboarding"
            ),
            Column("planned_at", "timestamp", "When it was planned", required=True),
            Column("due_on", "date", "Until when it should be reached"),
            Column("completed_at", "timestamp", "When it was reached"),
            _KNOWN,
        ),
        revealed={"completed_at": ("completed_at",)},
    ),
    Table(
        name="opportunities",
        grain="Deals with existing customers: one row per opportunity",
        key=("opportunity_id",),
        occurred_at="created_at",
        columns=(
            _id("opportunity_id", "Identity of the opportunity"),
            _ACCOUNT,
            Column(
                "kind", "string", "Kind of deal", values=("renewal", "upsell", "cross_sell", "new"), default="renewal"
            ),
            Column("created_at", "timestamp", "When it was opened", required=True),
            Column("closed_at", "timestamp", "When it was won or lost; null = open"),
            Column("outcome", "string", "How it ended; hidden until `closed_at`", values=("won", "lost")),
            Column("amount", "float64", "Amount at stake", unit="currency", minimum=0),
            _KNOWN,
        ),
        revealed={"closed_at": ("closed_at",), "outcome": ("closed_at",)},
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _DEFINITIONS}
"""The canonical tables by name."""


def schema_markdown() -> str:
    """Return the reference page of all canonical tables as Markdown.

    Examples
    --------
    >>> schema_markdown().splitlines()[0]
    '# Canonical tables'
    """
    lines = [
        "# Canonical tables",
        "",
        "Made from `churnml.tables.schema`; `make docs` writes it anew. Times are UTC; a date is midnight at its",
        "start; ends are exclusive. Every column exists after mapping; one that was not mapped is null throughout.",
    ]
    for table in TABLES.values():
        lines += ["", f"## {table.name}", "", f"{table.grain}.", ""]
        if table.key:
            lines += [f"Key: {', '.join(f'`{name}`' for name in table.key)}.", ""]
        lines += ["| column | type | needed | unit or words | hidden until | meaning |", "|---|---|---|---|---|---|"]
        for column in table.columns:
            words = " · ".join(column.values) or column.unit
            bounds = _bounds(column)
            lines.append(
                f"| `{column.name}` | {column.dtype} | {'yes' if column.required else ''} "
                f"| {', '.join(text for text in (words, bounds) if text)} "
                f"| {' or '.join(table.revealed.get(column.name, ()))} | {column.description}"
                f"{'; changes over time' if column.mutable else ''} |"
            )
    return "\n".join(lines) + "\n"


def _bounds(column: Column) -> str:
    if column.minimum is not None and column.maximum is not None:
        return f"{column.minimum:g} to {column.maximum:g}"
    if column.minimum is not None:
        return f"≥ {column.minimum:g}"
    return ""

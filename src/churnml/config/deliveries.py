"""The section `deliveries`: which tools get scores, tasks and messages, and under which of their names."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from churnml.config.alerts import Severity, TaskRole
from churnml.config.logins import HubspotLogin, SalesforceLogin, Secret, ZohoLogin
from churnml.config.section import Section, Share
from churnml.language import Text, WrongValueError

__all__ = [
    "SECRETS",
    "AlertsWanted",
    "ChurnZeroTarget",
    "CrmTarget",
    "DeliveriesConfig",
    "EmailTarget",
    "FieldConfig",
    "GainsightTarget",
    "HubspotTarget",
    "MessageTarget",
    "SalesforceTarget",
    "TableTarget",
    "TargetConfig",
    "TasksWanted",
    "TeamsTarget",
    "TotangoTarget",
    "Value",
    "WebhookTarget",
    "ZendeskTarget",
    "ZohoTarget",
]

Value = Literal[
    "account_id", "name", "health_score", "band", "churn_probability", "expected_loss", "arr", "coverage",
    "days_to_renewal", "owner", "segment", "health_change_7d", "health_change_30d", "summary", "reasons", "reason_1",
    "reason_2", "reason_3", "as_of", "scored_at", "model_version", "page", "renewal_risk", "expected_end",
    "residual_value",
]  # fmt: skip
"""What of a scored account can be delivered."""

SECRETS = (
    "client_secret", "refresh_token", "token", "access_key", "app_key", "service_id", "api_token", "signing_secret",
    "password", "webhook_url", "read_key", "connection",
)  # fmt: skip
"""Keys of this section that hold secrets; they are written as ``${NAME}``."""


_NAMED_ONLY = ("renewal_risk", "expected_end", "residual_value")
"""Values that a flat table has only where its columns name them: the histories of earlier versions lack them."""


class FieldConfig(Section):
    """What one field of the target gets. A bare word in YAML means `value`."""

    value: Value = Field(description="What of the account, e.g. `health_score`")
    digits: int | None = Field(
        None, ge=0, le=6, description="Digits of a number; default 1 for points, 3 for shares, 0 for money and days"
    )
    max_length: int | None = Field(None, ge=10, description="A longer text is cut at a word; default the target's own")

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"value": value} if isinstance(value, str) else value


class AlertsWanted(Section):
    """Which alerts a target gets. What the weekly budget holds back is never delivered."""

    min_severity: Severity = Field("medium", description="Less urgent ones are left out")
    kinds: tuple[str, ...] = Field((), description="Only these rules; empty = all")
    owners: dict[str, str] = Field(
        default_factory=dict, description="Owner as churnml knows them → the target's id of the person"
    )
    default_owner: str | None = Field(None, description="Target's id of who gets what no mapped person owns")


class TasksWanted(Section):
    """Which steps of playbooks a target gets as tasks. `true` in YAML means all that people do; `false` none."""

    roles: tuple[TaskRole, ...] = Field(
        ("csm", "manager", "sales", "support", "finance"),
        description="Only steps of these roles; by default all people",
    )
    playbooks: tuple[str, ...] = Field((), description="Only these playbooks; empty = all")
    owners: dict[str, str] = Field(
        default_factory=dict,
        description="Owner as churnml knows them → the target's id of the person; others are looked up under `alerts`",
    )
    default_owner: str | None = Field(
        None, description="Target's id of who gets what no mapped person owns; none: that of `alerts`"
    )
    read_back_minutes: int | None = Field(
        60,
        ge=1,
        description="A CRM is asked again after so many minutes whether people have finished there what is open here; "
        "null: never",
    )


def _switched(value: Any) -> Any:
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


_Tasks = Annotated[TasksWanted | None, BeforeValidator(_switched)]


class TargetConfig(Section):
    """What every target has."""

    enabled: bool = Field(True, description="Off: nothing is planned or sent; what was planned waits")
    daily_calls: int = Field(5000, ge=1, description="Most calls a day, UTC")
    allowance_share: Share = Field(
        0.2, description="Share of what is left of the target's own allowance that may be used a day, where it tells"
    )
    max_attempts: int = Field(8, ge=1, description="Then a delivery is refused, and listed")
    timeout_seconds: float = Field(30.0, gt=0, le=120, description="Longest wait for an answer")


class CrmTarget(TargetConfig):
    """A tool that holds accounts, of which some fields are written."""

    fields: dict[str, FieldConfig] = Field(default_factory=dict, description="Field of the target → what it gets")
    min_change_points: float = Field(1.0, ge=0, description="A smaller change of health alone is not written")
    min_change_probability: float = Field(0.02, ge=0, description="A smaller change of probability alone is not")
    refresh_days: int = Field(7, ge=1, description="After so many days any difference is written")


class SalesforceTarget(CrmTarget, SalesforceLogin):
    """Salesforce: fields on Account, and tasks."""

    id_field: str | None = Field(
        None, description="External-id field of Account that holds churnml's account id; none: it is the record id"
    )
    object: str = Field("Account", description="Object that accounts are")
    alerts: AlertsWanted | None = Field(None, description="Alerts that become tasks")
    tasks: _Tasks = Field(None, description="Steps of playbooks as tasks, `true` or which of them; none by default")
    task_key_field: str | None = Field(
        None, description="Text field of Task by which a task is found again; default: a mark in its subject"
    )


class HubspotTarget(CrmTarget, HubspotLogin):
    """HubSpot: company properties, and tasks."""

    id_property: str | None = Field(
        None, description="Company property with unique values that holds the account id; none: it is the record id"
    )
    create_properties: bool = Field(True, description="Make missing properties in the group `churnml`")
    alerts: AlertsWanted | None = Field(None, description="Alerts that become tasks")
    tasks: _Tasks = Field(None, description="Steps of playbooks as tasks, `true` or which of them; none by default")


class ZohoTarget(CrmTarget, ZohoLogin):
    """Zoho CRM: fields of Accounts, and tasks."""

    module: str = Field("Accounts", description="Module that accounts are")
    id_field: str | None = Field(
        None, description="Unique field of the module that holds the account id; none: it is the record id"
    )
    name_field: str = Field("Account_Name", description="Field that Zoho needs to make a record")
    alerts: AlertsWanted | None = Field(None, description="Alerts that become tasks")
    tasks: _Tasks = Field(None, description="Steps of playbooks as tasks, `true` or which of them; none by default")


class GainsightTarget(CrmTarget):
    """Gainsight NXT: fields of Company or a custom object."""

    url: str = Field(description="Your domain, e.g. `https://acme.gainsightcloud.com`")
    access_key: Secret = Field(description="Access key of the API connector, `${NAME}`")
    object: str = Field("Company", description="Object that accounts are")
    id_field: str = Field(description="Field that holds the account id, e.g. `Account_Id__gc`")


class ChurnZeroTarget(CrmTarget):
    """ChurnZero: account attributes; read back, as its answer proves nothing."""

    url: str = Field(description="Your domain, e.g. `https://acme.churnzero.net`")
    app_key: Secret = Field(description="Application key, `${NAME}`")
    read_user: str | None = Field(None, description="User of the read API, to prove what was written")
    read_key: Secret | None = Field(None, description="Its key, `${NAME}`")


class TotangoTarget(CrmTarget):
    """Totango: account attributes; its answer proves nothing, and nothing can be read back."""

    url: str = Field("https://sdr.totango.com", description="Collector; EU: `https://sdr-eu1.totango.com`")
    service_id: Secret = Field(description="Service id, `${NAME}`")
    api_token: Secret | None = Field(None, description="Token of the collector, `${NAME}`")


class ZendeskTarget(CrmTarget):
    """Zendesk: organization fields."""

    url: str = Field(description="Your domain, e.g. `https://acme.zendesk.com`")
    user: str = Field(description="Mail address of the user that writes")
    api_token: Secret = Field(description="Its API token, `${NAME}`")
    by: Literal["external_id", "id"] = Field("external_id", description="What of an organization is the account id")


class MessageTarget(TargetConfig):
    """A channel that gets one card an alert: why, the number, and a button to the account."""

    webhook_url: Secret = Field(description="The hook's URL, which is a secret: `${NAME}`")
    alerts: AlertsWanted = Field(AlertsWanted(min_severity="high"), description="Alerts that are told")


class TeamsTarget(MessageTarget):
    """A channel of Microsoft Teams, reached through a workflow."""


class WebhookTarget(TargetConfig):
    """A receiver of signed webhooks (Standard Webhooks)."""

    url: str = Field(description="HTTPS address of the receiver")
    signing_secret: Secret = Field(description="Secret that both sides know, `whsec_…`, as `${NAME}`")
    alerts: AlertsWanted | None = Field(AlertsWanted(min_severity="low"), description="Alerts that are told")
    tasks: _Tasks = Field(None, description="Steps of playbooks that are told, `true` or which; none by default")
    snapshots: bool = Field(True, description="Tell of each scoring")
    allow_private: bool = Field(False, description="Allow addresses of your own network, and plain HTTP there")
    max_attempts: int = Field(10, ge=1, description="Then a delivery is refused, and listed")


class EmailTarget(TargetConfig):
    """A digest of open alerts by mail, after each scoring."""

    host: str = Field(description="SMTP server")
    port: int = Field(587, ge=1, le=65535, description="Its port")
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="How the connection is protected")
    user: str | None = Field(None, description="Login")
    password: Secret | None = Field(None, description="Its password, `${NAME}`")
    sender: str = Field(description="Address it comes from")
    to: tuple[str, ...] = Field((), description="Addresses that get everything")
    owners: dict[str, str] = Field(default_factory=dict, description="Owner → address; each gets their own")
    min_severity: Severity = Field("medium", description="Less urgent ones are left out")
    every_days: int = Field(1, ge=1, description="At most one digest in so many days")

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.to and not self.owners:
            raise WrongValueError(Text.of("wrong-nobody"))
        return self


class TableTarget(TargetConfig):
    """A flat table for BI: one row an account, and its history; in a database, a warehouse or an object store."""

    folder: str | None = Field(
        None,
        description="Folder, in the workspace unless absolute, or object store, e.g. `bi` or `s3://bucket/churnml`; "
        "exactly one of folder and connection",
    )
    connection: Secret | None = Field(None, description="Any Ibis connection URL, as `${NAME}`, e.g. postgres://…")
    format: Literal["csv", "parquet"] = Field("parquet", description="Format of the files")
    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = Field(
        "churnml_scores", description="Name of the table or file; the history is `<name>_history`"
    )
    history: bool = Field(True, description="Keep one row an account and scoring")
    columns: dict[str, FieldConfig] = Field(
        default_factory=dict,
        description="Column → what it holds; default: every value under its own name, without `renewal_risk`, "
        "`expected_end` and `residual_value`, for which a table that is there already has no columns",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.folder is None) == (self.connection is None):
            raise WrongValueError(Text.of("wrong-one_of", names="folder, connection"))
        return self

    def columns_wanted(self) -> dict[str, FieldConfig]:
        """Return the columns in order."""
        return dict(self.columns) or {
            name: FieldConfig(value=name) for name in get_args(Value) if name not in _NAMED_ONLY
        }


class DeliveriesConfig(Section):
    """Deliveries: where scores, tasks and messages go; see docs/deliveries.md."""

    after_scoring: bool = Field(True, description="Deliver after each scoring too; failures never fail the scoring")
    page_url: str | None = Field(
        None, description="Address of an account's page, with `{account_id}` in it, for buttons and links"
    )
    salesforce: SalesforceTarget | None = Field(None, description="Salesforce")
    hubspot: HubspotTarget | None = Field(None, description="HubSpot")
    zoho: ZohoTarget | None = Field(None, description="Zoho CRM")
    gainsight: GainsightTarget | None = Field(None, description="Gainsight NXT")
    churnzero: ChurnZeroTarget | None = Field(None, description="ChurnZero")
    totango: TotangoTarget | None = Field(None, description="Totango")
    zendesk: ZendeskTarget | None = Field(None, description="Zendesk")
    slack: dict[str, MessageTarget] = Field(default_factory=dict, description="Channel → Slack hook")
    teams: dict[str, TeamsTarget] = Field(default_factory=dict, description="Channel → Teams workflow")
    webhooks: dict[str, WebhookTarget] = Field(default_factory=dict, description="Name → receiver")
    emails: dict[str, EmailTarget] = Field(default_factory=dict, description="Name → digest")
    tables: dict[str, TableTarget] = Field(default_factory=dict, description="Name → flat table")

    def targets(self) -> dict[str, TargetConfig]:
        """Return the targets that are on, by name: the tool's, with the entry's own where there may be several."""
        by_name: dict[str, TargetConfig] = {}
        for kind in type(self).model_fields:
            section = getattr(self, kind)
            if isinstance(section, TargetConfig):
                by_name[kind] = section
            elif isinstance(section, dict):
                by_name |= {f"{kind}.{name}": one for name, one in section.items()}
        return {name: one for name, one in by_name.items() if one.enabled}

"""The section `daily`: who is told how the daily run went, and when it counts as late."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from churnml.config.deliveries import EmailTarget, MessageTarget, TargetConfig, TeamsTarget, WebhookTarget
from churnml.config.section import Section

__all__ = ["DailyConfig", "SummaryConfig"]


class SummaryConfig(Section):
    """Who gets one summary of each daily run."""

    when: Literal["always", "trouble"] = Field(
        "always", description="`trouble`: only of runs in which a stage failed, and of the first one after that is well"
    )
    slack: dict[str, MessageTarget] = Field(default_factory=dict, description="Channel → Slack hook")
    teams: dict[str, TeamsTarget] = Field(default_factory=dict, description="Channel → Teams workflow")
    webhooks: dict[str, WebhookTarget] = Field(default_factory=dict, description="Name → receiver")
    emails: dict[str, EmailTarget] = Field(default_factory=dict, description="Name → mail; `to` gets it")

    def targets(self) -> dict[str, TargetConfig]:
        """Return the targets that are on, by name.

        Their names hold a colon, which no target of `deliveries` needs, so the two are never taken for one another.
        """
        enabled: dict[str, TargetConfig] = {}
        for kind in ("slack", "teams", "webhooks", "emails"):
            enabled |= {f"{kind}.daily:{name}": one for name, one in getattr(self, kind).items() if one.enabled}
        return enabled


class DailyConfig(Section):
    """The daily run: `churnml daily`; see docs/operations.md."""

    summary: SummaryConfig = Field(SummaryConfig(), description="Who is told how it went")
    late_after_hours: float = Field(
        30.0, gt=0, description="Once there is a daily run: so long after the last one the API calls its scores stale"
    )
    retrain: bool = Field(True, description="Train anew when `churnml monitor` says that the model is due")
    retrain_pause_days: int = Field(
        28, ge=1, description="After a training that was due, promoted or refused, the next one waits for so long"
    )
    runs_days: int = Field(400, ge=1, description="Records of older runs are removed; the newest always stays")

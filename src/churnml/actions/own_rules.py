"""Alert rules of a company's own: one small function each, in a module that the config names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churnml.actions.rules import BUILT_IN, AlertRule, Bands, verdict_frame
from churnml.config.alerts import Role, Severity, Touch
from churnml.errors import ChurnmlError, ConfigError
from churnml.language import Text
from churnml.own_modules import own_module

__all__ = ["OwnRule", "alert_rule", "rules_of_modules"]


@dataclass(frozen=True)
class OwnRule:
    """A rule of the company's own: its settings, and the function that makes it."""

    rule: AlertRule
    make: Callable[[pd.DataFrame], Any]

    def __call__(self, signals: pd.DataFrame) -> Any:
        """Call the function itself, e.g. in the company's own tests."""
        return self.make(signals)


def alert_rule(
    kind: str,
    *,
    needs: tuple[str, ...] = (),
    severity: Severity = "medium",
    due_hours: int = 72,
    owner: Role = "csm",
    playbook: str | None = None,
    touch: tuple[Touch, ...] = ("high", "low"),
    title: Mapping[str, str] | None = None,
) -> Callable[[Callable[[pd.DataFrame], Any]], OwnRule]:
    """Make a function an alert rule.

    The function gets the signals, one row an account: features, ``health_score``, ``health_change_30d``,
    ``health_peak_30d``, ``band``, ``churn_probability``, ``arr``, ``owner``, ``segment``, ``touch``. It returns a
    Series of true and false: where the rule fires. Missing values neither open nor close an alert.

    Parameters
    ----------
    kind : str
        The rule's name; ``alerts.rules`` of the config may change its settings under it.
    needs : tuple of str
        Columns without which the rule is off.
    severity, due_hours, owner, playbook, touch, title
        As in `churnml.config.alerts.AlertRuleConfig`.

    Raises
    ------
    ConfigError
        There is a built-in rule of that name.

    Examples
    --------
    >>> @alert_rule("export_burst", needs=("exports_28d",), severity="high")
    ... def export_burst(signals):
    ...     return signals["exports_28d"] > 50
    >>> export_burst(pd.DataFrame({"exports_28d": [3.0, 80.0]})).tolist()
    [False, True]
    """
    if kind in BUILT_IN:
        raise ConfigError(
            Text.of("fault-own_rule_built_in", kind=repr(kind)),
            where=Text.of("fault-own_rule_built_in.where", kind=repr(kind)),
            code="alerts.own",
        )

    def decorate(make: Callable[[pd.DataFrame], Any]) -> OwnRule:
        def detect(signals: pd.DataFrame, rule: AlertRule, bands: Bands) -> pd.DataFrame:
            return _judged(make, kind, signals)

        rule = AlertRule(
            kind, float("nan"), severity, due_hours, owner, playbook, needs, detect, touch=touch, title=title
        )
        return OwnRule(rule, make)

    return decorate


def rules_of_modules(modules: Sequence[str], resolve: Callable[[Path], Path]) -> list[AlertRule]:
    """Return the rules of the modules that a config names, in order of definition.

    Parameters
    ----------
    modules : sequence of str
        Dotted names, or ``.py`` files.
    resolve : callable
        Makes a path absolute, from the config's folder.

    Raises
    ------
    ConfigError
        A module cannot be imported, or defines no rule.
    """
    rules: list[AlertRule] = []
    for name in modules:
        own = [
            value.rule
            for value in vars(
                own_module(name, resolve, of="alerts", where="alerts.modules", code="alerts.own")
            ).values()
            if isinstance(value, OwnRule)
        ]
        if not own:
            raise ConfigError(
                Text.of("fault-own_rule_none", name=repr(name)), where="alerts.modules", code="alerts.own"
            )
        rules += own
    return rules


def _judged(make: Callable[[pd.DataFrame], Any], kind: str, signals: pd.DataFrame) -> pd.DataFrame:
    try:
        said = make(signals)
        fires = pd.Series(said, index=None if isinstance(said, pd.Series) else signals.index).astype("boolean")
    except ChurnmlError:
        raise
    except Exception as error:
        raise ConfigError(
            Text.of("fault-own_rule_failed"),
            where=Text.of("fault-own_rule_failed.where", kind=repr(kind)),
            got=f"{type(error).__name__}: {str(error)[:300]}",
            code="alerts.own",
        ) from error
    if len(fires) != len(signals):
        raise ConfigError(
            Text.of("fault-own_rule_rows", n=len(signals)),
            where=Text.of("fault-own_rule_rows.where", kind=repr(kind)),
            got=Text.of("fault-own_rule_rows.got", n=len(fires)),
            code="alerts.own",
        )
    known = fires.notna().to_numpy()
    holds = fires.fillna(False).to_numpy(dtype=bool)
    return verdict_frame(holds, known & ~holds, np.full(len(signals), np.nan))

"""Pages a CSM takes along: the brief of one account, and the portfolio."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from churnml.config import Config
from churnml.explain.happening import Happening
from churnml.explain.notices import overridden
from churnml.explain.play import Play
from churnml.files import file_stem, write_text
from churnml.language import Language
from churnml.pipeline.bands import bands_in_force
from churnml.pipeline.lookup import last_score, newest, of_account
from churnml.progress import Stages
from churnml.reports import Reading, account_brief, portfolio_page
from churnml.store import Store

__all__ = ["brief", "portfolio"]


_PAGES = ("portfolio", "overall", "health_backtest", "shap_summary")
"""Pages beside the briefs."""

_NUMBERS = ("churn_probability", "health_score", "coverage", "arr", "days_to_renewal")
_LISTED = ("account_id", "name", "segment", "owner", "band", "overridden_by", *_NUMBERS)


def brief(config: Config, account_id: str, language: Language, stages: Stages | None = None) -> Path:
    """Write the one-page brief of an account; return its path.

    An account that has left keeps its last score, and the page says so.

    Raises
    ------
    DataError
        The account was never scored.
    """
    stages = stages or Stages()
    store, snapshot = newest(config)
    with store:
        account = store.account(snapshot.id, account_id)
        last = last_score(config, store, snapshot, account_id) if account is None else None
        account, explanation = last or (account, of_account(store, snapshot, account_id))
        override = store.judgements(config.name).override_of(account_id, datetime.now(UTC))
        if override is not None and account is not None and last is None:
            until = override.expires_at.date()
            said = overridden(override.band, account.band, override.author, until, override.reason)
            explanation = {**explanation, "overridden": said}
        history = _history(store, config, account_id)
        curve = None if last is not None else store.curve(snapshot.id, account_id)
    edges = bands_in_force(config)
    with stages("report"):
        page = account_brief(
            explanation,
            language=language,
            name=(account.name if account else None) or "",
            arr=account.arr if account else None,
            currency=config.currency,
            history=history,
            happenings=[Happening.stored(one) for one in explanation.get("happenings", [])],
            plays=[Play.stored(play) for play in explanation.get("plays", [])],
            red_below=edges.red_below,
            green_from=edges.green_from,
            gaps=snapshot.info.get("level_gaps") or (),
            curve=curve,
        )
        name = file_stem(account_id, taken=_PAGES)
        return write_text(config.workspace_dir / "reports" / f"{name}.{language}.html", page)


def portfolio(config: Config, language: Language, stages: Stages | None = None) -> Path:
    """Write the list of all accounts of the newest snapshot as one page with filters; return its path."""
    import pandas as pd  # the brief of an account needs no frames, and comes the quicker

    config.require_churn("portfolio")
    stages = stages or Stages()
    store, snapshot = newest(config)
    with store, stages("report"):
        scored = store.accounts(snapshot.id, limit=snapshot.accounts).accounts
        accounts = store.judgements(config.name).applied(scored, datetime.now(UTC))
        explanations = store.explanations(snapshot.id, [account.account_id for account in accounts], [language])
        table = pd.DataFrame([{name: getattr(account, name) for name in _LISTED} for account in accounts])
        table = table[table["account_id"].isin(set(explanations))]
        page = portfolio_page(
            table.assign(as_of=pd.Timestamp(snapshot.as_of)).astype(dict.fromkeys(_NUMBERS, "float64")),
            [explanations[account] for account in table["account_id"]],
            language=language,
            title=config.name,
            currency=config.currency,
            display=config.display,
            gaps=snapshot.info.get("level_gaps") or (),
        )
        return write_text(config.workspace_dir / "reports" / f"portfolio.{language}.html", page)


def _history(store: Store, config: Config, account_id: str) -> list[Reading]:
    readings = store.history(config.name, account_id)
    return [Reading(snapshot.as_of, one.health_score, snapshot.model_version) for snapshot, one in readings]

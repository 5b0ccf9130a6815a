"""The portfolio as one page: accounts in the order of what they may cost, with filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from churnml.config import DisplayConfig
from churnml.explain.notices import level_gaps
from churnml.explain.published import spoken_reasons
from churnml.language import Language, Section, amount, day, number, phrases
from churnml.reports.figures import loss, percent_or_dash, score
from churnml.reports.page import BAND_COLOURS, environment

__all__ = ["portfolio_page"]


def portfolio_page(
    table: pd.DataFrame,
    explanations: Sequence[Mapping[str, Any]],
    *,
    language: Language,
    title: str,
    currency: str = "USD",
    link: Callable[[str], str] | None = None,
    bands: Mapping[str, int] | None = None,
    display: DisplayConfig | None = None,
    gaps: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the scored accounts as one HTML page with filters by band, segment, owner and name.

    Parameters
    ----------
    table : DataFrame
        One row per account in display order: ``account_id, as_of, churn_probability, health_score, band, coverage,
        arr`` and, where known, ``name, segment, owner, days_to_renewal`` and ``overridden_by``: the CSM whose band
        it is.
    explanations : sequence of mapping
        `explain.published` of the same rows, in order.
    language, title, currency
        Language of the page, name of the company, ISO code.
    link : callable, optional
        Account id → address of the account's own page.
    bands : mapping, optional
        Accounts of the whole company per band, where `table` holds only the first of them.
    display : DisplayConfig, optional
        What segments and owners are called.
    gaps : sequence of mapping
        Levels of risk that were off in the backtest, as the snapshot's ``level_gaps``.
    """
    say, display = phrases(language), display or DisplayConfig()
    rows = []
    for row, explanation in zip(table.to_dict("records"), explanations, strict=True):
        arr = float(row["arr"]) if not pd.isna(row["arr"]) else None
        renewal = row.get("days_to_renewal")
        rows.append(
            {
                "id": row["account_id"],
                "name": _text(row.get("name")) or row["account_id"],
                "link": link(str(row["account_id"])) if link else None,
                "segment": display.spoken("segments", row.get("segment"), language),
                "owner": display.spoken("owners", row.get("owner"), language),
                "band": row["band"],
                "overridden_by": _text(row.get("overridden_by")),
                "health": score(row["health_score"], language),
                "probability": percent_or_dash(row["churn_probability"], language),
                "arr": "" if arr is None else amount(arr, "currency", language, currency=currency),
                "loss": loss(row["churn_probability"], arr, language, currency) or "",
                "renewal": "" if renewal is None or pd.isna(renewal) else amount(round(renewal), "days", language),
                "renewal_days": "" if renewal is None or pd.isna(renewal) else round(renewal),
                "reasons": _reasons(explanation, language),
            }
        )
    counts = bands if bands is not None else table["band"].value_counts()
    total = sum(int(counts.get(band, 0)) for band in BAND_COLOURS)
    template = environment().get_template("portfolio.html.j2")
    return template.render(
        rows=rows,
        gaps=level_gaps(gaps)[f"text_{language}"],
        t=Section(say, "page"),
        say=say,
        language=language,
        title=title,
        rules=any(explanation["source"] == "rules" for explanation in explanations),
        as_of=day(f"{pd.Timestamp(table['as_of'].max()):%Y-%m-%d}", language) if len(table) else "",
        counts=[(band, int(counts.get(band, 0))) for band in BAND_COLOURS],
        total=number(total, language) if total > len(rows) else "",
        only=say("page-only", shown=len(rows), total=total),
        segments=sorted({row["segment"] for row in rows} - {""}),
        owners=sorted({row["owner"] for row in rows} - {""}),
    )


def _reasons(explanation: Mapping[str, Any], language: Language) -> list[dict[str, Any]]:
    """Return what a reader is told of the risk, in the order of the explanation; hard facts are marked."""
    facts = {fact[f"text_{language}"] for fact in explanation["indicators"]}
    return [{"text": text, "hard": text in facts} for text in spoken_reasons(explanation, language)]


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)

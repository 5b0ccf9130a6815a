"""Pages for people: a one-page brief on an account, and the portfolio as a list with filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from markupsafe import Markup

from churnml.explain.plays import Play
from churnml.explain.timeline import Happening
from churnml.explain.words import amount, day, number, percent
from churnml.features.spec import FAMILIES
from churnml.health.page import BAND_COLOURS, environment, new_figure, svg
from churnml.health.wording import BAND_WORDS

__all__ = ["account_brief", "change_told", "portfolio_page"]

Language = Literal["en", "ja"]


def account_brief(
    explanation: Mapping[str, Any],
    *,
    language: Language,
    name: str = "",
    arr: float | None = None,
    currency: str = "USD",
    history: pd.DataFrame | None = None,
    happenings: Sequence[Happening] = (),
    plays: Sequence[Play] = (),
    red_below: float = 40.0,
    green_from: float = 70.0,
) -> str:
    """Return the brief a CSM takes into a call, as one HTML page that prints on one sheet.

    Parameters
    ----------
    explanation : mapping
        `Explanation.as_dict()`.
    language : {"en", "ja"}
        Of the page.
    name : str
        Display name of the account; its id stands beside it.
    arr : float, optional
        Annual contract value, currency.
    currency : str
        ISO code.
    history : DataFrame, optional
        ``as_of, health_score`` of this account; two readings or more make a chart.
    happenings : sequence of Happening
        From `timeline`.
    plays : sequence of Play
        From `suggest_plays`.
    red_below, green_from : float
        Bands of the chart.
    """
    words = _WORDS[language]
    known = history.dropna(subset=["health_score"]).sort_values("as_of") if history is not None else None
    drawn = known is not None and len(known) > 1
    template = environment("churnml.explain").get_template("brief.html.j2")
    return template.render(
        told=explanation,
        language=language,
        t=words,
        name=name or explanation["account_id"],
        as_of=day(str(explanation["as_of"])[:10], language),
        probability=_percent(explanation["churn_probability"], language),
        lift=_lift(explanation),
        health=_score(explanation["health_score"]),
        coverage=_percent(explanation["coverage"], language),
        arr=None if arr is None or np.isnan(arr) else amount(arr, "currency", language, currency=currency),
        expected_loss=_loss(explanation["churn_probability"], arr, language, currency),
        chart=_chart(known, words["health"], red_below, green_from) if drawn and known is not None else None,
        families=_families(language),
        change=change_told(explanation.get("change"), language),
        happenings=[
            {"on": day(item.on, language), "text": item.ja if language == "ja" else item.en} for item in happenings
        ],
        plays=[
            {
                "title": play.title_ja if language == "ja" else play.title_en,
                "owner": words["owners"].get(play.owner, play.owner),
                "due": day(play.due_on, language),
                "steps": play.steps_ja if language == "ja" else play.steps_en,
            }
            for play in plays
        ],
        effect=lambda driver: _effect(driver, language),
        comparison=lambda driver: _comparison(driver, language, currency),
    )


def portfolio_page(
    table: pd.DataFrame,
    explanations: Sequence[Mapping[str, Any]],
    *,
    language: Language,
    title: str,
    currency: str = "USD",
    link: Callable[[str], str] | None = None,
    bands: Mapping[str, int] | None = None,
) -> str:
    """Return the scored accounts as one HTML page with filters by band, segment, owner and name.

    Parameters
    ----------
    table : DataFrame
        One row per account in display order: ``account_id, as_of, churn_probability, health_score, band, coverage,
        arr`` and, where known, ``name, segment, owner, days_to_renewal`` and ``overridden_by``: the CSM whose band
        it is.
    explanations : sequence of mapping
        `Explanation.as_dict()` of the same rows, in order.
    language, title, currency
        Language of the page, name of the company, ISO code.
    link : callable, optional
        Account id → address of the account's own page.
    bands : mapping, optional
        Accounts of the whole company per band, where `table` holds only the first of them.
    """
    words = _WORDS[language]
    rows = []
    for row, told in zip(table.to_dict("records"), explanations, strict=True):
        sentences = [driver[f"sentence_{language}"] for driver in told["raising"][:2]]
        arr = float(row["arr"]) if not pd.isna(row["arr"]) else None
        renewal = row.get("days_to_renewal")
        rows.append(
            {
                "id": row["account_id"],
                "name": _text(row.get("name")) or row["account_id"],
                "link": link(str(row["account_id"])) if link else None,
                "segment": _text(row.get("segment")),
                "owner": _text(row.get("owner")),
                "band": row["band"],
                "overridden_by": _text(row.get("overridden_by")),
                "health": _score(row["health_score"]),
                "probability": _percent(row["churn_probability"], language),
                "arr": "" if arr is None else amount(arr, "currency", language, currency=currency),
                "loss": _loss(row["churn_probability"], arr, language, currency) or "",
                "renewal": "" if renewal is None or pd.isna(renewal) else amount(round(renewal), "days", language),
                "renewal_days": "" if renewal is None or pd.isna(renewal) else round(renewal),
                "facts": [fact[f"text_{language}"] for fact in told["indicators"]],
                "drivers": sentences,
            }
        )
    counts = bands if bands is not None else table["band"].value_counts()
    total = sum(int(counts.get(band, 0)) for band in BAND_COLOURS)
    template = environment("churnml.explain").get_template("portfolio.html.j2")
    return template.render(
        rows=rows,
        t=words,
        language=language,
        title=title,
        rules=any(told["source"] == "rules" for told in explanations),
        as_of=day(f"{pd.Timestamp(table['as_of'].max()):%Y-%m-%d}", language) if len(table) else "",
        counts=[(band, int(counts.get(band, 0))) for band in BAND_COLOURS],
        total=number(total, whole=True) if total > len(rows) else "",
        only=words["only"].format(shown=number(len(rows), whole=True), total=number(total, whole=True)),
        segments=sorted({row["segment"] for row in rows} - {""}),
        owners=sorted({row["owner"] for row in rows} - {""}),
    )


def change_told(change: Mapping[str, Any] | None, language: Language) -> str:
    """Return in words by how much the health score moved, and what moved it; empty where nothing is known.

    Parameters
    ----------
    change : mapping, optional
        ``since, change, data, weights, model`` and ``largest`` (``label_en, label_ja, points``), points of health.
    language : {"en", "ja"}

    Examples
    --------
    >>> change_told({"since": "2026-03-01", "change": -5.8, "data": -5.8, "weights": 0.0, "model": 0.0,
    ...              "largest": [{"label_en": "login frequency", "points": -4.1}]}, "en")
    'Health −5.8 since 1 March 2026 (facts −5.8, weights 0.0, model 0.0). Largest parts: login frequency −4.1.'
    """
    if not change or change["change"] is None:
        return ""
    words = _WORDS[language]
    shares = {name: _signed(change[name]) for name in ("change", "data", "weights", "model")}
    text = str(words["moved"]).format(since=day(change["since"], language), **shares)
    parts = [f"{part[f'label_{language}']} {_signed(part['points'])}" for part in change.get("largest", [])]
    return text + (str(words["largest"]).format(parts=words["joint"].join(parts)) if parts else "")


def _signed(points: float) -> str:
    text = f"{abs(points):.1f}"
    return text if text == "0.0" else f"{'+' if points > 0 else '−'}{text}"


def _chart(history: pd.DataFrame, label: str, red_below: float, green_from: float) -> Markup:
    figure = new_figure(7.6, 1.6)
    axes = figure.subplots()
    for low, high, band in ((0, red_below, "red"), (red_below, green_from, "yellow"), (green_from, 100, "green")):
        axes.axhspan(low, high, color=BAND_COLOURS[band], alpha=0.12, linewidth=0)
    axes.plot(history["as_of"], history["health_score"], color="#1f2430", marker="o", markersize=3, linewidth=1.6)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, red_below, green_from, 100])
    from matplotlib.dates import AutoDateLocator, DateFormatter

    axes.xaxis.set_major_locator(AutoDateLocator(minticks=2, maxticks=7))
    axes.xaxis.set_major_formatter(DateFormatter("%Y-%m"))
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure, label)


def _effect(driver: Mapping[str, Any], language: Language) -> str:
    words = _WORDS[language]
    unit = words["probability_points"] if driver["effect_log_odds"] is not None else words["health_points"]
    value = driver["effect_points"]
    if abs(value) < 0.05:
        return f"±0 {unit}" if language == "en" else f"±0{unit}"
    text = f"{'+' if value > 0 else '−'}{abs(value):.1f}"
    return f"{text} {unit}" if language == "en" else f"{text}{unit}"


def _comparison(driver: Mapping[str, Any], language: Language, currency: str) -> str:
    if driver["low"] is None or driver["high"] is None:
        return ""
    low, high = (amount(driver[side], driver["unit"], language, currency=currency) for side in ("low", "high"))
    return str(_WORDS[language]["thirds"]).format(low=low, high=high)


def _percent(value: float | None, language: Language) -> str:
    return "–" if value is None or np.isnan(value) else percent(value, language)


def _score(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else number(value, whole=True)


def _lift(explanation: Mapping[str, Any]) -> str:
    probability = explanation["churn_probability"]
    return "" if probability is None else f"{probability / explanation['base_rate']:.1f}"


def _loss(probability: float | None, arr: float | None, language: Language, currency: str) -> str | None:
    if probability is None or arr is None or np.isnan(probability * arr):
        return None
    return amount(probability * arr, "currency", language, currency=currency)


def _families(language: Language) -> dict[str, str]:
    return {name: japanese if language == "ja" else name for name, japanese in FAMILIES.items()}


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


_WORDS: dict[Language, dict[str, Any]] = {
    "en": {
        "account": "Account",
        "as_of": "as of",
        "health": "Health score",
        "probability": "Churn probability",
        "within": "within {days} days, {lift} × the average",
        "arr": "ARR",
        "expected_loss": "Expected loss",
        "coverage": "Data coverage",
        "raising": "Associated with a higher risk",
        "lowering": "Associated with a lower risk",
        "context": "Context",
        "facts": "Facts to know",
        "plays": "Suggested steps",
        "owner": "Owner",
        "due": "due",
        "timeline": "What happened",
        "history": "Score history",
        "none": "Nothing stands out.",
        "moved": "Health {change} since {since} (facts {data}, weights {weights}, model {model}).",
        "largest": " Largest parts: {parts}.",
        "joint": ", ",
        "rules_only": "The churn model did not pass its gate, so the rules are used: "
        "probabilities come from a rule, reasons from the health measures alone.",
        "note": "Associations in past data, not causes. Effects are approximate.",
        "sentiment": "CSM’s own view",
        "probability_points": "points of probability",
        "health_points": "health points",
        "thirds": "Accounts at low risk average {low}, at high risk {high}.",
        "bands": BAND_WORDS["en"],
        "portfolio": "Portfolio",
        "band": "Band",
        "segment": "Segment",
        "renewal": "Renewal in",
        "days": "{days} days",
        "search": "Name or id",
        "all": "all",
        "reasons": "Top reasons",
        "shown": "shown",
        "only": "The {shown} accounts with the highest expected loss, of {total}; the counts above are of all.",
        "set_by": "set by {author}",
        "owners": {
            "csm": "CSM",
            "team": "team",
            "system": "automatic",
            "support": "support",
            "finance": "finance",
            "manager": "manager",
        },
    },
    "ja": {
        "account": "アカウント",
        "as_of": "基準日",
        "health": "ヘルススコア",
        "probability": "解約確率",
        "within": "{days}日以内、平均の{lift}倍",
        "arr": "ARR",
        "expected_loss": "期待損失",
        "coverage": "データ充足率",
        "raising": "リスク上昇と関連する事実",
        "lowering": "リスク低下と関連する事実",
        "context": "属性・契約条件",
        "facts": "確認すべき事実",
        "plays": "推奨アクション",
        "owner": "担当",
        "due": "期限",
        "timeline": "これまでの出来事",
        "history": "スコアの推移",
        "none": "目立った要因はありません。",
        "moved": "{since}以降のヘルススコアの変化：{change}（データ{data}、重み{weights}、モデル{model}）。",
        "largest": "主な内訳：{parts}。",
        "joint": "、",
        "rules_only": "解約モデルが検証基準を満たさないため、ルールを使用しています。"
        "解約確率はルールにより、理由はヘルス指標のみから示しています。",
        "note": "過去データにおける関連であり、因果関係を示すものではありません。効果の大きさは概算です。",
        "sentiment": "CSMの所感",
        "probability_points": "ポイント（解約確率）",
        "health_points": "点（ヘルススコア）",
        "thirds": "低リスク層の平均は{low}、高リスク層の平均は{high}。",
        "bands": BAND_WORDS["ja"],
        "portfolio": "担当アカウント一覧",
        "band": "判定",
        "segment": "セグメント",
        "renewal": "更新まで",
        "days": "{days}日",
        "search": "名称・ID",
        "all": "すべて",
        "reasons": "主な理由",
        "shown": "件表示",
        "only": "全{total}件のうち、期待損失の大きい{shown}件を表示しています。上の件数は全体のものです。",
        "set_by": "{author}が設定",
        "owners": {
            "csm": "CSM",
            "team": "チーム",
            "system": "自動",
            "support": "サポート",
            "finance": "経理",
            "manager": "マネージャー",
        },
    },
}

"""Proof: whether the score works, what calls achieved, which model is in force and why, and how the data is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from churnml.errors import BundleError
from churnml.language import day, number, percent, phrases, render
from churnml.reports.monitoring import performance_head, performance_rows
from churnml.serving.http.problems import Problem
from churnml.serving.pages import figures
from churnml.serving.pages.company import as_csv, listed, written
from churnml.serving.pages.frame import Frame, frame_of
from churnml.serving.pages.newest_figures import Figures, newest_figures, part_of
from churnml.serving.people import needs
from churnml.serving.routes.operation import ScopedRoute

__all__ = ["router"]

router = APIRouter(route_class=ScopedRoute, include_in_schema=False)
_REALISED = "realised"


@router.get("/proof", dependencies=[needs("read")])
async def get_proof(request: Request) -> Response:
    """Return what speaks for the score, and against it."""
    return await to_thread.run_sync(_proof, frame_of(request))


def _proof(frame: Frame) -> Response:
    say, figures = phrases(frame.language), newest_figures(frame)
    company: Mapping[str, Any] = figures.company if figures is not None else {}
    if frame.request.query_params.get("format") == "csv":
        bands = (company.get("realised") or {}).get("bands") or []
        columns = ["band", "accounts", "churned", "arr", "arr_lost"]
        return as_csv(frame, columns, ([one[name] for name in columns] for one in bands))
    return frame.answer(
        "proof.html.j2",
        here="proof",
        title=say("nav-proof"),
        realised=_realised(frame, company.get("realised")),
        realised_from=day(company["realised_from"], frame.language) if company.get("realised_from") else "",
        backtest=_backtest(frame),
        experiment=_experiment(frame, company.get("experiment")),
        model=_model(frame),
        watch=_watch(frame),
        tables=_tables(frame, company.get("tables") or []),
        csv=frame.with_query(format="csv"),
    )


def _realised(frame: Frame, realised: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if realised is None:
        return None
    language, say = frame.language, phrases(frame.language)
    bands = {one["band"]: one for one in realised["bands"]}
    green, red = bands["green"], bands["red"]
    return {
        "span": say(
            "proof-span",
            first=day(realised["first"], language),
            last=day(realised["last"], language),
            n=realised["snapshots"],
        ),
        "readings": number(realised["readings"], language),
        "churned": number(realised["churned"], language),
        "expected": number(realised["expected"], language, 1),
        "rate": percent(realised["churned"] / realised["readings"], language, 1),
        "auc": number(realised["roc_auc"], language, 2) if realised["roc_auc"] is not None else "–",
        "missed": number(realised["missed"], language),
        "missed_of": percent(realised["missed"] / realised["churned"], language, 0) if realised["churned"] else "–",
        "missed_arr": written(frame, green["arr_lost"], "money"),
        "alarms": number(realised["false_alarms"], language),
        "alarms_of": percent(realised["false_alarms"] / red["accounts"], language, 0) if red["accounts"] else "–",
        "bands": [
            {
                "band": one["band"],
                "accounts": number(one["accounts"], language),
                "churned": number(one["churned"], language),
                "rate": percent(one["churned"] / one["accounts"], language, 1) if one["accounts"] else "–",
                "arr_lost": written(frame, one["arr_lost"], "money"),
            }
            for one in realised["bands"]
        ],
        "versions": ", ".join(realised["versions"]),
        **_bins(frame, realised["bins"], say("proof-calibration")),
    }


def _bins(frame: Frame, bins: list[Mapping[str, Any]], label: str) -> dict[str, Any]:
    language = frame.language
    points = [(one["predicted"], one["observed"], one["weight"]) for one in bins]
    top = max((value for point in points for value in point[:2]), default=0.0)
    return {
        "picture": figures.reliability(points, label, (percent(0, language), percent(top, language, 0))),
        "bins": [
            [percent(predicted, language, 1), percent(observed, language, 1), number(weight, language)]
            for predicted, observed, weight in points
        ],
    }


def _backtest(frame: Frame) -> dict[str, Any] | None:
    scorer, language, say = frame.state.view.scorer, frame.language, phrases(frame.language)
    report = scorer.bundle.manifest.backtest if scorer is not None else {}
    calibration, pooled = report.get("calibration"), report.get("pooled")
    if not calibration or not pooled:
        return None
    ratio, auc = calibration.get("expected_over_observed") or {}, pooled["model"].get("roc_auc")
    return {
        **_bins(frame, calibration["bins"], say("proof-calibration")),
        "ratio": number(ratio["value"], language, 2) if ratio.get("value") is not None else "–",
        "auc": number(auc, language, 2) if auc is not None else "–",
    }


def _experiment(frame: Frame, report: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if report is None:
        return None
    language, avoided, saved = frame.language, report["churn_avoided"], report["arr_saved"]

    def interval(effect: Mapping[str, Any], unit: str) -> str:
        low, high = written(frame, effect["low"], unit), written(frame, effect["high"], unit)
        return f"{written(frame, effect['value'], unit)} ({low} – {high})"

    return {
        "name": report["name"],
        "arms": [
            {
                "arm": phrases(language)(f"proof-arm-{arm}"),
                "accounts": number(report[arm]["accounts"], language),
                "followed": number(report[arm]["followed"], language),
                "rate": percent(report[arm]["churn_rate"], language, 1)
                if report[arm]["churn_rate"] is not None
                else "–",
                "arr_lost": written(frame, report[arm]["arr_lost"], "money"),
            }
            for arm in ("contacted", "held_out")
        ],
        "avoided": interval(avoided, "share") if avoided else "",
        "saved": interval(saved, "money") if saved else "",
        "needed": number(report["needed"], language) if report["needed"] is not None else "",
        "ranked": _ranked(language, report),
    }


def _ranked(language: str, report: Mapping[str, Any]) -> str:
    """Return what the alert budget goes by, since when and until when."""
    say, decided, until = phrases(language), report.get("ranking_decided_at"), report.get("ranking_holds_until")
    by = report.get("ranked_by", "risk")
    if decided is None:
        return say("proof-ranked")
    since = day(str(decided)[:10], language)
    if until is None:
        return say("proof-ranked.risk", since=since)
    return say(
        f"proof-ranked.{'uplift' if by == 'uplift' else 'not_in_force'}", since=since, until=day(until, language)
    )


def _model(frame: Frame) -> dict[str, Any] | None:
    from churnml.registry.promotion import promotions

    state, language, say = frame.state, frame.language, phrases(frame.language)
    scorer = state.view.scorer
    if scorer is None:
        return None
    manifest = scorer.bundle.manifest
    try:
        record = promotions(state.settings.bundles_dir, state.settings.registered_model)
    except BundleError:
        record = []
    return {
        "version": manifest.version,
        "trained": day(f"{manifest.created_at:%Y-%m-%d}", language),
        "verdict": say(f"proof-verdict-{manifest.verdict}"),
        "reason": manifest.verdict_reason,
        "horizon": number(manifest.horizon_days, language),
        "past": [
            {
                "version": one.version,
                "on": day(one.at[:10], language),
                "why": one.reason,
                "by": one.by,
                "forced": one.forced,
            }
            for one in reversed(record[-10:])
        ],
    }


def _watch(frame: Frame) -> dict[str, Any] | None:
    """Return what the newest monitoring found, and what became of models that were due."""
    language, say = frame.language, phrases(frame.language)
    monitoring = frame.state.store.monitoring(frame.state.settings.name)
    newest = monitoring.newest()
    if newest is None:
        return None
    since = {episode.alarm.key: episode.opened_on for episode in monitoring.alarms(open_only=True)}
    return {
        "as_of": day(str(newest.as_of), language),
        "alarms": [
            {
                "said": render(alarm.said, language),
                "severe": alarm.severe,
                "since": day(str(since.get(alarm.key, newest.as_of)), language),
            }
            for alarm in newest.alarms
        ],
        "held": newest.held,
        "due": [render(reason.said, language) for reason in newest.retraining.reasons],
        "performance_head": performance_head(language),
        "performance": performance_rows(newest, language),
        "retrainings": [
            {
                "on": day(str(one.at.date()), language),
                "what": say(f"proof-{one.kind}"),
                "version": one.version or "–",
                "promoted": say("proof-promoted" if one.promoted else "proof-not_promoted"),
                "decision": say.stored(one.decision),
            }
            for one in monitoring.retrainings(limit=5)
        ],
    }


def _tables(frame: Frame, tables: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    language = frame.language
    return [
        {
            "table": one["table"],
            "rows": number(one["rows"], language),
            "aside": number(one["set_aside"], language),
            "bad": one["set_aside"] > 0.01 * max(one["rows"], 1),
            "last": day(one["last"], language) if one["last"] else "–",
            "behind": number(one["behind_days"], language) if one["behind_days"] is not None else "–",
            "late": (one["behind_days"] or 0) > 7,
            "covered": percent(one["covered"], language, 0),
        }
        for one in tables
    ]


@router.get("/proof/accounts", dependencies=[needs("read")])
async def get_proof_accounts(request: Request) -> Response:
    """Return the accounts behind a band, or those that churned while green or stayed while red; as CSV too."""
    return await to_thread.run_sync(_accounts, frame_of(request))


def _accounts(frame: Frame) -> Response:
    figures: Figures | None = newest_figures(frame)
    rows = part_of(frame, figures, _REALISED) if figures is not None else None
    band, churned = frame.request.query_params.get("band", ""), frame.request.query_params.get("churned", "")
    if rows is None or band not in ("red", "yellow", "green", "unknown"):
        raise Problem("path.unknown", "There is no such list")
    mask = rows["band"] == band
    if churned in ("0", "1"):
        mask &= rows["churned"] == int(churned)
    say = phrases(frame.language)
    return listed(
        frame,
        {**rows, "churned": rows["churned"].astype(np.int64)},
        mask,
        ["as_of", "arr", "churn_probability", "churned"],
        title=say("proof-list", band=say(f"band-{band}")),
        how=say("proof-list.how"),
        back="/proof",
        section="",
    )

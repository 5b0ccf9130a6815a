"""A small typed client of the API: answers as pydantic models, problems as errors, retries with growing pauses."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from churnml.api.answers import (
    AccountsAnswer,
    BatchAnswer,
    ExplainAnswer,
    FeedbackMade,
    HealthAnswer,
    HistoryAnswer,
    OverrideMade,
    OverridesAnswer,
    PredictAnswer,
    WhatIfAnswer,
)
from churnml.api.key_figures import KpisAnswer
from churnml.api.problems import ProblemAnswer
from churnml.api.service import ModelAnswer
from churnml.api.survival import SurvivalAnswer
from churnml.api.work import (
    AlertAnswer,
    AlertMade,
    AlertsAnswer,
    AlertTold,
    NoteAnswer,
    NoteMade,
    NotesAnswer,
    TaskAnswer,
    TaskMade,
    TasksAnswer,
    TaskTold,
)
from churnml.errors import ChurnmlError, Said
from churnml.language import Language, Text

if TYPE_CHECKING:
    import httpx

__all__ = ["ApiError", "Client"]

A = TypeVar("A", bound=BaseModel)
P = TypeVar("P", AlertsAnswer, TasksAnswer, NotesAnswer)
Features = Mapping[str, float | str | None]
Lang = Language


class ApiError(ChurnmlError):
    """The API refused a request, or could not be reached.

    Parameters
    ----------
    problem : ProblemAnswer or None
        What the API said; None when it could not be reached or did not answer as it should.
    """

    code = "api"

    def __init__(self, what: Said, *, where: str, problem: ProblemAnswer | None = None) -> None:
        self.problem = problem
        faults = "; ".join(f"{fault.pointer}: {fault.detail}" for fault in problem.errors) if problem else ""
        super().__init__(what, where=where, got=faults or None, code=f"api.{problem.code}" if problem else "api")

    @property
    def status(self) -> int | None:
        """HTTP status of the answer, None without one."""
        return self.problem.status if self.problem else None


class Client:
    """Calls one service.

    Every operation may be repeated without harm (writes carry an idempotency key), so a lost connection, 429, 502, 503
    and 504 are tried again: after the time that ``Retry-After`` names, else after pauses that double.

    Parameters
    ----------
    url : str
        Where the service listens, e.g. ``http://127.0.0.1:3000``.
    key : str, optional
        API key.
    timeout : float
        Seconds to wait for an answer.
    retries : int
        How often to try again (by tenacity).
    transport : httpx.BaseTransport, optional
        For tests.

    Examples
    --------
    >>> client = Client("http://127.0.0.1:3000", "churnml_…")          # doctest: +SKIP
    >>> client.predict("acc-0042").churn_probability                   # doctest: +SKIP
    0.31
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 10.0,
        retries: int = 3,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        import httpx  # takes as long to import as all the rest

        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._attempts = retries + 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(
        self,
        account_id: str | None = None,
        *,
        features: Features | None = None,
        as_of: date | None = None,
        arr: float | None = None,
    ) -> PredictAnswer:
        """Return the risk and health of a scored account, or of features."""
        return self._post("/v1/predict", PredictAnswer, _sent(account_id, features, as_of, arr))

    def explain(
        self,
        account_id: str | None = None,
        *,
        features: Features | None = None,
        as_of: date | None = None,
        arr: float | None = None,
        lang: Lang | None = None,
    ) -> ExplainAnswer:
        """Return the risk and health of a scored account, or of features, and why."""
        return self._post("/v1/explain", ExplainAnswer, {**_sent(account_id, features, as_of, arr), "lang": lang})

    def predict_batch(self, items: Sequence[Mapping[str, Any]]) -> BatchAnswer:
        """Return the risk and health of many; each item as `predict` takes it, e.g. ``{"account_id": "acc-0042"}``."""
        return self._post("/v1/predict/batch", BatchAnswer, {"items": [dict(item) for item in items]})

    def what_if(self, account_id: str, changes: Features) -> WhatIfAnswer:
        """Return a scored account as it is and with some features changed."""
        return self._post("/v1/what-if", WhatIfAnswer, {"account_id": account_id, "changes": dict(changes)})

    def health(self, account_id: str, *, lang: Lang | None = None) -> HealthAnswer:
        """Return an account's health with the override in force."""
        return self._get(f"/v1/accounts/{_quoted(account_id)}/health", HealthAnswer, lang=lang)

    def survival(self, account_id: str, *, lang: Lang | None = None) -> SurvivalAnswer:
        """Return when an account will be lost; an error with the code ``survival.unknown`` where no curve is stored."""
        return self._get(f"/v1/accounts/{_quoted(account_id)}/survival", SurvivalAnswer, lang=lang)

    def explanation(self, account_id: str, *, lang: Lang | None = None) -> ExplainAnswer:
        """Return why an account scores as it does."""
        return self._get(f"/v1/accounts/{_quoted(account_id)}/explanation", ExplainAnswer, lang=lang)

    def history(self, account_id: str, *, limit: int | None = None) -> HistoryAnswer:
        """Return an account's scores over time, newest first."""
        return self._get(f"/v1/accounts/{_quoted(account_id)}/history", HistoryAnswer, limit=limit)

    def accounts(
        self,
        *,
        band: str | None = None,
        segment: str | None = None,
        owner: str | None = None,
        renewal_within_days: int | None = None,
        text: str | None = None,
        reasons: bool = False,
        page: int = 200,
    ) -> Iterator[HealthAnswer]:
        """Yield the accounts that match, highest expected loss first, page by page; with their reasons if asked for."""
        cursor: str | None = None
        while True:
            listed = self._get(
                "/v1/accounts",
                AccountsAnswer,
                band=band,
                segment=segment,
                owner=owner,
                renewal_within_days=renewal_within_days,
                text=text,
                include="reasons" if reasons else None,
                limit=page,
                cursor=cursor,
            )
            yield from listed.accounts
            cursor = listed.next_cursor
            if cursor is None:
                return

    def override(self, account_id: str, band: str, reason: str, author: str, *, valid_days: int = 30) -> OverrideMade:
        """Set a CSM's judgement of an account."""
        body = {"account_id": account_id, "band": band, "reason": reason, "author": author, "valid_days": valid_days}
        return self._post("/v1/overrides", OverrideMade, body, idempotent=True)

    def end_override(self, account_id: str, author: str) -> OverrideMade:
        """End the override in force."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        path = f"/v1/overrides/{_quoted(account_id)}"
        return _read(self._send("DELETE", path, params={"author": author}, headers=headers), OverrideMade)

    def overrides(self, account_id: str | None = None) -> OverridesAnswer:
        """Return the overrides in force, or all of one account."""
        return self._get("/v1/overrides", OverridesAnswer, account_id=account_id)

    def feedback(self, account_id: str, kind: str, author: str, *, comment: str | None = None) -> FeedbackMade:
        """Say what a score or an explanation was worth."""
        body = {"account_id": account_id, "kind": kind, "author": author, "comment": comment}
        return self._post("/v1/feedback", FeedbackMade, body, idempotent=True)

    def kpis(self, *, by: str | None = None, months: int | None = None) -> KpisAnswer:
        """Return the published KPIs month by month: of all accounts, or `by` plan or an attribute of theirs."""
        return self._get("/v1/kpis", KpisAnswer, by=by, months=months)

    def alerts(
        self,
        *,
        states: Sequence[str] = ("open", "acknowledged"),
        owner: str | None = None,
        account_id: str | None = None,
        kind: str | None = None,
        changed_since: datetime | None = None,
        lang: Lang | None = None,
        page: int = 200,
    ) -> Iterator[AlertAnswer]:
        """Yield the alerts that match, page by page: largest avoidable loss first, or as they changed."""
        asked = {"state": list(states), "owner": owner, "account_id": account_id, "kind": kind, "lang": lang}
        for answer in self._pages("/v1/alerts", AlertsAnswer, page, changed_since, asked):
            yield from answer.alerts

    def alert(self, alert_id: int, *, lang: Lang | None = None) -> AlertTold:
        """Return an alert with its history, tasks and notes."""
        return self._get(f"/v1/alerts/{alert_id}", AlertTold, lang=lang)

    def acknowledge_alert(self, alert_id: int, author: str, *, note: str | None = None) -> AlertMade:
        """Say that somebody has an alert."""
        return self._act(f"/v1/alerts/{alert_id}/acknowledge", AlertMade, author, note)

    def snooze_alert(self, alert_id: int, author: str, until: date, *, note: str | None = None) -> AlertMade:
        """Put an alert off until a day."""
        return self._act(f"/v1/alerts/{alert_id}/snooze", AlertMade, author, note, until=until.isoformat())

    def close_alert(self, alert_id: int, author: str, outcome: str, *, note: str | None = None) -> AlertMade:
        """Close an alert with what came of it: saved, lost, false_alarm or not_a_risk."""
        return self._act(f"/v1/alerts/{alert_id}/close", AlertMade, author, note, outcome=outcome)

    def reopen_alert(self, alert_id: int, author: str, *, note: str | None = None) -> AlertMade:
        """Open an alert again."""
        return self._act(f"/v1/alerts/{alert_id}/reopen", AlertMade, author, note)

    def reassign_alert(self, alert_id: int, author: str, owner: str, *, note: str | None = None) -> AlertMade:
        """Give an alert to somebody else."""
        return self._act(f"/v1/alerts/{alert_id}/reassign", AlertMade, author, note, owner=owner)

    def tasks(
        self,
        *,
        states: Sequence[str] = ("open",),
        owner: str | None = None,
        account_id: str | None = None,
        due_until: date | None = None,
        changed_since: datetime | None = None,
        lang: Lang | None = None,
        page: int = 200,
    ) -> Iterator[TaskAnswer]:
        """Yield the tasks that match, page by page: first due first, or as they changed."""
        due = None if due_until is None else due_until.isoformat()
        asked = {"state": list(states), "owner": owner, "account_id": account_id, "due_until": due, "lang": lang}
        for answer in self._pages("/v1/tasks", TasksAnswer, page, changed_since, asked):
            yield from answer.tasks

    def task(self, task_id: int, *, lang: Lang | None = None) -> TaskTold:
        """Return a task with its history and notes."""
        return self._get(f"/v1/tasks/{task_id}", TaskTold, lang=lang)

    def finish_task(
        self, task_id: int, author: str, *, outcome: str | None = None, note: str | None = None
    ) -> TaskMade:
        """Say that a task is done, and what came of it."""
        return self._act(f"/v1/tasks/{task_id}/done", TaskMade, author, note, outcome=outcome)

    def skip_task(self, task_id: int, author: str, reason: str, *, note: str | None = None) -> TaskMade:
        """Leave a task out, with a reason."""
        return self._act(f"/v1/tasks/{task_id}/skip", TaskMade, author, note, reason=reason)

    def reopen_task(self, task_id: int, author: str, *, note: str | None = None) -> TaskMade:
        """Open a task again."""
        return self._act(f"/v1/tasks/{task_id}/reopen", TaskMade, author, note)

    def reassign_task(self, task_id: int, author: str, owner: str, *, note: str | None = None) -> TaskMade:
        """Give a task to somebody else."""
        return self._act(f"/v1/tasks/{task_id}/reassign", TaskMade, author, note, owner=owner)

    def notes(
        self,
        *,
        account_id: str | None = None,
        alert_id: int | None = None,
        task_id: int | None = None,
        changed_since: datetime | None = None,
        page: int = 200,
    ) -> Iterator[NoteAnswer]:
        """Yield the notes that match in the order in which they were written."""
        asked = {"account_id": account_id, "alert_id": alert_id, "task_id": task_id}
        for answer in self._pages("/v1/notes", NotesAnswer, page, changed_since, asked):
            yield from answer.notes

    def note(
        self,
        text: str,
        author: str,
        *,
        account_id: str | None = None,
        alert_id: int | None = None,
        task_id: int | None = None,
    ) -> NoteMade:
        """Write a note on an account, an alert or a task."""
        about = {"account_id": account_id, "alert_id": alert_id, "task_id": task_id}
        return self._post("/v1/notes", NoteMade, {**about, "text": text, "author": author}, idempotent=True)

    def model(self, *, lang: Lang | None = None) -> ModelAnswer:
        """Return the model in force and the features it reads."""
        return self._get("/v1/model", ModelAnswer, lang=lang)

    def _pages(
        self, path: str, answer: type[P], page: int, changed_since: datetime | None, asked: Mapping[str, Any]
    ) -> Iterator[P]:
        since = None if changed_since is None else changed_since.isoformat()
        cursor: str | None = None
        while True:
            listed = self._get(path, answer, limit=page, changed_since=since, cursor=cursor, **asked)
            yield listed
            cursor = listed.next_cursor
            if cursor is None:
                return

    def _act(self, path: str, answer: type[A], author: str, note: str | None, **said: Any) -> A:
        return self._post(path, answer, {"author": author, "note": note, **said}, idempotent=True)

    def _get(self, path: str, answer: type[A], **params: Any) -> A:
        given = {name: value for name, value in params.items() if value is not None}
        return _read(self._send("GET", path, params=given), answer)

    def _post(self, path: str, answer: type[A], body: Mapping[str, Any], *, idempotent: bool = False) -> A:
        headers = {"Idempotency-Key": str(uuid.uuid4())} if idempotent else {}
        given = {name: value for name, value in body.items() if value is not None}
        return _read(self._send("POST", path, json=given, headers=headers), answer)

    def _send(self, method: str, path: str, **rest: Any) -> httpx.Response:
        """Send a request, again while it is worth it; return the last answer."""
        import httpx

        from churnml.api.retries import retrying

        try:
            answer: httpx.Response = retrying(self._attempts)(self._http.request, method, path, **rest)
        except httpx.TransportError as error:
            where = f"{self._http.base_url}{path.lstrip('/')}"
            raise ApiError(Text.of("fault-api_unreachable", error=str(error)), where=where) from error
        return answer


def _sent(account_id: str | None, features: Features | None, as_of: date | None, arr: float | None) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "features": None if features is None else dict(features),
        "as_of": None if as_of is None else as_of.isoformat(),
        "arr": arr,
    }


def _quoted(account_id: str) -> str:
    return quote(account_id, safe="")


def _read(answer: httpx.Response, model: type[A]) -> A:
    where = f"{answer.request.method} {answer.request.url}"
    try:
        if answer.is_success:
            return model.model_validate_json(answer.content)
        problem = ProblemAnswer.model_validate_json(answer.content)
    except ValidationError:
        raise ApiError(Text.of("fault-api_answer", status=str(answer.status_code)), where=where) from None
    raise ApiError(problem.detail, where=where, problem=problem)

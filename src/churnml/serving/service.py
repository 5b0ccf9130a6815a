"""The BentoML service: ``bentoml serve churnml.serving.service:ChurnmlService``, or in a bento."""

from __future__ import annotations

import os
from threading import Thread
from typing import Any

import bentoml
from starlette.types import ASGIApp, Receive, Scope, Send

from churnml.serving.http.connections import LimitedProtocol, most_connections, use_limited_protocol
from churnml.serving.logs import log_as_json
from churnml.serving.settings import Settings
from churnml.serving.workers import METRICS, shared_folder, workers

__all__ = ["ChurnmlService"]

_HTTP = {"metrics": {"enabled": False}, "logging": {"access": {"enabled": False}}, "traffic": {"timeout": 60}}
"""The API has metrics and a log of its own, behind API keys and without account ids."""


# BentoML's folder for metrics of many processes is one for all services of a user, each of which would wipe it.
_SHARED = shared_folder()
if _SHARED is None:
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
else:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_SHARED / METRICS)


# Whose forwarded headers are believed stands in the config; the server below would trust its own list beside it, and
# hide from us who is connected.
os.environ["FORWARDED_ALLOW_IPS"] = ""
# The server reads it when it starts, which is after this module is imported and before the service is made.
use_limited_protocol()


class _Mounted:
    """Hands requests to the application, which exists only once the service has started."""

    def __init__(self) -> None:
        self.app: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


_MOUNTED = _Mounted()


class _BrokenPaths:
    """Hands paths with a line break to the application: BentoML's mount does not match them, and answers in text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        broken = scope["type"] == "http" and "\n" in scope["path"]
        await (_MOUNTED if broken else self._app)(scope, receive, send)


@bentoml.service(name="churnml", workers=workers(), **_HTTP)
@bentoml.asgi_app(_MOUNTED, path="/")
class ChurnmlService:
    """Serves predictions, explanations and judgements; see docs/api.md."""

    def __init__(self) -> None:
        from churnml.serving.app import create_app
        from churnml.serving.state import ServingState
        from churnml.serving.warming import warm_up

        log_as_json()
        settings = Settings.from_environment()
        LimitedProtocol.most = most_connections(settings.limits.max_connections)
        self._state = ServingState(settings)
        self._state.warmed.clear()
        self._state.start(model_first=False)
        _MOUNTED.app = create_app(self._state)
        # Until what people see first is made once, the service answers but does not call itself ready.
        Thread(target=warm_up, args=(self._state, self._state.warmed.set), name="pages", daemon=True).start()

    def __is_ready__(self) -> bool:
        """Tell BentoML's own ``/readyz``."""
        view = self._state.view
        return self._state.warmed.is_set() and (view.snapshot is not None or view.scorer is not None)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def stop(self) -> None:
        """End the background look-out."""
        self._state.stop()


ChurnmlService.add_asgi_middleware(_BrokenPaths)  # type: ignore[attr-defined]

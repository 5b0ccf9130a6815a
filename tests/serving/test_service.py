"""The real service: ``churnml serve`` in its own processes, called over HTTP."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import httpx
import psutil
import pytest
from tests.companies.command import typed

from churnml.client import ApiError, Client
from churnml.store import Store


@pytest.fixture(scope="module")
def running(company: Any, start: Callable[..., Any]) -> Any:
    with start(company) as found:
        yield found


@pytest.fixture(scope="module")
def http(running: Any, company: Any) -> Any:
    headers = {"Authorization": f"Bearer {company.key('read', 'score', 'write')}"}
    with httpx.Client(base_url=running.url, headers=headers, timeout=20) as client:
        yield client


@pytest.mark.slow  # services are started
def test_starting_costs_little_more_than_the_libraries_it_stands_on(company: Any, start: Callable[..., Any]) -> None:
    """Seconds of CPU beside those of importing the libraries, so that it holds on a slow and on a busy machine.

    Both are taken the second time, when all byte code is there.
    """
    for _ in range(2):
        before = _cpu_seconds_of_children()
        subprocess.run([sys.executable, "-c", "import bentoml, lightgbm, pandas, sqlalchemy"], check=True)
        libraries = _cpu_seconds_of_children() - before
        with start(company) as service:
            ready = service.cpu_seconds_to_ready
    assert ready < 4 * libraries


def _cpu_seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/v1/healthz", "/v1/readyz", "/v1/openapi.json"])
def test_health_checks_and_openapi_need_no_key(running: Any, path: str) -> None:
    assert httpx.get(running.url + path).status_code == 200


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_predict_and_explain_by_id(http: httpx.Client, account: str, scores: Any, prefix: str) -> None:
    answer = http.post(f"{prefix}/predict", json={"account_id": account})
    assert answer.status_code == 200
    body = answer.json()
    assert body["churn_probability"] == scores.loc[account, "churn_probability"]
    assert body["health_score"] == scores.loc[account, "health_score"]
    assert body["source"] == "stored"
    told = http.post(f"{prefix}/explain", json={"account_id": account, "lang": "ja"})
    assert told.status_code == 200
    assert told.json()["explanation"]["summary"].endswith("。")


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_predict_and_explain_with_features(
    http: httpx.Client, features: dict[str, Any], account: str, scores: Any, prefix: str
) -> None:
    answer = http.post(f"{prefix}/predict", json={"features": features, "arr": 1000})
    assert answer.status_code == 200
    assert answer.json()["churn_probability"] == scores.loc[account, "churn_probability"]
    assert answer.json()["expected_loss"] == answer.json()["churn_probability"] * 1000
    told = http.post(f"{prefix}/explain", json={"features": features})
    assert told.status_code == 200
    assert told.json()["explanation"]["families"]


def test_the_client_speaks_to_it(running: Any, company: Any, account: str, scores: Any) -> None:
    with Client(running.url, company.key("read")) as client:
        assert client.health(account).churn_probability == scores.loc[account, "churn_probability"]
        assert len(list(client.accounts(page=70))) == len(scores)
        with pytest.raises(ApiError, match="lacks the scope write"):
            client.feedback(account, "useful", "ann")


def test_a_wrong_request_says_why(http: httpx.Client) -> None:
    answer = http.post("/predict", json={"features": {"active_user_28d": 5}})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "did you mean 'active_users_28d'" in answer.json()["detail"]
    assert http.get("/nothing/here").json()["code"] == "path.unknown"


def test_no_key_is_refused_clearly(running: Any) -> None:
    answer = httpx.post(f"{running.url}/predict", json={"account_id": "acc-0001"})
    assert answer.status_code == 401
    assert answer.json()["code"] == "auth.missing"
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_many_at_once_are_all_answered(
    http: httpx.Client, in_threads: Callable[..., Any], features: dict[str, Any]
) -> None:
    def call(number: int) -> int:
        body = {"features": features} if number % 2 else {"account_id": f"acc-{number:04d}"}
        return http.post("/v1/predict", json=body).status_code

    assert set(in_threads(call, 16)) == {200}


def test_the_log_tells_no_account(http: httpx.Client, running: Any, account: str) -> None:
    http.get(f"/v1/accounts/{account}/health", headers={"X-Request-ID": "find-me-in-the-log"})
    http.post("/v1/predict", json={"account_id": account})
    log = running.log.read_text()
    assert account not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    found = next(line for line in lines if line.get("request_id") == "find-me-in-the-log")
    assert (found["route"], found["status"], found["level"]) == ("/v1/accounts/{account_id:path}/health", 200, "INFO")
    assert found["ms"] > 0
    assert found["key"]


@pytest.mark.slow  # a process is started
def test_the_service_starts_without_the_heavy_packages(company: Any) -> None:
    code = (
        "import sys\n"
        "from churnml.config import load_config\n"
        "from churnml.serving import service\n"
        "load_config(sys.argv[1])\n"
        "if {'pandas', 'numpy'} & set(sys.modules): sys.exit('the process that starts the workers needs no frames')\n"
        "service.ChurnmlService()\n"
        "heavy = {'mlflow', 'shap', 'matplotlib', 'duckdb', 'ibis', 'pyspark', 'alembic'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    with Store(company.config.store_url):
        pass
    done = subprocess.run(
        [sys.executable, "-c", code, str(company.path)],
        env={"CHURNML_CONFIG": str(company.path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        (["--insecure", "--host", "0.0.0.0"], 2, "this machine only"),
        (["--host", "no.such.host.invalid"], 2, "no address"),
    ],
)
def test_a_wrong_start_says_why(company: Any, options: list[str], exit_code: int, message: str) -> None:
    done = typed("serve", company.path, *options)
    assert done.returncode == exit_code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_crowd_of_silent_connections_stops_nobody_for_long(running: Any, http: httpx.Client) -> None:
    port = int(running.url.rpartition(":")[2])
    with ExitStack() as stack:
        for _ in range(1300):
            last = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
        assert b" 503 " in last.recv(1000)
        # Those beyond the limit are refused at once, the others once they have sent nothing for ten seconds.
        end = time.monotonic() + 60
        while True:
            try:
                answer = http.get("/v1/readyz")
            except httpx.TransportError:
                continue
            if answer.status_code == 200:
                break
            assert answer.json()["code"] == "service.connections"
            assert time.monotonic() < end
            time.sleep(0.2)
    assert [warning["code"] for warning in answer.json()["warnings"]] == []
    assert psutil.Process(running.process.pid).is_running()

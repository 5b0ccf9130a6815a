"""``churnml users``, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from churnml.cli.app import app
from churnml.config import load_config
from churnml.errors import ChurnmlError
from churnml.store import Store

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("users")
    path = folder / "acme.yaml"
    data = {
        "name": "acme",
        "source": {"folder": "raw"},
        "label": {"churn": "silence"},
        "tables": {"events": {"from": "events.csv"}},
        "serving": {"sign_in": {"url": "https://health.example.com/", "link_hours": 5}},
    }
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


@pytest.fixture
def run(config: Path) -> Run:
    def runs(*arguments: str, fails: bool = False) -> Any:
        result = CliRunner().invoke(app, ["users", *arguments, "--config", str(config), "--json"])
        assert (result.exit_code != 0) is fails, result.output
        return json.loads(result.stdout)

    return runs


def test_from_adding_to_signing_out(run: Run, config: Path) -> None:
    added = run("add", "Ann@Example.com", "--name", "Ann Müller", "--role", "admin", "--owner", "u-17", "--lang", "ja")
    assert (added["email"], added["role"], added["owner_id"], added["language"]) == (
        "ann@example.com", "admin", "u-17", "ja",
    )  # fmt: skip
    assert "Somebody has this address already" in run("add", "ANN@example.com", fails=True)["error"]["what"]
    invited = run("invite", "ann@example.com")
    assert invited["link"].startswith("https://health.example.com/sign-in/link?token=link_")
    assert invited["mailed"] is False
    assert run("set", "ann@example.com", "--role", "manager", "--owner", "", "--lang", "")["owner_id"] is None
    with Store(load_config(config).store_url) as store:
        user = store.sessions.use(invited["link"].partition("=")[2], store.users.list()[0].created_at)
        assert user is not None
        assert (user.role, user.language) == ("manager", None)
    assert run("list")["users"][0]["sessions"] == 0
    assert run("sign-out", "ann@example.com")["sessions_ended"] == 0
    assert run("disable", "ann@example.com")["disabled_at"]
    assert run("invite", "ann@example.com", fails=True)["error"]["code"] == "users.disabled"
    assert run("enable", "ann@example.com")["disabled_at"] is None
    with Store(load_config(config).store_url) as store:
        audit = [(entry.actor, entry.action, entry.subject) for entry in store.audit()]
        assert ("cli", "users.disable", "user:1") in audit
        assert "link_" not in json.dumps([dict(entry.detail) for entry in store.audit()])


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("add", "nobody"), "users.email", "name@example.com"),
        (("add", "bob@example.com", "--role", "manger"), "users.role", "manager?"),
        (("add", "bob@example.com", "--name", "\x07"), "users.name", "1 to 200 letters"),
        (("add", "bob@example.com", "--lang", "xx"), "usage.language", "en or ja"),
        (("invite", "amn@example.com"), "users.unknown", "ann@example.com?"),
        (("set", "ann@example.com"), "usage", "--name, --role, --owner, --lang or --email"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(
    run: Run, arguments: tuple[str, ...], code: str, expected: str
) -> None:
    run("list")
    error = run(*arguments, fails=True)["error"]
    assert (error["code"], error["expected"]) == (code, expected)


def test_a_secret_of_the_sign_in_stands_in_the_environment_only(config: Path, tmp_path: Path) -> None:
    data = yaml.safe_load(config.read_text(encoding="utf-8"))
    oidc = {"issuer": "https://login.example.com", "client_id": "churnml", "client_secret": "written"}
    data["serving"]["sign_in"]["oidc"] = oidc
    path = tmp_path / "acme.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(ChurnmlError, match="A secret stands in the config"):
        load_config(path)
    oidc["client_secret"] = "${NOT_SET_ANYWHERE}"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert load_config(path).serving.sign_in.oidc is not None, "who only trains needs no secret"

"""``churnml keys``: make, list, revoke."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from churnml.cli.app import app


def _run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["keys", *arguments])
    return done.exit_code, done.stdout


def test_a_key_is_made_used_listed_and_revoked(own_company: Any, serve: Any) -> None:
    config = ["--config", str(own_company.path)]
    code, out = _run("create", "crm", "--scope", "read", "--days", "30", *config, "--json")
    made = json.loads(out)
    assert code == 0
    assert made["scopes"] == ["read"]
    with serve(own_company.settings) as api:
        headers = {"Authorization": f"Bearer {made['key']}"}
        assert api.get("/v1/model", headers=headers).status_code == 200
    listed = json.loads(_run("list", *config, "--json")[1])["keys"]
    assert [(key["id"], key["usable"]) for key in listed] == [(made["id"], True)]
    assert made["key"] not in json.dumps(listed)
    assert "crm" in _run("list", *config)[1]
    revoked = json.loads(_run("revoke", made["id"], *config, "--json")[1])
    assert revoked["revoked_at"]
    assert json.loads(_run("list", *config, "--json")[1])["keys"][0]["usable"] is False


def test_by_default_a_key_may_read_and_score(own_company: Any) -> None:
    code, out = _run("create", "crm", "--config", str(own_company.path))
    assert code == 0
    assert out.startswith("churnml_")


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [(["create", "crm", "--scope", "reed"], 2), (["revoke", "nothere"], 1), (["create", "crm", "--days", "0"], 2)],
)
def test_wrong_use_says_why(own_company: Any, arguments: list[str], exit_code: int) -> None:
    code, _ = _run(*arguments, "--config", str(own_company.path))
    assert code == exit_code

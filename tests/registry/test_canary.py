"""A canary in place of every secret: it is found in no file that a training leaves, and in no message."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from churnml.cli.session import report_failure
from churnml.config import Config
from churnml.errors import ChurnmlError, EngineError
from churnml.registry import Provenance, load_bundle, save_bundle, set_champion
from churnml.registry.mlflow_session import open_mlflow
from churnml.registry.tracking import name_alias, track
from churnml.serving.bento import SETTINGS, settle, write_context

CANARY = "c4nary-S3cret"


def with_secrets(config: Config, folder: Path, tracking: str | None = None) -> Config:
    data = config.model_dump(mode="json", by_alias=True)
    return Config.model_validate(
        {
            **data,
            "workspace": str(folder / "workspace"),
            "source": {"connection": f"postgresql://me:{CANARY}@crm/db?sslpassword={CANARY}"},
            "store": {"url": f"postgresql://me:{CANARY}@db/churn?password={CANARY}"},
            "engine": {"options": {"s3_secret_access_key": CANARY}},
            "mlflow": {"tracking_uri": tracking},
        }
    )


def seen_in(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [str(path.relative_to(folder)) for path in files if CANARY.encode() in path.read_bytes()]


@pytest.mark.slow
def test_no_file_of_a_training_or_of_a_bento_holds_a_secret(company, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    config = with_secrets(company.config, tmp_path)
    path = save_bundle(
        config.bundles_dir,
        name="acme",
        model=company.bundle.model,
        health={},
        explain={},
        provenance=Provenance.of(
            config, created_at=company.bundle.manifest.created_at, backtest=company.bundle.manifest.backtest
        ),
    )
    set_champion(config.bundles_dir, "acme", path.name)
    bundle = load_bundle(path)
    track(config, bundle, company.frame, plots={})
    name_alias(config, "champion", bundle.version)
    write_context(config, tmp_path / "bento")
    assert seen_in(tmp_path) == []
    # Nor does a bento tell anybody that it runs.
    about = yaml.safe_load((tmp_path / "bento" / "bentofile.yaml").read_text(encoding="utf-8"))
    assert {"name": "BENTOML_DO_NOT_TRACK", "value": "True"} in about["envs"]
    assert "settle(Path(__file__).parent)" in (tmp_path / "bento" / "service.py").read_text(encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SETTINGS, "")
        patch.setenv("BENTOML_DO_NOT_TRACK", "")
        os.environ.pop("BENTOML_DO_NOT_TRACK")
        settle(tmp_path / "bento")
        assert os.environ["BENTOML_DO_NOT_TRACK"] == "True"
    # Nor where the data lies: the record says what shapes the scores.
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    assert "store" not in manifest["config"]
    assert "connection" not in manifest["config"]["source"]
    assert manifest["config"]["label"] == config.as_dict()["label"]


def test_no_message_holds_a_secret(company, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = f"http://me:{CANARY}@127.0.0.1:9/?token={CANARY}"
    config = with_secrets(company.config, tmp_path, uri)
    assert CANARY not in json.dumps(config.as_dict())
    with pytest.raises(EngineError) as caught, open_mlflow(config):
        pass
    report_failure(caught.value, as_json=True)
    assert isinstance(caught.value, ChurnmlError)
    told = capsys.readouterr()
    assert "127.0.0.1:9" in told.out + told.err
    assert CANARY not in told.out + told.err

"""The config refuses what it does not know, says it readably, and hides no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from churnml.config import Config, config_markdown, load_config, mask_url
from churnml.config.reading import fields_of, model_in
from churnml.errors import ConfigError

MINIMAL = {
    "name": "acme",
    "source": {"folder": "raw"},
    "label": {"churn": "silence"},
    "tables": {"events": {"from": "events.csv"}},
}


def write(folder: Path, **sections: object) -> Path:
    file = folder / "acme.yaml"
    file.write_text(yaml.safe_dump(MINIMAL | sections, allow_unicode=True), encoding="utf-8")
    return file


def message(folder: Path, **sections: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(write(folder, **sections))
    assert caught.value.where
    return str(caught.value)


def test_paths_start_at_the_config_file(tmp_path):
    config = load_config(write(tmp_path, workspace="../out", models_dir="/models"))
    assert config.workspace_dir == tmp_path.parent / "out"
    assert config.bundles_dir == Path("/models")
    assert config.tracking_uri == f"sqlite:///{tmp_path.parent / 'out' / 'mlflow.db'}"
    assert config.store_url == f"sqlite:///{tmp_path.parent / 'out' / 'store.db'}"
    assert config.registered_model == "acme"


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"sead": 1}, ["sead: there is no such key", "Did you mean 'seed'?"]),
        ({"label": {"churn": "silence", "horizon_day": 3}}, ["label.horizon_day", "'horizon_days'"]),
        ({"label": {"churn": "sometimes"}}, ["label.churn", "contractual", "got 'sometimes'"]),
        ({"label": {}}, ["label.churn: the key is missing"]),
        ({"seed": -1}, ["seed", "got -1"]),
        ({"tables": {"event": {"from": "x"}}}, ["tables.event", "did you mean 'events'?"]),
        ({"tables": {"events": {"from": "x", "columns": {"ocurred_at": "t"}}}}, ["did you mean 'occurred_at'?"]),
        (
            {"tables": {"events": {"from": "x", "columns": {"occurred_at": {"colum": "t"}}}}},
            ["tables.events.columns.occurred_at.colum", "'column'"],
        ),
        (
            {"tables": {"events": {"from": "x", "columns": {"value": {"column": "t", "expr": "1"}}}}},
            ["exactly one of column, value, expr"],
        ),
        (
            {
                "tables": {
                    "events": {"from": "x", "columns": {"occurred_at": {"column": "t", "timezone": "Asia/Tokio"}}}
                }
            },
            ["there is no time zone 'Asia/Tokio'", "'Asia/Tokyo'"],
        ),
        ({"tables": {"events": {"from": "x", "encoding": "sjiss"}}}, ["no text encoding 'sjiss'", "cp932"]),
        ({"tables": {"events": {"from": "x", "attributes": {"a": "b"}}}}, ["only accounts"]),
        ({"source": {"folder": "a", "duckdb": "b"}}, ["exactly one of folder, duckdb, connection"]),
        ({"label": {"churn": "contractual"}}, ["no `subscriptions` table"]),
        ({"label": {"churn": "silence", "silence_days": 99}}, ["silence_days (99)", "horizon_days (90)"]),
        ({"splits": {"fixed": [{"train_til": "2026-01-01"}]}}, ["splits.fixed.0.train_til", "'train_until'"]),
        ({"health": {"measures": {"m": {"features": "x"}}}}, ["health.measures.m.features", "'feature'"]),
        ({"health": {"red_below": 80, "green_from": 70}}, ["red_below (80.0) must be under green_from"]),
    ],
)
def test_what_is_wrong_is_named(tmp_path, sections, says):
    text = message(tmp_path, **sections)
    for part in says:
        assert part in text, text


def test_a_missing_config_names_the_others(tmp_path):
    write(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "acne.yaml")
    assert "acme.yaml" in (caught.value.expected or "")


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "",
        "- 1\n- 2\n",
        "name: 2024-13-45",
        f"name: {'9' * 5000}",
        "name: acme\nsource: &s {folder: raw, again: *s}",
        "[" * 5000,
        'name: "\\ud800"',
        "name: !!python/object:os.system x",
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ConfigError):
        load_config(tmp_path / "x.yaml")


def test_the_environment_is_filled_in_but_not_in_comments(tmp_path, monkeypatch):
    monkeypatch.setenv("CHURN_PW", "s3cret")
    file = write(tmp_path, source={"connection": "postgres://me:${CHURN_PW}@db/crm"})
    file.write_text("# ${NOWHERE_SET}\n" + file.read_text())
    config = load_config(file)
    assert config.source.connection == "postgres://me:s3cret@db/crm"
    assert "s3cret" not in str(config.as_dict())
    monkeypatch.delenv("CHURN_PW")
    with pytest.raises(ConfigError, match="CHURN_PW"):
        load_config(file)


def test_the_hash_changes_with_what_shapes_the_scores_alone():
    base = Config.model_validate(MINIMAL)
    assert Config.model_validate(MINIMAL | {"workspace": "elsewhere", "serving": {"port": 99}}).hash == base.hash
    assert Config.model_validate(MINIMAL | {"seed": 8}).hash != base.hash
    assert Config.model_validate(MINIMAL | {"label": {"churn": "silence", "gap_days": 7}}).hash != base.hash


def test_overrides_replace_top_level_keys(tmp_path):
    assert load_config(write(tmp_path), {"seed": 11}).seed == 11


def test_words_may_be_what_yaml_takes_for_other_things(tmp_path):
    words = yaml.safe_load("{はい: true, いいえ: no, P1: 1}")
    config = load_config(
        write(tmp_path, tables={"events": {"from": "x", "columns": {"value": {"column": "v", "words": words}}}})
    )
    source = config.tables["events"].columns["value"]
    assert source is not None
    assert source.words == {"はい": "true", "いいえ": "false", "P1": "1"}


def test_a_config_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Config.model_validate(MINIMAL).seed = 3


def keys(model, path="", seen=None):
    """Yield every key once; a section that stands again is referred to by the docs."""
    seen = set() if seen is None else seen
    seen.add(model)
    for name, info in fields_of(model).items():
        inner = model_in(info.annotation)
        yield f"{path}{name}"
        if inner is not None and inner not in seen:
            suffix = "[]" if "tuple" in str(info.annotation) else ".<name>" if "dict" in str(info.annotation) else ""
            yield from keys(inner, f"{path}{name}{suffix}.", seen)


def test_every_key_stands_in_the_docs_with_its_meaning():
    page = config_markdown()
    listed = [key for key in keys(Config) if "." in key]
    assert len(listed) > 60
    for key in listed:
        line = next((line for line in page.splitlines() if line.startswith(f"| `{key}` |")), None)
        assert line is not None, key
        assert line.split("|")[-2].strip(), f"{key} has no description"


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgres://me:p@ss/w?r#d@db:5432/crm", "postgres://me:***@db:5432/crm"),
        ("snowflake://me:pw@acc/db?warehouse=w&token=t0p", "snowflake://me:***@acc/db?warehouse=w&token=***"),
        ("https://user@host/x?sig=abc&sv=1", "https://***@host/x?sig=***&sv=1"),
        ("postgresql://me@db/crm?sslmode=require", "postgresql://me@db/crm?sslmode=require"),
        ("mysql://me:p?a=b@db/crm?password=x", "mysql://me:***@db/crm?password=***"),
        ("postgresql://me:12345?x=1@db:5432/crm?ssl=on", "postgresql://me:***@db:5432/crm?ssl=on"),
        ("redis://:1234?a=b@h/0", "redis://:***@h/0"),
        ("postgresql://db:5432?application_name=churnml", "postgresql://db:5432?application_name=churnml"),
        ("mysql://db:3306/crm?mail=a@b.example&token=x", "mysql://db:3306/crm?mail=a@b.example&token=***"),
        ("https://host/x?then=https://me:pw@db/y&v=1", "https://host/x?then=https://me:***@db/y&v=1"),
    ],
)
def test_secrets_are_masked_by_the_parts_of_a_url(url, masked):
    assert mask_url(url) == masked


def test_secrets_are_masked_by_the_names_of_their_keys(tmp_path):
    options = {"motherduck_token": "canary1", "s3_secret_access_key": "canary2", "region": "eu"}
    connection = "postgres://me:canary3@h@db/crm?sslpassword=canary4"
    config = load_config(write(tmp_path, engine={"options": options}, source={"connection": connection}))
    shown = str(config.as_dict())
    assert "canary" not in shown
    assert "'region': 'eu'" in shown


def test_what_the_environment_holds_is_never_read_as_yaml(tmp_path, monkeypatch):
    monkeypatch.setenv("CHURN_PW", "a: b # \"c' {d} [e] \\ &f *g")
    monkeypatch.setenv("CHURN_PORT", "3100")
    config = load_config(write(tmp_path, source={"folder": "${CHURN_PW}"}, serving={"port": "${CHURN_PORT}"}))
    assert str(config.source.folder) == "a: b # \"c' {d} [e] \\ &f *g"
    assert config.serving.port == 3100


def test_words_of_yaml_are_understood_as_keys_too(tmp_path):
    words = "words: {1: high, yes: true, no: false, null: low, 2.5: normal, other: null}"
    file = tmp_path / "x.yaml"
    file.write_text(
        "name: a\nsource: {folder: r}\nlabel: {churn: silence}\n"
        "tables: {events: {from: e.csv, columns: {value: {column: v, " + words + "}}}}\n"
    )
    source = load_config(file).tables["events"].columns["value"]
    assert source is not None
    assert source.words == {
        "1": "high", "yes": "true", "no": "false", "null": "low", "2.5": "normal", "other": None,
    }  # fmt: skip


def test_a_key_that_stands_twice_is_refused(tmp_path):
    (tmp_path / "x.yaml").write_text("name: a\nname: b\n")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "x.yaml")
    assert "stands twice" in (caught.value.got or "")

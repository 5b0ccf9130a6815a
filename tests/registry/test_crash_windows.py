"""Killed at any step: whoever comes next finds the old state or the new one, and nothing is to be repaired by hand."""

from __future__ import annotations

import builtins
import io
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churnml.config import Config
from churnml.features import FeatureSet, FeatureSpec
from churnml.files import all_beside, folder_beside, stage_folder, sweep
from churnml.registry import Provenance, champion_bundle, load_bundle, save_bundle
from churnml.registry.promotion import promote, promotions, versions
from churnml.training import fit

AT = datetime(2026, 1, 2, tzinfo=UTC)
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")


def killed_at_every_step(work: Callable[[], object]) -> Iterator[int]:
    """Run the work in child processes that die before their 1st, 2nd, 3rd … change of a file; yield after each."""
    for step in range(1, 500):
        child = os.fork()
        if child == 0:
            try:
                _die_before(step)
                work()
            except BaseException:
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in (0, 9)
        yield step
        if code == 0:
            assert step > 3, "nothing was ever cut off"
            return
    raise AssertionError("the work never ended")


def _die_before(step: int) -> None:
    """Make this process die without any clean-up before its n-th opening to write, renaming or removal."""
    left = [step]

    def counted(original: Callable[..., object], counts: Callable[..., bool]) -> Callable[..., object]:
        def call(*given: object, **named: object) -> object:
            if counts(*given, **named):
                left[0] -= 1
                if left[0] == 0:
                    os._exit(9)
            return original(*given, **named)

        return call

    for name in ("replace", "rename", "unlink", "remove", "rmdir", "mkdir", "chmod"):
        setattr(os, name, counted(getattr(os, name), lambda *_given, **_named: True))
    writes = counted(builtins.open, lambda *given, **named: "r" not in str([*given[1:], named.get("mode", "r")][0]))
    builtins.open = io.open = writes  # type: ignore[assignment]


def _model(seed: int) -> object:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "account_id": [f"a{number % 50}" for number in range(200)],
            "as_of": np.repeat(pd.date_range("2025-01-01", periods=4, freq="MS"), 50),
            "arr": 1.0,
            "events_28d": rng.normal(size=200),
        }
    )
    frame["churned"] = (frame["events_28d"] + rng.normal(size=200) > 1).astype(float)
    spec = FeatureSpec("events_28d", "engagement", "events", "none", "events", "E.", "events", 28)
    return fit(frame, FeatureSet([spec]), CONFIG.learning).with_info(verdict="publishable")


CONFIG = Config.model_validate(
    {
        "name": "t",
        "source": {"folder": "."},
        "tables": {"events": {"from": "e"}},
        "label": {"churn": "silence", "horizon_days": 30},
        "model": {"kind": "logistic"},
    }
)


@pytest.fixture(scope="module")
def models() -> list[object]:
    return [_model(seed) for seed in (0, 1)]


def save(folder: Path, model: object) -> Path:
    provenance = Provenance.of(CONFIG, created_at=AT)
    return save_bundle(folder, name="t", model=model, health={}, explain={}, provenance=provenance)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_bundle_stands_whole_or_not_at_all(models, tmp_path):
    for _ in killed_at_every_step(lambda: save(tmp_path, models[0])):
        for manifest in versions(tmp_path, "t"):
            load_bundle(tmp_path / "t" / manifest.version)
    assert len(versions(tmp_path, "t")) == 1
    sweep(tmp_path)
    assert not list(tmp_path.rglob(".*"))


def test_the_same_bundle_again_serves_at_every_moment(models, tmp_path):
    path = save(tmp_path, models[0])
    for _ in killed_at_every_step(lambda: save(tmp_path, models[0])):
        load_bundle(path)
    victim = path / "model" / "model.json"
    victim.write_text("damaged", encoding="utf-8")
    save(tmp_path, models[0])
    load_bundle(path)


def test_pointer_and_record_of_promotions_agree(models, tmp_path):
    first, second = (save(tmp_path, model).name for model in models)
    promote(tmp_path, "t", first, reason="the first", at=AT)
    told = [first]
    for _ in killed_at_every_step(lambda: promote(tmp_path, "t", second, reason="better", at=AT)):
        champion = champion_bundle(tmp_path, "t").name
        record = promotions(tmp_path, "t")
        assert record[-1].version == champion
        assert champion in (first, second)
        told.append(champion)
        # Again from the start, as the next training would.
        promote(tmp_path, "t", first, reason="back", at=AT)
    assert told[-1] == second


def test_a_promotion_that_was_cut_off_is_written_down_by_the_next(models, tmp_path):
    first, second = (save(tmp_path, model).name for model in models)
    promote(tmp_path, "t", first, reason="the first", at=AT)
    record = tmp_path / "t" / "promotions.json"
    before = record.read_bytes()
    promote(tmp_path, "t", second, reason="better", at=AT)
    record.write_bytes(before)  # as after a kill between pointer and record
    assert [entry.reason for entry in promotions(tmp_path, "t")] == ["the first", "better"]
    promote(tmp_path, "t", first, reason="back", at=AT)
    assert [entry["reason"] for entry in json.loads(record.read_text())] == ["the first", "better", "back"]


@pytest.mark.parametrize("entry", [None, 3, {"colour": "red"}, {"version": 1, "at": []}])
def test_a_pointer_with_a_strange_entry_still_points(models, tmp_path, entry):
    first, second = (save(tmp_path, model).name for model in models)
    promote(tmp_path, "t", first, reason="the first", at=AT)
    pointer = tmp_path / "t" / "champion.json"
    pointer.write_text(json.dumps({"version": first, "promotion": entry}), encoding="utf-8")
    assert [one.version for one in promotions(tmp_path, "t")] == [first]
    promote(tmp_path, "t", second, reason="better", at=AT)
    assert [one.version for one in promotions(tmp_path, "t")] == [first, second]


def test_files_that_belong_together_appear_together(tmp_path):
    paths = (tmp_path / "scores", tmp_path / "reasons")

    def write(text: str) -> None:
        with all_beside(*paths) as parts:
            for part in parts:
                part.write_text(text, encoding="utf-8")

    write("old")
    apart = 0
    for step in killed_at_every_step(lambda: write("new")):
        texts = {path.read_text(encoding="utf-8") for path in paths}
        apart += len(texts) == 2
        assert texts <= {"old", "new"}
        assert step < 20
        write("old")
    assert apart <= 1  # between the two renamings, which are one system call each
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "2026-01-01"

    def write(text: str) -> None:
        with folder_beside(target) as part:
            for name in "abc":
                (part / name).write_text(text, encoding="utf-8")

    write("old")
    for _ in killed_at_every_step(lambda: write("new")):
        if target.exists():
            assert {(target / name).read_text(encoding="utf-8") for name in "abc"} <= {"old", "new"}
            assert len({(target / name).read_text(encoding="utf-8") for name in "abc"}) == 1
        sweep(tmp_path)
        write("old")
    assert [path.name for path in tmp_path.iterdir()] == ["2026-01-01"]


def test_what_a_killed_process_left_is_swept_and_what_another_writes_is_not(tmp_path):
    child = os.fork()
    if child == 0:
        with stage_folder(tmp_path, "load") as stage:
            (stage / "customers.parquet").write_text("secret", encoding="utf-8")
            os._exit(9)
    os.waitpid(child, 0)
    (left,) = tmp_path.iterdir()
    with stage_folder(tmp_path, "load") as mine:
        assert sweep(tmp_path) == [left]
        assert list(tmp_path.iterdir()) == [mine]
        assert mine.stat().st_mode & 0o077 == 0
    assert not list(tmp_path.iterdir())

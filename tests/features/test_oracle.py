"""The engine against the naive oracle, on random companies."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.companies import events as companies
from tests.companies import oracle

from churnml import features
from churnml.config import Config
from churnml.features.events import reading
from churnml.tables import Tables

WINDOWS = [3, 7, 28]
CORE = ("export", "report", "share")
PHASES = (Phase.explicit, Phase.generate)  # a seed does not shrink to anything simpler
ATTRIBUTES = ("industry", "segment")


def _config(frames, **extra):
    return Config.model_validate(
        {
            "name": "random",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {name: {"from": name} for name in frames},
            "features": {
                "windows_days": WINDOWS,
                "core_features": [kind for kind in CORE if kind in set(frames["events"]["event_type"])],
                "extra": ["cohort_month"],
                "attributes": list(ATTRIBUTES) if "accounts" in frames else [],
                **extra,
            },
        }
    ).features


def _check(frames, spine, begin=companies.BEGIN, **kwargs):
    config = _config(frames)
    end = companies.END
    tables = Tables.from_pandas(frames, observed_from=begin.date(), observed_until=end.date())
    feature_set = features.catalogue(tables, config)
    made = features.compute(tables, spine, feature_set, config)
    naive = oracle.Oracle(
        frames,
        windows=WINDOWS,
        observed_from=begin,
        observed_until=end,
        core=config.core_features,
        attributes=config.attributes,
    )
    assert made[["account_id", "as_of"]].equals(spine[["account_id", "as_of"]])
    keys = list(spine[["account_id", "as_of"]].itertuples(index=False, name=None))
    rows = [naive.row(account, as_of) for account, as_of in keys]
    naive.add_percentiles(keys, rows)
    compared, wrong = 0, []
    for spec in feature_set:
        for position, expected in enumerate(rows):
            got, want = made[spec.name].iloc[position], expected[spec.name]
            where = f"{spec.name} of {spine.iloc[position].tolist()}: engine {got!r}, oracle {want!r}"
            if spec.categorical:
                equal = (None if pd.isna(got) else got) == want
            else:
                equal = got == pytest.approx(want, rel=1e-9, abs=1e-9, nan_ok=True)
            compared += 1
            if not equal:
                wrong.append(where)
    assert not wrong, f"{len(wrong)} of {compared} differ:\n" + "\n".join(wrong[:40])
    assert compared > 1000 or len(spine) < 10
    return made


@pytest.mark.slow
@settings(max_examples=3, deadline=None, derandomize=True, phases=PHASES)
@given(st.integers(0, 2**32 - 1))
def test_every_family_equals_the_oracle(seed):
    frames, spine = companies.company(seed)
    if len(frames["events"]) and all(len(frame) for frame in frames.values()):
        _check(frames, spine)


@pytest.mark.slow
@pytest.mark.parametrize("most_late", [0.0, 1.0], ids=["ledger", "planes and the late facts"])
@settings(max_examples=5, deadline=None, derandomize=True, phases=PHASES)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60))
def test_event_features_equal_the_oracle_whenever_the_data_begins(most_late, seed, shift):
    frames, spine = companies.company(seed)
    if len(frames["events"]):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading, "_MOST_LATE", most_late)
            _check({"events": frames["events"]}, spine, begin=companies.BEGIN + np.timedelta64(shift, "D"))


@pytest.mark.slow
@pytest.mark.parametrize("with_plan", [True, False])
def test_percentiles_equal_the_oracle(with_plan):
    accounts = [f"a{n:02d}" for n in range(24)]
    everything = companies.Maker(4, accounts).frames()
    terms = everything["subscriptions"] if with_plan else everything["subscriptions"].drop(columns="plan")
    frames = {"events": everything["events"], "subscriptions": terms}
    crowd = pd.DataFrame({"account_id": accounts, "as_of": companies.BEGIN + pd.Timedelta(days=90)})
    few = crowd.iloc[:4].assign(as_of=companies.BEGIN + pd.Timedelta(days=70))
    made = _check(frames, pd.concat([crowd, few], ignore_index=True))
    percentiles = [name for name in made.columns if name.endswith("_percentile")]
    assert len(percentiles) == 6
    assert made[percentiles].iloc[:24].notna().to_numpy().mean() > 0.5
    assert made[percentiles].iloc[24:].isna().all(axis=None)  # four rows share their as_of: too few to compare

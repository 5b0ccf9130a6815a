"""What a measure declares: its direction, handed on to trends and ranks; what it reads, found out by making it."""

import numpy as np
import pandas as pd
import pytest

from churnml import features
from churnml.config import Config
from churnml.errors import ConfigError
from churnml.features.catalogue import declared
from churnml.features.families import REGISTRY
from churnml.features.measures import Scope
from churnml.features.plan import Plan
from churnml.tables import Tables

EVENTS = pd.DataFrame(
    {
        "account_id": ["a", "a", "b"],
        "user_id": ["u", "v", "w"],
        "event_type": ["login", "report", "export"],
        "occurred_at": pd.to_datetime(["2026-02-20", "2026-02-21", "2026-02-22"]),
    }
)


def _scope(**chosen):
    config = Config.model_validate(
        {
            "name": "tiny",
            "source": {"folder": "raw"},
            "label": {"churn": "silence"},
            "tables": {"events": {"from": "events"}},
            "features": {"windows_days": [7, 28], "core_features": ["report"], **chosen},
        }
    ).features
    tables = Tables.from_pandas({"events": EVENTS}, observed_until=pd.Timestamp("2026-04-01").date())
    kinds = {"report": "report", "export": "export"}
    return Scope(tables, config, kinds, frozenset(kinds), ("login",))


def test_trends_and_ranks_inherit_the_direction_of_their_measure():
    measures = {measure.name: measure for measure in declared(_scope())}
    derived = [measure for measure in measures.values() if measure.of]
    assert len(derived) > 15
    for measure in derived:
        sign = -1 if measure.name.endswith("_from_peak") else 1
        assert measure.risk_direction == sign * measures[measure.of].risk_direction, measure.name


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("active_users", -1),
        ("active_users_trend", -1),
        ("active_users_from_peak", 1),
        ("active_users_percentile", -1),
        ("stickiness", -1),
        ("events_of_report", -1),
        ("events_of_report_trend", -1),
        ("events_of_export", 0),
        ("price_change", 1),
        ("champions_left", 1),
        ("tickets_opened", 0),
        ("tickets_opened_percentile", 0),
    ],
)
def test_what_everybody_knows(name, direction):
    assert {measure.name: measure.risk_direction for measure in declared(_scope())}[name] == direction


def test_a_catalogue_tells_the_direction_of_every_feature():
    catalogue = features.reference_catalogue()
    directions = catalogue.directions
    assert list(directions) == catalogue.names
    assert set(directions.values()) == {-1, 0, 1}
    assert all(directions[name] == 0 for name in catalogue.categorical)
    # What training keeps to today goes the declared way.
    assert all(spec.monotone in (0, spec.risk_direction) for spec in catalogue)


def test_every_family_is_registered_once():
    assert len({family.name for family in REGISTRY}) == len(features.FAMILIES)
    names = [measure.name for measure in declared(_scope())]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("chosen", "holds"),
    [
        (["events_7d"], {"users": False, "kind_use": False, "by_day": False, "offsets": (0, 7), "reach": 7}),
        (["events_trend_28d"], {"offsets": (0, 28, 56), "reach": 56}),
        (["events_slope_12w"], {"offsets": tuple(range(0, 85, 7))}),
        (["events_from_peak_28d"], {"offsets": tuple(range(0, 365, 28)), "reach": 364}),
        (["active_days_28d"], {"offsets": (0,), "reach": 28}),
        (["users_lost_7d"], {"users": True, "user_days": False, "offsets": (0, 7, 14)}),
        (["stickiness_7d"], {"users": True, "user_days": True, "by_day": True}),
        (["features_used_7d"], {"kind_use": True, "users": False}),
        (["weekday_share_7d"], {"weekday": True, "by_day": True}),
        (["days_since_last_login"], {"logins": ("login",), "by_day": True}),
        (["events_of_report_7d"], {"kinds": ("report",), "logins": ()}),
        (["events_percentile"], {"offsets": (0, 28)}),  # for the sake of events_28d
    ],
)
def test_planes_hold_what_the_features_ask_when_they_are_made(chosen, holds):
    scope = _scope()
    catalogue = features.catalogue(scope.tables, scope.config)
    layout = Plan.of(features.FeatureSet([catalogue[name] for name in chosen]), scope).layout
    assert {name: getattr(layout, name) for name in holds} == holds


OWN = """from churnml.features import feature


@feature("mine", {decorator})
def mine(given):
    {body}
"""

MISTAKES = {
    "a column that is not there": ('"engagement", "events", table="events"', "return given.evnt.count()", "evnt"),
    "no aggregate": ('"engagement", "events", table="events"', "return given.event_type == 'x'", "column of boolean"),
    "words": ('"engagement", "events", table="events"', "return given.event_type.max()", "string"),
    "a plain number": ('"engagement", "events", table="events"', "return 3", "int: 3"),
    "an error of Python": ('"engagement", "events"', "return 1 / 0", "ZeroDivisionError"),
    "a feature that is not there": ('"engagement", "events"', "return given['events_27d']", "'events_28d'?"),
    "a column of another length": ('"engagement", "events"', "return given['events_28d'].head(1).to_numpy()", "of 1"),
    "words in the frame": ('"engagement", "events"', "return given['as_of'].dt.day_name()", "column of numbers"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("decorator", "body", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_feature_of_ones_own_names_file_feature_line_and_what_was_got(tmp_path, decorator, body, says):
    (tmp_path / "own.py").write_text(OWN.format(decorator=decorator, body=body), encoding="utf-8")
    scope = _scope(modules=[str(tmp_path / "own.py")], windows_days=[28])
    catalogue = features.catalogue(scope.tables, scope.config)
    spine = pd.DataFrame({"account_id": ["a", "b"], "as_of": pd.Timestamp("2026-03-01")})
    with pytest.raises(ConfigError) as caught:
        features.compute(scope.tables, spine, catalogue, scope.config)
    assert caught.value.code == "features.user"
    assert caught.value.where.startswith("own.py, feature 'mine', line ")
    assert caught.value.where.rsplit(" ", 1)[1] in ("4", "6")  # the decorator's line, or the one that failed
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (OWN.format(decorator='"engagment", "events"', body="return 1"), 4, "'engagement'?"),
        (OWN.format(decorator='"engagement"', body="return 1"), 4, "unit"),
        ("x = 1\ny = = 2\n", 2, "SyntaxError"),
        ("x = 1\n\nz = nothing\n", 3, "NameError"),
    ],
)
def test_a_mistake_in_a_module_of_ones_own_names_its_line(tmp_path, text, line, says):
    (tmp_path / "own.py").write_text(text, encoding="utf-8")
    scope = _scope(modules=[str(tmp_path / "own.py")])
    with pytest.raises(ConfigError) as caught:
        features.catalogue(scope.tables, scope.config)
    assert caught.value.code == "features.user"
    assert caught.value.where.startswith("own.py")
    assert caught.value.where.endswith(f"line {line}")
    assert says in str(caught.value)


def test_name_family_unit_and_function_are_enough(tmp_path):
    text = OWN.format(decorator='"engagement", "events"', body="return given['events_28d'] * 2")
    (tmp_path / "own.py").write_text(text, encoding="utf-8")
    scope = _scope(modules=[str(tmp_path / "own.py")], exclude=["events_28d"])
    catalogue = features.catalogue(scope.tables, scope.config)
    spec = catalogue["mine"]
    assert (str(spec.label.spoken("en")), spec.description.spoken("ja"), str(spec.missing)) == (
        "mine",
        "mine.",
        "the function gave no value",
    )
    spine = pd.DataFrame({"account_id": ["a", "b", "nobody"], "as_of": pd.Timestamp("2026-03-01")})
    made = features.compute(scope.tables, spine, catalogue, scope.config)
    # It is made from a feature that the catalogue leaves out.
    assert "events_28d" not in made
    np.testing.assert_array_equal(made["mine"], [4.0, 2.0, 0.0])

"""What changed at an account between two dates, as facts: the measures that moved, and what the model read in them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnml.config import DisplayConfig
from churnml.explain.batch import batch_contributions, row_parts
from churnml.explain.contract import Explainable
from churnml.explain.drivers import DriverBuilder
from churnml.explain.facts import change_fact
from churnml.explain.groups import group_columns
from churnml.explain.reference import ExplainReference
from churnml.explain.topics import UNTOLD, topic
from churnml.language import Text

__all__ = ["ChangedFacts"]

_TELLING = 0.1
"""Log-odds by which a topic must have moved to be told."""


class ChangedFacts:
    """Tells what changed at the accounts of two frames.

    Parameters
    ----------
    model : ChurnModel
        In force at both dates.
    now, then : DataFrame
        Feature frames of one date each.
    reference : ExplainReference
        What is normal.
    currency : str
        ISO code.
    display : DisplayConfig, optional
        What raw names are called.
    core_features : sequence of str
        Event types that are the product's core use.
    """

    def __init__(
        self,
        model: Explainable,
        now: pd.DataFrame,
        then: pd.DataFrame,
        reference: ExplainReference,
        *,
        currency: str = "USD",
        display: DisplayConfig | None = None,
        core_features: Sequence[str] = (),
    ) -> None:
        at = pd.Index(then["account_id"]).get_indexer(pd.Index(now["account_id"]))
        both = np.flatnonzero(at >= 0)
        self._row = {
            str(account): row for row, account in zip(both.tolist(), now["account_id"].iloc[both], strict=True)
        }
        self._builder = DriverBuilder(now, model.features, reference, then, currency, display, core_features)
        self._names, self._groups = model.features.names, list(group_columns(model.features, reference).items())
        self._step = _steps(model, now, then, both, at[both])
        by_group = [np.ascontiguousarray(self._step[:, columns]).sum(axis=1) for _, columns in self._groups]
        self._step_of_group = np.column_stack(by_group) if by_group else np.zeros((len(now), 0))

    def of_feature(self, account_id: str, feature: str | None) -> tuple[str, Text] | None:
        """Return topic and sentence of one feature's change; None where it changed by no more than a trifle."""
        row = self._row.get(account_id)
        if row is None or feature not in self._builder.specs:
            return None
        spec = self._builder.specs[feature]
        facts = self._builder.changed(row, spec)
        sentence = change_fact(facts) if facts is not None else None
        return None if sentence is None else (topic(spec), sentence)

    def of_model(self, account_id: str, *, rising: bool, said: Collection[str] = (), most: int = 2) -> list[Text]:
        """Return the changes that moved the model's risk most, in its direction.

        Parameters
        ----------
        account_id : str
        rising : bool
            Whether the risk rose.
        said : collection of str
            Topics that are told already.
        most : int
            Changes at most.
        """
        row = self._row.get(account_id)
        if row is None:
            return []
        way = 1.0 if rising else -1.0
        moved = way * self._step_of_group[row]
        facts: list[Text] = []
        topics = set(said)
        for place in np.argsort(-moved, kind="stable"):
            if moved[place] < _TELLING or len(facts) >= most:
                break
            _, columns = self._groups[place]
            order = sorted(columns, key=lambda column: -way * float(self._step[row, column]))
            for column in order[:4]:
                spec = self._builder.specs[self._names[column]]
                changed = (
                    None if spec.measure in UNTOLD or topic(spec) in topics else self.of_feature(account_id, spec.name)
                )
                if changed is not None:
                    topics.add(changed[0])
                    facts.append(changed[1])
                    break
        return facts


def _steps(
    model: Explainable, now: pd.DataFrame, then: pd.DataFrame, rows: npt.NDArray[np.intp], at: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """Return what each column's contribution moved by, of the rows of `now`, since those of `then`; 0 of the others."""
    steps = np.zeros((len(now), len(model.features)))
    for part in row_parts(len(rows)):
        frames = now.iloc[rows[part]], then.iloc[at[part]]
        after, before = (batch_contributions(model, model.matrix(frame)) for frame in frames)
        steps[rows[part]] = after[:, :-1] - before[:, :-1]
    return steps

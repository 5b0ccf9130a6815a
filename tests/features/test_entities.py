"""Active days of entities, kept by entity and day."""

from __future__ import annotations

import numpy as np
import pytest

from churnml.features.events.ledger import Entities


@pytest.mark.parametrize("more", [0, 1, 40])
def test_few_rows_go_to_their_places_among_many(more: int) -> None:
    rng = np.random.default_rng(more)

    def rows(n: int, entities: int) -> Entities:
        entity, occurred = rng.integers(0, entities, n), rng.integers(0, 50, n)
        return Entities.of(entity // 3, entity, occurred, occurred + rng.integers(0, 9, n))

    many, few = rows(500, 60), rows(more, 80)

    def lines(of: Entities) -> list[tuple[int, ...]]:
        return list(zip(of.entity, of.occurred, of.code, of.visible, strict=True))

    joined = many.joined(few)
    assert sorted(lines(joined)) == sorted([*lines(many), *lines(few)])
    order = list(zip(joined.entity, joined.occurred, strict=True))
    assert order == sorted(order)

from __future__ import annotations

import numpy as np
from scipy.optimize import isotonic_regression

from churnml.training.horizons import coherent


def test_equals_isotonic_regression_row_by_row() -> None:
    p = np.random.default_rng(0).random((200, 4))
    expected = np.array([isotonic_regression(row).x for row in p])
    assert np.allclose(coherent(p), expected)
    assert (np.diff(coherent(p), axis=1) >= 0).all()


def test_what_agrees_is_left_to_the_last_digit() -> None:
    p = np.sort(np.random.default_rng(1).random((50, 3)), axis=1)
    assert np.array_equal(coherent(p), p)
    assert np.array_equal(coherent(coherent(p[:, ::-1])), coherent(p[:, ::-1]))

"""The synthetic company that these tests share."""

from tests.companies.frames import company, config, configure, cut, features, noise

__all__ = ["company", "config", "configure", "cut", "features", "noise"]

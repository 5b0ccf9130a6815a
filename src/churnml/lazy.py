"""Public names of a package that are loaded when they are first used, so that a quick command stays quick."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["load_on_use"]


def load_on_use(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for a package: it imports the module that a name lives in when the name is asked for.

    No module may be called like a name of the package: importing it would put the module in the name's place.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    homes : mapping of str to str
        Public name → module in the package.

    Examples
    --------
    >>> load_on_use("churnml.config", {"load_config": "reading"})("load_config").__name__
    'load_config'
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return load

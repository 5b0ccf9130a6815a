"""A company's own Python: a module that a config names; a mistake in it is told with its file and line."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from churnml.errors import ChurnmlError, ConfigError
from churnml.language import Text

__all__ = ["own_module"]


def own_module(name: str, resolve: Callable[[Path], Path], *, of: str, where: str, code: str) -> ModuleType:
    """Import a module by dotted name, or a file relative to the config.

    Parameters
    ----------
    name : str
        Dotted name, or a path that ends in ``.py``.
    resolve : callable
        Makes a path absolute, from the config's folder.
    of : str
        What it holds, for the message: ``"features"`` or ``"alerts"``.
    where : str
        The config's key.
    code : str
        Of the error.

    Raises
    ------
    ConfigError
        It cannot be imported.

    Examples
    --------
    >>> own_module("textwrap", Path, of="features", where="features.modules", code="features.user").__name__
    'textwrap'
    """
    try:
        if not name.endswith(".py"):
            return importlib.import_module(name)
        path = resolve(Path(name))
        spec = importlib.util.spec_from_file_location(f"churnml_{where.split('.')[0]}_{path.stem}", path)
        if spec is None or spec.loader is None or not path.is_file():
            raise ImportError(f"there is no file {path.name}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    except ChurnmlError:
        raise
    except Exception as error:
        file = Path(name).name if name.endswith(".py") else name.rsplit(".", 1)[-1] + ".py"
        lines = [step.lineno for step in traceback.extract_tb(error.__traceback__) if Path(step.filename).name == file]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        raise ConfigError(
            Text.of(f"fault-own_module.{of}", name=repr(name)),
            where=Text.of("fault-own_module.at", file=file, line=str(line)) if line else where,
            got=f"{type(error).__name__}: {error}",
            expected=Text.of("fault-own_module.expected"),
            code=code,
        ) from error
    return module

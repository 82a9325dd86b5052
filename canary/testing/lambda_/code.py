"""The code of a function version: a zip, one source text, or a Python callable.

It knows what the code is and how to import it; it doesn't run handlers.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import io
import shutil
import sys
import tempfile
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

Handler = Callable[[Any, Any], object]


def sha256_base64(content: bytes) -> str:
    """AWS's form of a digest, as in `CodeSha256`."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


class Code(Protocol):
    """What a version runs."""

    @property
    def sha256(self) -> str:
        """Base64 of the SHA-256, as AWS reports it."""
        ...

    @property
    def size_bytes(self) -> int:
        """Size of the package."""
        ...

    def load(self, handler: str) -> LoadedCode:
        """Imports the code afresh, as a new execution environment does.

        Args:
            handler: `module.function`.
        """
        ...


@dataclass(slots=True)
class LoadedCode:
    """Code imported once: one execution environment's modules.

    Attributes:
        handler: what is called.
        modules: the package's own modules, visible only while its handler runs.
        folder: where the package lies, on `sys.path` while its handler runs.
    """

    handler: Handler
    modules: dict[str, ModuleType] = field(default_factory=dict)
    folder: Path | None = None

    def close(self) -> None:
        """Deletes the unpacked package."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None


class CallableCode:
    """A Python function as it stands in the test."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        # Two functions of the same text but other surroundings are other code, so identity tells them apart.
        name = f"{getattr(handler, '__module__', '')}.{getattr(handler, '__qualname__', repr(type(handler)))}"
        self.sha256 = sha256_base64(f"{name}@{id(handler)}".encode())
        self.size_bytes = len(name)

    def load(self, handler: str) -> LoadedCode:  # noqa: ARG002 - the callable is the handler
        """The callable itself: there is nothing to import."""
        return LoadedCode(self._handler)


class ZipCode:
    """A deployment package, as in `Code={"ZipFile": …}`."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.sha256 = sha256_base64(content)
        self.size_bytes = len(content)

    def load(self, handler: str) -> LoadedCode:
        """Unpacks the package to a folder of its own and imports the handler's module from there.

        Raises:
            ImportModuleError: as Python's Lambda runtime, if module or function are missing.
        """
        folder = Path(tempfile.mkdtemp(prefix="lambda-"))
        loaded = LoadedCode(_unloaded, folder=folder)
        try:
            with zipfile.ZipFile(io.BytesIO(self.content)) as package:
                package.extractall(folder)
            module_name, _, function_name = handler.rpartition(".")
            with own_modules(loaded):
                importlib.invalidate_caches()
                try:
                    module = importlib.import_module(module_name.replace("/", "."))
                except ModuleNotFoundError as error:
                    raise ImportModuleError(f"Unable to import module '{module_name}': {error}") from error
                loaded.handler = _handler_of(module, function_name)
        except BaseException:
            loaded.close()
            raise
        return loaded


class ImportModuleError(Exception):
    """The handler's module can't be imported; AWS's name is `Runtime.ImportModuleError`."""


class HandlerNotFound(Exception):  # noqa: N818 - AWS's name
    """The module has no such handler; AWS's name is `Runtime.HandlerNotFound`."""


def _handler_of(module: ModuleType, name: str) -> Handler:
    handler: Handler | None = getattr(module, name, None)
    if handler is None:
        raise HandlerNotFound(f"Handler '{name}' missing on module '{module.__name__}'")
    return handler


def _unloaded(_event: object, _context: object) -> object:
    raise AssertionError


@contextmanager
def own_modules(loaded: LoadedCode) -> Iterator[None]:
    """Makes the package's modules importable, and hides them again: two versions both have an `app`."""
    if loaded.folder is None:
        yield
        return
    place = str(loaded.folder)
    hidden = {name: sys.modules.get(name) for name in loaded.modules}
    sys.modules.update(loaded.modules)
    before = None if loaded.modules else _hide_clashes(loaded.folder)
    sys.path.insert(0, place)
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    known = len(sys.modules)
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes_bytecode
        sys.path.remove(place)
        if before is not None or len(sys.modules) != known:
            for name, module in list(sys.modules.items()):
                if (getattr(module, "__file__", None) or "").startswith(place):
                    hidden.setdefault(name, None)
                    loaded.modules[name] = module
        for name, earlier in {**hidden, **(before or {})}.items():
            if earlier is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = earlier


def _hide_clashes(folder: Path) -> dict[str, ModuleType | None]:
    """Takes the process's own modules with the package's names out of the way, for the first import."""
    tops = {entry.stem if entry.suffix == ".py" else entry.name for entry in folder.iterdir()}
    clashes = [name for name in sys.modules if name.split(".", 1)[0] in tops]
    return {name: sys.modules.pop(name) for name in clashes}


def package(source: str, module: str = "app") -> bytes:
    """A deployment package of one module; the same source gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(f"{module}.py"), textwrap.dedent(source))
    return buffer.getvalue()

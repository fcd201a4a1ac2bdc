"""Network providers of strangers: one that works, on a directory beside it, and whoever misbehaves is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

from mprouter.names import RemoteName
from mprouter.providers.base import Added, AddRequest, Capability, Mounted, Progress, State

if TYPE_CHECKING:
    from sandbox import Places

__all__ = ["Stranger", "Wordless", "register"]


class Stranger:
    """Connects ``strange://NAME`` by writing NAME into a file ``connected`` of the mountpoint."""

    name = "stranger"
    capabilities = Capability.ADD_CONNECTION | Capability.CANCEL_CONNECTION | Capability.GET_CONNECTIONS

    def __init__(self, scheme: str = "strange") -> None:
        self.scheme = scheme

    def claims(self, name: RemoteName) -> bool:
        return name.scheme == self.scheme

    def check_options(self, name: RemoteName, options: Mapping[str, str]) -> None: ...

    def add_connection(self, request: AddRequest) -> Added:
        (request.mountpoint / "connected").write_text(str(request.name.host))
        return Added(None, {"host": request.name.host})

    def cancel_connection(self, mounted: Mounted, *, force: bool, progress: Progress | None = None) -> None:
        del force, progress
        (mounted.mountpoint / "connected").unlink(missing_ok=True)

    def state(self, mounted: Mounted) -> State:
        return State.CONNECTED if (mounted.mountpoint / "connected").exists() else State.LOST

    def settle(self, mounted: Mounted) -> State:
        return self.state(mounted)


class Wordless(Exception):
    """An exception that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("it has no words")


def register(places: Places, name: str, body: str = "", *, more: str = "", source: str = "user") -> Path:
    """A drop-in *name* of a ``Stranger`` with *body* in its class; *more*: lines of the drop-in."""
    directory = (places.config if source == "user" else places.system) / "providers.d"
    directory.mkdir(parents=True, exist_ok=True)
    code = directory / f"{name}.py"
    head = [
        "import sys",
        f"sys.path.append({str(Path(__file__).parent)!r})",
        "from strangers import *",
        "from mprouter.providers.base import *",
        "class Mine(Stranger):",
    ]
    code.write_text("\n".join([*head, *(f"    {line}" for line in (dedent(body) or "pass").splitlines()), ""]))
    path = directory / f"{name}.toml"
    path.write_text(f'target = "python:{code}:Mine"\n{more}')
    return path

r"""What this machine keeps of what Windows keeps in the registry, and which keys and values that is.

    HKLM\SYSTEM\CurrentControlSet\Control\NetworkProvider            RestoreTimeout      settings.toml
    HKLM\SYSTEM\CurrentControlSet\Control\NetworkProvider\Order      ProviderOrder       settings.toml
    HKLM\SYSTEM\CurrentControlSet\Control\NetworkProvider\Notifyees  NAME = path         notifyees.d/NAME.toml
    HKLM\SYSTEM\CurrentControlSet\Services\NAME\NetworkProvider      ProviderPath        providers.d/NAME.toml
    HKCU\Network\LETTER                                              RemotePath, …       the remembered connections

What Windows has no values for stands in two keys of our own, as TOML: the keys of a drop-in file, and the options of a
connection or, where it has no drive letter, all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from mprouter import places, settings
from mprouter.frozen import frozen
from mprouter.names import is_drive
from mprouter.notify.registration import DIRECTORY
from mprouter.plugins import drop_in
from mprouter.plugins import target as targets
from mprouter.providers.registration import DIRECTORY as PROVIDERS_DIRECTORY
from mprouter.providers.registration import KEYS
from mprouter.registry.reg_file import Key, Kind, Value
from mprouter.status import Status, WNetError, unreadable
from mprouter.store import Remembered, Store

__all__ = [
    "CONNECTIONS",
    "DIRECTORY",
    "DRIVES",
    "NOTIFYEES",
    "ORDER",
    "OURS",
    "PROVIDERS",
    "PROVIDERS_DIRECTORY",
    "SERVICES",
    "Notifyee",
    "State",
    "directory",
    "is_native",
    "keys_of",
    "load",
    "service_of",
    "target_of",
    "unusable",
]

_CONTROL_SET = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet"
SERVICES = rf"{_CONTROL_SET}\Services"
PROVIDERS = rf"{_CONTROL_SET}\Control\NetworkProvider"
ORDER = rf"{PROVIDERS}\Order"
NOTIFYEES = rf"{PROVIDERS}\Notifyees"
DRIVES = r"HKEY_CURRENT_USER\Network"

OURS = r"HKEY_LOCAL_MACHINE\SOFTWARE\mprouter\Notifyees"
"""Our own: each value is what a drop-in file says beside its target, as a TOML table."""

CONNECTIONS = r"HKEY_CURRENT_USER\Software\mprouter\Network"
"""Our own: each value is what is remembered for a local name and has no place in ``DRIVES``, as a TOML table."""


@frozen
class Service:
    """A network provider of Windows that one of ours stands for.

    key: of ``SERVICES``, as in ProviderOrder. shown: its name, as in ProviderName. type: WNNC_NET_*, see ProviderType.
    """

    key: str
    shown: str
    type: int


_SERVICES = {
    "smb": Service("LanmanWorkstation", "Microsoft Windows Network", 0x20000),
    "webdav": Service("webclient", "Web Client Network", 0x2E0000),
}


def service_of(**said: str | int) -> str | None:
    """The name of our provider for the service that has one of the attributes *said*; the case does not matter."""
    for name, service in _SERVICES.items():
        for attribute, value in said.items():
            if str(getattr(service, attribute)).lower() == str(value).lower():
                return name
    return None


@frozen
class Notifyee:
    """A drop-in file, of a notifyee or a network provider.

    values: what it says. problem: what is wrong with it, so that it is not in any registry.
    """

    values: Mapping[str, Any]
    problem: WNetError | None = None


@frozen
class State:
    """What is kept, of the user's own files or of the system's; remembered are the user's connections in both cases.

    provider_order, restore_timeout (seconds): None = not set there. notifyees, providers: by name. remembered: by local
    name. A provider is imported and not exported, for what its file says beside the path has no place in a registry.
    """

    provider_order: tuple[str, ...] | None = None
    restore_timeout: float | None = None
    notifyees: Mapping[str, Notifyee] = field(default_factory=dict)
    remembered: Mapping[str, Remembered] = field(default_factory=dict)
    providers: Mapping[str, Notifyee] = field(default_factory=dict)


def load(store: Store, *, system: bool = False) -> State:
    """What is kept now. Raises ``WNetError`` if the settings or the store are not as they should be."""
    values = settings.read(settings.path(system=system))
    notifyees: dict[str, Notifyee] = {}
    for file in _drop_ins(directory(DIRECTORY, system=system)):
        said = _said(file)
        twin = next((each for each in notifyees if each.lower() == file.stem.lower()), None)
        problem = said.problems[0].message if said.problems else None
        if not drop_in.NAME.fullmatch(file.stem):
            problem = "no notifyee has such a name"
        elif twin is not None:
            problem = f"in a registry its name would be the same as that of {twin}.toml"
        error = problem and WNetError(
            Status.ERROR_BAD_CONFIGURATION, problem, name=str(file), hint="mend, rename or remove the file"
        )
        notifyees[file.stem] = Notifyee(said.values, error or None)
    return State(
        values.get("provider_order"),
        values.get("restore_timeout"),
        notifyees,
        {each.local_name: each for each in store.remembered()},
        {each.stem: _provider(each) for each in _drop_ins(directory(PROVIDERS_DIRECTORY, system=system))},
    )


def _drop_ins(place: Path) -> list[Path]:
    try:
        return sorted(file for file in place.iterdir() if file.suffix == ".toml" and file.name[0] != ".")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(error, str(place), Status.ERROR_ACCESS_DENIED, "cannot be read") from error


def _said(file: Path, keys: Mapping[str, drop_in.Key] = drop_in.KEYS) -> drop_in.DropIn:
    """What *file* says. Raises ``WNetError`` if that cannot be read just now: it is not broken, to be replaced."""
    said = drop_in.read(file, keys)
    said.check_read(file)
    return said


def _provider(file: Path) -> Notifyee:
    said = _said(file, KEYS)
    problem = WNetError(Status.ERROR_BAD_CONFIGURATION, said.problems[0].message) if said.problems else None
    return Notifyee(said.values, problem)


def directory(name: str, *, system: bool) -> Path:
    """Where the drop-in files are: *name* is that of notifyees or of providers."""
    return (places.system_dir() if system else places.config_dir()) / name


# -- as keys -----------------------------------------------------------------------------------------------------


def keys_of(state: State) -> list[Key]:
    """*state* as keys, parents first, without those that would be empty and without notifyees that have a problem.

    Raises ``WNetError`` (ERROR_INVALID_DATA) for what cannot be said so.
    """
    keys = [
        Key(PROVIDERS, tuple(_timeout(state))),
        Key(ORDER, tuple(_order(state))),
        Key(NOTIFYEES, tuple(_paths(state))),
        Key(OURS, tuple(_tables(state))),
        *(Key(rf"{DRIVES}\{name[0]}", _drive(each)) for name, each in state.remembered.items() if is_drive(name)),
        Key(CONNECTIONS, tuple(_table(name, _beside_the_drive(each)) for name, each in state.remembered.items())),
    ]
    return [key for key in keys if key.values]


def _timeout(state: State) -> Iterator[Value]:
    if state.restore_timeout is not None:
        milliseconds = round(state.restore_timeout * 1000)
        if milliseconds > 0xFFFFFFFF or (milliseconds == 0) != (state.restore_timeout == 0):
            why = f"{state.restore_timeout:g} seconds cannot stand in RestoreTimeout"
            raise WNetError(Status.ERROR_INVALID_DATA, why, name="restore_timeout")
        yield Value.of_number("RestoreTimeout", milliseconds)


def _order(state: State) -> Iterator[Value]:
    if state.provider_order is None:
        return
    for name in state.provider_order:
        if not name.strip() or name != name.strip() or "," in name:
            raise WNetError(Status.ERROR_INVALID_DATA, "this name cannot stand in ProviderOrder", name=name)
    services = (_SERVICES[name].key if name in _SERVICES else name for name in state.provider_order)
    yield Value.of_text("ProviderOrder", ",".join(services))


def _paths(state: State) -> Iterator[Value]:
    for name, each in state.notifyees.items():
        if each.problem is None and (path := _path_on_windows(each.values)):
            kind, text = path
            yield Value.of_text(name, text, kind)


def _tables(state: State) -> Iterator[Value]:
    for name, each in state.notifyees.items():
        if each.problem is None:
            yield _table(name, _beside_the_path(each.values))


def _path_on_windows(values: Mapping[str, Any]) -> tuple[Kind, str] | None:
    """What stands in ``NOTIFYEES`` for a drop-in file of *values*.

    Nothing for what is disabled, for there it would be told; but a DLL of Windows is disabled only here.
    """
    return _path(values["target"]) if values.get("enabled", True) or _is_dll(values["target"]) else None


def _beside_the_path(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != "target" or not _path_on_windows(values)}


def _drive(each: Remembered) -> tuple[Value, ...]:
    service = _SERVICES.get(each.provider or "")
    return (
        Value.of_number("ConnectFlags", 0),
        Value.of_number("ConnectionType", each.type),
        Value.of_number("DeferFlags", 4),
        Value.of_text("ProviderName", service.shown if service else each.provider or ""),
        Value.of_number("ProviderType", service.type if service else 0),
        Value.of_text("RemotePath", each.remote_name),
        Value.of_text("UserName", each.user or ""),
    )


def _beside_the_drive(each: Remembered) -> dict[str, Any]:
    said: dict[str, Any] = {"options": dict(each.options)} if each.options else {}
    if not is_drive(each.local_name):
        names = {"remote": each.remote_name, "provider": each.provider, "user": each.user}
        said |= {key: value for key, value in names.items() if value}
    return said


def _table(name: str, values: Mapping[str, Any]) -> Value:
    return Value.of_text(name, drop_in.literal(values))


# -- a target as a path of Windows' ------------------------------------------------------------------------------


_VARIABLE = re.compile(r"\$\$|%%|%[A-Za-z_][\w()]*%|[$%]", re.ASCII)


def _path(target: str) -> tuple[Kind, str] | None:
    """The kind and text of the value that means *target*: a library's path, or the target as it is."""
    path = _VARIABLE.sub(lambda match: match[0][0] if match[0] in {"$$", "%%"} else match[0], target[7:])
    for kind, text in ((Kind.SZ, path), (Kind.EXPAND_SZ, path), (Kind.SZ, target)):
        if target_of(kind, text) == target:
            return kind, text
    return None


def target_of(kind: int, text: str) -> str:
    """The target for a value of ``NOTIFYEES``: what *text* says itself, or the library of that path.

    In a REG_EXPAND_SZ stand variables, ``%VAR%``; everything else is as it is written, in a target doubled.
    """
    if re.match(r"(python|command|native):", text):
        return text

    def escaped(match: re.Match[str]) -> str:
        if kind == Kind.EXPAND_SZ and len(match[0]) > 1:
            return match[0]
        return match[0].replace("%", "%%").replace("$", "$$")

    return "native:" + re.sub(r"%[A-Za-z_][\w()]*%|[$%]", escaped, text, flags=re.ASCII)


def is_native(values: Mapping[str, Any]) -> bool:
    """Whether a drop-in file of *values* names a library, of this machine or a DLL."""
    return str(values.get("target")).startswith("native:")


def _is_dll(target: str) -> bool:
    """Whether *target* is a library by a path of Windows'."""
    kind, _, path = target.partition(":")
    return kind == "native" and path[:1] != "/" and bool(re.search(r"^[A-Za-z]:|\\|(?i:\.dll)$", path))


def unusable(target: str) -> str | None:
    """Why *target* cannot be used on this machine, as far as its text tells."""
    if _is_dll(target):
        return "this is a DLL of Windows, which cannot be loaded here"
    try:
        targets.parse(target)
    except WNetError as error:
        return str(error.strerror)
    return None

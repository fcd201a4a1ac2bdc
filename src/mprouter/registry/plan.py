"""What importing a registry file would change: its keys are put over what is kept now, and read back.

Nothing is written here; ``importing.py`` does that. All that is wrong with the file is found here, with its line.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Literal

from mprouter.frozen import frozen
from mprouter.names import RemoteName, is_drive, parse_local, parse_remote
from mprouter.plugins import drop_in
from mprouter.providers.base import Provider
from mprouter.providers.claims import claimants
from mprouter.registry import state as kept
from mprouter.registry.reg_file import Key, Value, at
from mprouter.registry.state import Notifyee, State
from mprouter.resource import ResourceType
from mprouter.status import Status, WNetError, subject_of
from mprouter.store import Remembered

__all__ = ["Change", "Note", "Plan", "plan"]


@frozen
class Change:
    """One thing that becomes different. name: of the key of the settings, the notifyee or provider, or the local name.

    value: the setting, the notifyee's or provider's target, or the remote name; None = it is removed.
    """

    what: Literal["setting", "notifyee", "provider", "connection"]
    name: str
    value: str | None


@frozen
class Note:
    """What cannot be used here, and why. line: of the file."""

    name: str
    line: int
    reason: str


@frozen
class Plan:
    """What is kept *before* and *after*, and what is to be told.

    reasons, provider_reasons: why notifyees and network providers are imported disabled, by name. other_keys,
    other_values: how many are of no concern here.
    """

    before: State
    after: State
    notes: tuple[Note, ...]
    reasons: Mapping[str, str]
    provider_reasons: Mapping[str, str]
    other_keys: int
    other_values: int

    @property
    def changes(self) -> list[Change]:
        """What becomes different, in words."""
        return list(_changes(self.before, self.after))


def _changes(before: State, after: State) -> Iterator[Change]:
    if before.provider_order != after.provider_order:
        order = after.provider_order
        yield Change("setting", "provider_order", None if order is None else ", ".join(order))
    if before.restore_timeout != after.restore_timeout:
        seconds = after.restore_timeout
        yield Change("setting", "restore_timeout", None if seconds is None else f"{seconds:g} s")
    for name in sorted({*before.notifyees, *after.notifyees}):
        notifyee = after.notifyees.get(name)
        if before.notifyees.get(name) != notifyee:
            yield Change("notifyee", name, None if notifyee is None else notifyee.values["target"])
    for name in sorted({*before.providers, *after.providers}):
        provider = after.providers.get(name)
        if before.providers.get(name) != provider:
            yield Change("provider", name, None if provider is None else provider.values["target"])
    for local in sorted({*before.remembered, *after.remembered}):
        remembered = after.remembered.get(local)
        if before.remembered.get(local) != remembered:
            yield Change("connection", local, None if remembered is None else remembered.remote_name)


def plan(keys: Sequence[Key], before: State, providers: Sequence[Provider]) -> Plan:
    """What importing *keys* makes of *before*. providers: those that are there (R1).

    Raises ``WNetError`` (ERROR_INVALID_DATA) with the line of what is wrong.
    """
    over = _Registry()
    over.put(kept.keys_of(before))
    under = over.copy()
    over.put(keys)
    reading = _Reading(under, over, before, providers)
    libraries, disabled = _services(keys, before, reading.notes)
    after = State(reading.order(), reading.timeout(), reading.notifyees(), reading.remembered(), libraries)
    notes = tuple(sorted(reading.notes, key=lambda each: each.line))
    return Plan(before, after, notes, reading.reasons, disabled, over.other_keys, over.other_values)


def _services(keys: Iterable[Key], before: State, notes: list[Note]) -> tuple[dict[str, Notifyee], dict[str, str]]:
    """The network providers that there are to be, and which of them are imported disabled, with the reasons.

    A shared library of this machine becomes one; so does a DLL of Windows, which cannot be loaded here.
    """
    found = dict(before.providers)
    disabled: dict[str, str] = {}
    spelled = {each.lower(): each for each in found}
    for key in keys:
        if not _SERVICE.fullmatch(_identity(key.path)):
            continue
        name = key.path.split("\\")[-2]
        name = spelled.setdefault(name.lower(), name)
        known = found.get(name)
        if key.deleted:
            if known is not None and kept.is_native(known.values):
                del found[name]
            continue
        path = next((each for each in key.values if each.name.lower() == "providerpath" and each.text), None)
        target = kept.target_of(path.kind or 0, _text(path)) if path is not None else ""
        if reason := _why_not(name, target, known):
            notes.append(Note(name, key.line, reason))
            continue
        said = dict(known.values) if known else {}
        if known and kept.unusable(said["target"]):
            said.pop("enabled", None)  # for that reason it was disabled
        values = {**said, "target": target}
        if reason := kept.unusable(target):
            values["enabled"] = False
            disabled[name] = reason
            notes.append(Note(name, key.line, f"imported disabled: {reason}"))
        if known is None or known.values != values:
            found[name] = Notifyee(values)
    return found, disabled


def _why_not(name: str, target: str, known: Notifyee | None) -> str | None:
    """Why the service *name* does not become a network provider with this *target* here; None = it does."""
    if ours := kept.service_of(key=name):
        return f"the network provider {ours} stands for it here"
    if not kept.is_native({"target": target}):
        return "not imported: it has no ProviderPath"
    if not drop_in.NAME.fullmatch(name) or len(name) > _LONGEST_STEM:
        return "not imported: no network provider has such a name here"
    if known is not None and (known.problem is not None or not kept.is_native(known.values)):
        return "not imported: there is another network provider of this name, or its file is broken"
    return None


# -- keys and values under the names that are compared -----------------------------------------------------------


def _identity(path: str) -> str:
    """*path* as it is compared: without case, and the first control set is the current one."""
    return re.sub(r"^(hkey_local_machine\\system)\\controlset001(?=\\|$)", r"\1\\currentcontrolset", path.lower())


_PROVIDERS, _ORDER, _NOTIFYEES, _OURS, _DRIVES, _CONNECTIONS = map(
    _identity, (kept.PROVIDERS, kept.ORDER, kept.NOTIFYEES, kept.OURS, kept.DRIVES, kept.CONNECTIONS)
)
_DRIVE = re.compile(re.escape(_DRIVES) + r"\\[^\\]+")
_SERVICE = re.compile(re.escape(_identity(kept.SERVICES)) + r"\\[^\\]+\\networkprovider")

_KNOWN_OF_A_DRIVE = {
    "remotepath",
    "username",
    "providername",
    "providertype",
    "connectiontype",
    "connectflags",
    "deferflags",
    "useoptions",
}
"""The values of a drive's key; the last three mean nothing here."""

_LONGEST_STEM = 200
"""Of a drop-in file, in characters: file systems allow 255, and a file is written beside it."""

_Values = dict[str, Value]


class _Registry:
    """The keys and values that concern us. other_keys, other_values: how many others were put into it."""

    def __init__(self) -> None:
        self.keys: dict[str, _Values] = {}
        self.other_keys = self.other_values = 0
        self._spelled: dict[str, str] = {}

    def copy(self) -> _Registry:
        """Another that is the same now."""
        other = _Registry()
        other.keys = {path: dict(values) for path, values in self.keys.items()}
        return other

    def put(self, keys: Iterable[Key]) -> None:
        """Do what *keys* say, one after the other, as regedit does."""
        for key in keys:
            path = _identity(key.path)
            if _SERVICE.fullmatch(path):  # see ``_services``
                continue
            if key.deleted:
                self._delete(key, path)
            elif path in {_PROVIDERS, _ORDER, _NOTIFYEES, _OURS, _DRIVES, _CONNECTIONS} or _DRIVE.fullmatch(path):
                for value in key.values:
                    self._set(path, value)
            else:
                self.other_keys += 1

    def _delete(self, key: Key, path: str) -> None:
        if "\\" not in path:
            raise at(key.line, f"{key.path} is a root key, which cannot be deleted")

        def is_below(each: str) -> bool:
            return each == path or each.startswith(f"{path}\\")

        gone = [each for each in self.keys if is_below(each)]
        for each in gone:
            del self.keys[each]
        if is_below(_NOTIFYEES):  # those that are disabled stand in ours alone
            self.keys.pop(_OURS, None)
        ours = (_PROVIDERS, _ORDER, _NOTIFYEES, _OURS, _DRIVES, _CONNECTIONS)
        if not any(map(is_below, ours)) and not _DRIVE.fullmatch(path):
            self.other_keys += 1

    def _set(self, path: str, value: Value) -> None:
        name = value.name.lower()
        if path in {_NOTIFYEES, _OURS}:
            value = replace(value, name=self._stem(value))
            name = value.name.lower()
        elif path == _CONNECTIONS:  # the paths of two directories may differ by case alone
            name = value.name.upper() if is_drive(value.name.upper()) else value.name
        elif (
            path == _DRIVES
            or (path == _PROVIDERS and name != "restoretimeout")
            or (path == _ORDER and name != "providerorder")
            or (_DRIVE.fullmatch(path) and name not in _KNOWN_OF_A_DRIVE)
        ):
            self.other_values += 1
            return
        values = self.keys.setdefault(path, {})
        if value.kind is not None:
            values[name] = replace(value, name=values[name].name if name in values else value.name)
            return
        values.pop(name, None)
        if path == _NOTIFYEES:
            self.keys.get(_OURS, {}).pop(name, None)

    def _stem(self, value: Value) -> str:
        """What the drop-in file of *value* is called: its name, with ``-`` for what no file's name has."""
        stem = value.name or "default"
        if not drop_in.NAME.fullmatch(stem):
            stem = re.sub(r"[^A-Za-z0-9_.@+-]+", "-", stem)
            stem = re.sub(r"^[^A-Za-z0-9]+|-+$", "", stem) or "notifyee"
        if value.line and len(stem) > _LONGEST_STEM:
            raise at(value.line, f"the name of a notifyee has at most {_LONGEST_STEM} characters")
        spelled = self._spelled.setdefault(stem.lower(), value.name) if value.line else value.name
        if spelled.lower() != value.name.lower():
            raise at(value.line, f"the notifyees {spelled!r} and {value.name!r} would be one file, {stem}.toml")
        return stem


def _said(value: Value | None) -> tuple[int | None, bytes] | None:
    """What *value* says, without where."""
    return None if value is None else (value.kind, value.data)


# -- reading it back ---------------------------------------------------------------------------------------------


@frozen
class _Reading:
    """From keys to what is kept. What is the same *over* as it was *under* stays as *before*, to the letter."""

    under: _Registry
    over: _Registry
    before: State
    providers: Sequence[Provider]
    notes: list[Note] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)

    def _now(self, path: str, name: str) -> Value | None:
        return self.over.keys.get(path, {}).get(name)

    def _is_same(self, path: str, name: str) -> bool:
        return _said(self._now(path, name)) == _said(self.under.keys.get(path, {}).get(name))

    # the settings

    def order(self) -> tuple[str, ...] | None:
        value = self._now(_ORDER, "providerorder")
        if self._is_same(_ORDER, "providerorder"):
            return self.before.provider_order
        if value is None:
            return None
        names = [each.strip() for each in _text(value).split(",")]
        names = [kept.service_of(key=each) or each for each in names if each]
        return tuple({each.lower(): each for each in names}.values())

    def timeout(self) -> float | None:
        value = self._now(_PROVIDERS, "restoretimeout")
        if self._is_same(_PROVIDERS, "restoretimeout"):
            return self.before.restore_timeout
        if value is None:
            return None
        milliseconds = _number(value)
        return milliseconds / 1000 if milliseconds % 1000 else milliseconds // 1000

    # notifyees

    def notifyees(self) -> dict[str, Notifyee]:
        broken = {name: each for name, each in self.before.notifyees.items() if each.problem}
        found = {name.lower(): (name, each) for name, each in self.before.notifyees.items() if not each.problem}
        slots = {**self.under.keys.get(_NOTIFYEES, {}), **self.under.keys.get(_OURS, {})}
        slots |= self.over.keys.get(_NOTIFYEES, {}) | self.over.keys.get(_OURS, {})
        new = 0
        for slot, value in slots.items():
            if self._is_same(_NOTIFYEES, slot) and self._is_same(_OURS, slot):
                continue
            name, known = found.pop(slot, (value.name, None))
            values = self._notifyee(name, self._now(_NOTIFYEES, slot), self._now(_OURS, slot))
            if values is None:
                continue
            if known is None:
                if new and self._now(_OURS, slot) is None:  # they are told in the order of the file
                    values["order"] = 50 + new
                new += 1
            found[slot] = (name, known if known and known.values == values else Notifyee(values))
        return broken | dict(found.values())

    def _notifyee(self, name: str, path: Value | None, ours: Value | None) -> dict[str, Any] | None:
        """What the drop-in file of *name* is to say; None = there is to be none.

        What the file says of it in our own key is all that is said of it, and whether it is enabled.
        """
        said = _table(ours) if ours is not None else {}
        is_whole = ours is not None and ours.line > 0
        line = max(each.line for each in (path, ours) if each) if path or ours else 0
        if path is not None and not (is_whole and "target" in said and not path.line):
            said["target"] = kept.target_of(path.kind or 0, _text(path))
            if not is_whole:
                said.pop("enabled", None)
        if "target" not in said:
            if is_whole:
                self.notes.append(Note(name, line, "not imported: no target is given"))
            return None
        values = {"target": said.pop("target"), **said}
        reason = kept.unusable(values["target"]) if isinstance(values["target"], str) else None
        if reason and not is_whole:
            values["enabled"] = False
        if reason and values.get("enabled") is False:
            self.reasons[name] = reason
            self.notes.append(Note(name, line, f"imported disabled: {reason}"))
        _check_drop_in(values, line)
        return values

    # remembered connections

    def remembered(self) -> dict[str, Remembered]:
        found = dict(self.before.remembered)
        paths = {each for each in (*self.under.keys, *self.over.keys) if _DRIVE.fullmatch(each)}
        names = {*self.under.keys.get(_CONNECTIONS, {}), *self.over.keys.get(_CONNECTIONS, {})}
        letters = {path.rpartition("\\")[2] for path in paths}
        drives = {f"{each.upper()}:" for each in letters} | {each for each in names if is_drive(each)}
        for drive in sorted(drives):
            self._put(found, drive, self._drive(drive, found.get(drive)))
        for name in sorted(names - drives):
            if not self._is_same(_CONNECTIONS, name):
                value = self._now(_CONNECTIONS, name)
                self._put(found, *(self._path(value) if value is not None else (name, None)))
        return found

    def _put(self, found: dict[str, Remembered], local: str, new: Remembered | None) -> None:
        old = found.pop(local, None)
        if new is not None:
            found[local] = old if old and replace(old, saved=new.saved) == new else new

    def _drive(self, local: str, known: Remembered | None) -> Remembered | None:
        """What is to be remembered for the drive *local*, and was *known*."""
        path = rf"{_DRIVES}\{local[:-1].lower()}"
        values = self.over.keys.get(path, {})
        table = self._now(_CONNECTIONS, local)
        names = {*values, *self.under.keys.get(path, {})}
        if all(self._is_same(path, each) for each in names) and self._is_same(_CONNECTIONS, local):
            return known
        first = next((each.line for each in values.values() if each.line), 0)
        remote = values.get("remotepath")
        if remote is None or not is_drive(local):
            if first:
                reason = "it has no RemotePath" if is_drive(local) else "only the drives D: to Z: are remembered"
                self.notes.append(Note(local, first, f"not imported: {reason}"))
            return None
        kind = values.get("connectiontype")
        if kind is not None and (told := _number(kind)) != ResourceType.DISK:
            what = "not printers" if told == ResourceType.PRINT else f"and ConnectionType is {told}, not 1"
            self.notes.append(Note(local, kind.line, f"not imported: only directories can be connected, {what}"))
            return known
        provider = known.provider if known else None
        if not self._is_same(path, "providername") or not self._is_same(path, "providertype"):
            shown, number = values.get("providername"), values.get("providertype")
            number_of_type = _number(number) if number is not None else 0
            line = max(each.line for each in (shown, number) if each) if shown or number else 0
            provider = self._provider(local, _text(shown) if shown is not None else "", number_of_type, line)
        said = _table(table) if table is not None else {}
        if known and not (table and table.line) and not self._is_same(path, "remotepath"):
            said.pop("options", None)  # they were for another resource
        line = table.line if table and table.line else remote.line
        user = _user(values.get("username"))
        return self._remembered(local, _text(remote), said, line, provider=provider, user=user) or known

    def _path(self, value: Value) -> tuple[str, Remembered | None]:
        said = _table(value)
        texts = {key: said.pop(key, None) for key in ("remote", "provider", "user")}
        for key, text in texts.items():
            if not isinstance(text, str | None) or (key == "remote" and not text):
                raise at(value.line, f"{key} of {value.name} must be a text")
        try:
            local = parse_local(value.name)
        except WNetError as error:
            raise at(value.line, f"{value.name!r} is no local name: {error.strerror}") from error
        provider = self._provider(local, texts["provider"] or "", 0, value.line)
        new = self._remembered(
            local, texts["remote"] or "", said, value.line, provider=provider, user=texts["user"] or None
        )
        return local, new or self.before.remembered.get(local)

    def _remembered(
        self, local: str, remote: str, said: dict[str, Any], line: int, *, provider: str | None, user: str | None
    ) -> Remembered | None:
        """*said*: what stands in its table beside what is given; only the options may."""
        options = said.pop("options", {})
        if said or not isinstance(options, dict) or not all(isinstance(each, str) for each in options.values()):
            raise at(line, f"the table of {local} has something that is no option: KEY = text")
        try:
            name = parse_remote(remote)
            claiming = self._claiming(name)
            for each in claiming if options else ():
                each.check_options(name, options)
        except WNetError as error:
            if error.status is not Status.ERROR_NO_NET_OR_BAD_PATH:
                raise at(line, f"{subject_of(local)}{error.strerror}") from None
            self.notes.append(Note(local, line, f"not imported: {error.strerror}"))
            return None
        return Remembered(local, remote, name.canonical, provider, user, int(ResourceType.DISK), options, time.time())

    def _claiming(self, name: RemoteName) -> list[Provider]:
        """The providers whose *name* is. Raises ``WNetError`` if it is nobody's."""
        found = [each for each, problem in claimants(self.providers, name) if problem is None]
        if not found:
            raise WNetError(Status.ERROR_NO_NET_OR_BAD_PATH, "no network here has names of this form")
        return found

    def _provider(self, local: str, name: str, number: int, line: int) -> str | None:
        """Our provider for a connection. Its name depends on the language of Windows, the *number* of its type not."""
        known = {each.name.lower(): each.name for each in self.providers}
        found = kept.service_of(shown=name) or known.get(name.lower()) or kept.service_of(type=number)
        if found is None and name:
            self.notes.append(Note(local, line, f"the network provider {name!r} is not here: any that can is asked"))
        return found


def _text(value: Value) -> str:
    if value.text is None:
        raise at(value.line, f"{value.name or '@'} must be a text: REG_SZ or REG_EXPAND_SZ")
    return value.text


def _number(value: Value) -> int:
    if value.number is None:
        raise at(value.line, f"{value.name} must be a number: REG_DWORD")
    return value.number


def _user(value: Value | None) -> str | None:
    """A user name; none is an empty text, or on some versions of Windows the number 0."""
    if value is None or value.number == 0:
        return None
    return _text(value) or None


def _table(value: Value) -> dict[str, Any]:
    import tomllib

    try:
        said = tomllib.loads(f"table = {_text(value)}\n")
    except (ValueError, RecursionError):  # the first also of a number with thousands of digits
        said = {}
    table = said.pop("table", None)
    if said or not isinstance(table, dict):
        raise at(value.line, f"{value.name} must be a table as TOML has it: {{ KEY = VALUE, … }}")
    return table


def _check_drop_in(values: Mapping[str, Any], line: int) -> None:
    """Raise ``WNetError`` if a drop-in file could not say *values*."""
    try:
        said = drop_in.parse(drop_in.written(values))
    except (ValueError, RecursionError) as error:
        raise at(line, "a number in it is too long, or tables in it are nested too deeply") from error
    if said.problems:
        raise at(line, said.problems[0].message)
    if len(said.text.encode()) > drop_in.MAX_SIZE // 2:  # a comment comes with it
        raise at(line, "it is too long for a drop-in file")

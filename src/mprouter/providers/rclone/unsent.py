"""Written data that waits in rclone's cache directory to be sent, whichever rclone put it there.

A file system of rclone's keeps its cache in directories of its own: below ``vfs/NAME/ROOT`` stand the data, below
``vfsMeta/NAME/ROOT`` a JSON file for each with whether it is dirty. NAME ends in a hash of all settings, the password
among them. What a dead rclone, or a connection with another password, has left is therefore under another name than
the one that a new connection looks under, and is moved there (``adopt``) before the new one begins. Which resource it
was written to stands in ``resources/NAME`` (``note``), so that a person can be told without a connection.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

from mprouter import places, reserve
from mprouter.frozen import frozen
from mprouter.log import Log
from mprouter.processes import started_at, wait_until
from mprouter.providers.mounted import Pending, Waiting
from mprouter.providers.rclone.mounts import served_by
from mprouter.status import Status, WNetError, shortage

if TYPE_CHECKING:
    from mprouter.providers.rclone.daemon import Daemon
    from mprouter.providers.rclone.server import Server

__all__ = [
    "Unsent",
    "adopt",
    "check_room",
    "clear",
    "close",
    "family_of",
    "has_uploads",
    "held_back",
    "is_elsewhere",
    "is_left_behind",
    "is_member",
    "is_of",
    "is_unsent",
    "leave_to_next",
    "note",
    "options_of",
    "put_off",
    "queue_of",
    "refuse_without_cache",
    "resource_of",
    "take_up",
    "unsent",
    "waiting",
]

log = Log("mprouter.providers")

ROOM = 1 << 20
"""Bytes that must be free on the cache's disk: an rclone that cannot describe an unsent file deletes it."""


_PATIENCE = 5.0
"""Seconds for which a connection sends empty files first; of any others rclone is left to send them."""

_LATER = 60
"""Seconds for which an upload does not begin while its file is taken up; from then on it has the usual ones."""

_ENDING = 3.0
"""Seconds in which an upload of a file system that has ended ends too, unless the server does not answer it."""

_NO_ROOM = "(?i)no space left|remaining disk space|quota exceeded"


@frozen
class Unsent:
    """A file with data that the server does not have. path: in the connection. size: in bytes."""

    path: str
    size: int


def unsent(meta: str | Path) -> list[Unsent]:
    """The unsent files whose descriptions are below the directory *meta*, those still open among them."""
    return [Unsent(str(file.relative_to(meta)), _size(file)) for file in _dirty(meta)]


def queue_of(rclone: Daemon, fs: str) -> list[dict[str, Any]]:
    """What rclone is sending, or is about to, of the file system *fs*. Raises ``Refused`` and ``WNetError``."""
    return rclone.call("vfs/queue", fs=fs).get("queue") or []


def has_uploads(rclone: Daemon, fs: str) -> bool:
    """Whether anything is being sent for the file system *fs*, also if that has ended. Raises as ``queue_of``.

    What rclone has sent, but not yet renamed, it does not call off then.
    """
    own, under_way = fs.partition(":")[0], rclone.call("core/stats").get("transferring") or ()
    return any(each.get("dstFs", "").partition(":")[0] == own for each in under_way)


def is_member(name: str, family: str) -> bool:
    """Whether the file system *name*, with or without its root, is one of *family*.

    Its name begins with that, unless it is a remote of rclone's configuration: then ``note`` has written it down.
    """
    own = name.partition(":")[0]
    if re.fullmatch(re.escape(family) + r"(?:-[0-9a-f]+)*(?:\{[^}]*\})?", own):
        return True
    return not own.startswith("mpr-") and family.startswith("mpr-rclone ") and _said_of(own).get("family") == family


def family_of(fs: str) -> str:
    """The smallest family of the file system *fs*: its name without what rclone adds to that for its options."""
    return re.sub(r"\{[^{}]*\}$", "", fs.partition(":")[0])


def note(
    cache: Path,
    fs: str,
    remote_name: str,
    user: str | None,
    *,
    provider: str | None = None,
    options: Mapping[str, str] | None = None,
    family: str | None = None,
    rclone: Daemon | None = None,
) -> None:
    """Write down which resource the file system *fs* is of, before anything is written to it.

    provider, options: with which it was connected; no option is a secret. family: see ``is_member``. rclone: which
    has it.
    """
    with suppress(OSError):  # what cannot be read later is told by the name of the file system
        name = fs.partition(":")[0]
        what = {"remote_name": remote_name, "user": user, "provider": provider, "options": dict(options or {})}
        _write_down(cache, name, {**what, "family": family, "rclone": rclone and (rclone.pid, rclone.started)})


def leave_to_next(cache: Path, fs: str) -> None:
    """Write down that no connection has the file system *fs* any more, until ``note`` does otherwise.

    Its last mount has gone, whether rclone has ended it yet or not: what waits of it is for the next connection.
    """
    name = fs.partition(":")[0]
    with suppress(OSError):  # then `mpr list` takes it for what another connection sends
        if any(_dirty(cache / "vfsMeta" / name)) and (said := _said_of(name, cache)):
            _write_down(cache, name, {**said, "left": True})


def _write_down(cache: Path, name: str, said: Mapping[str, Any]) -> None:
    file, new, text = places.private(cache / "resources") / name, cache / "resource.new", json.dumps(said)
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        new.write_text(text, encoding="utf-8")
        new.replace(file)  # on a full disk what was written down stays


def is_elsewhere(cache: Path, fs: str, rclone: Daemon | None) -> bool:
    """Whether another rclone than *rclone*, one that runs and has mounts, may have the file system *fs*.

    It was started where the runtime directory was another one, as before the first login, or was before it was made
    anew, as after the last logout. Both would send, rename and drop the same files of the *cache*.
    """
    with suppress(ValueError, LookupError, TypeError):
        pid, started = _said_of(fs.partition(":")[0], cache)["rclone"]
        is_another = rclone is None or (pid, started) != (rclone.pid, rclone.started)
        return is_another and started_at(pid) == started and served_by(pid) > 0
    return False


def resource_of(fs: str) -> tuple[str, str | None]:
    """The remote name and the user that ``note`` wrote down of the file system *fs*, or what of them is in its name."""
    said = _noted(fs)
    return said["remote_name"], said["user"]


def _noted(fs: str) -> dict[str, Any]:
    """What ``note`` wrote down, or as much of it as is known; an earlier version did not write all."""
    name = fs.partition(":")[0]
    known: dict[str, Any] = {"remote_name": name, "user": None, "provider": None, "options": {}}
    said = _said_of(name)
    return {key: said.get(key, usual) for key, usual in known.items()}


def _said_of(name: str, cache: Path | None = None) -> dict[str, Any]:
    cache = cache or places.state_dir() / "cache"
    try:
        said = json.loads((cache / "resources" / name).read_bytes())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def is_of(fs: str, waiting: Waiting) -> bool:
    """Whether the file system *fs* has what is told as *waiting*: options too tell resources apart, as endpoints do."""
    return all(getattr(waiting, key) == said for key, said in _noted(fs).items())


def options_of(fs: str) -> dict[str, str]:
    """The options that ``note`` wrote down of the file system *fs*; none if it did not."""
    return dict(_noted(fs)["options"])


def waiting() -> list[Waiting]:
    """All that is unsent, of living and dead file systems, and what ``adopt`` put aside. Raises ``WNetError``."""
    try:
        return _waiting(places.state_dir() / "cache")
    except OSError as error:
        status, hint = shortage(error) or (Status.ERROR_DATABASE_FAILURE, "check the disk that it is on")
        raise WNetError(
            status,
            f"what waits there to be sent cannot be read: {error.strerror}",
            name=str(error.filename or places.state_dir() / "cache"),
            hint=hint,
        ) from error


def _waiting(cache: Path) -> list[Waiting]:
    found = []
    pending: dict[str, list[Unsent]] = {}
    for each in unsent(f"{cache}/vfsMeta"):  # one look at them all: there may be a thousand, and hardly any has a file
        name, _, path = each.path.partition("/")
        if each.size or Path(f"{cache}/vfs/{each.path}").exists():  # else a discard was killed when it had removed that
            pending.setdefault(name, []).append(Unsent(path, each.size))
    damaged = _directories(cache / "damaged")
    for name in sorted({*pending, *damaged}):
        files = pending.get(name, [])
        aside = tuple(sorted(map(Path, _files(cache / "damaged" / name)))) if name in damaged else ()
        if files or aside:
            names = tuple(sorted(each.path for each in files))
            sent_later = Pending(len(files), sum(each.size for each in files))
            left = _said_of(name, cache).get("left") is True
            found.append(Waiting(pending=sent_later, aside=aside, names=names, is_left=left, **_noted(name)))
    return found


def adopt(rclone: Daemon, family: str, fs: str) -> list[str]:
    """Move what other members of *family* have left unsent to the directories of *fs*, mended.

    Returns the paths of what rclone finds unsent there when it begins with *fs*: see ``take_up``. family: what the
    names of all file systems for one resource and user begin with. The caller keeps others from starting one. Raises
    ``Refused``, ``OSError`` and ``WNetError``, ERROR_DISK_FULL among them; nothing is lost then.
    """
    cache, living = rclone.cache, {each.partition(":")[0] for each in rclone.call("vfs/list")["vfses"]}
    name, meta = fs.partition(":")[0], _directories_of(cache, fs)[0]
    if name in living:
        return []
    try:
        check_room(cache)
    except WNetError:
        clear(cache, fs)  # it may have ended too late for the disconnect to do that
        check_room(cache)
    found = unsent(meta)
    if stuck := _mend(rclone, name, fs, found, family):
        _put_off(cache, name, family, stuck)
    moved = 0
    for left in _left(rclone, family, name):
        if left not in living:
            theirs = unsent(_directories_of(cache, fs, left)[0])
            moved += _move(cache, left, name, but=_mend(rclone, left, fs, theirs, family))
    if moved:
        files = "1 file that was" if moved == 1 else f"{moved} files that were"
        log.warning("%s not sent by an earlier connection will be sent by this one", files)
    if found or moved:  # else it need not be looked through again
        found = unsent(meta)
    until = monotonic() + _PATIENCE
    return [each.path for each in found if each.size or monotonic() > until or not _is_sent(rclone, fs, each.path)]


def is_left_behind(rclone: Daemon, family: str, fs: str) -> bool:
    """Whether something waits for the next connection that one to *fs* would not send, since *fs* lives already.

    So it is where a connection was made beside another one whose password, or whose host key, was no longer right.
    """
    name = fs.partition(":")[0]
    left = {each for each in _left(rclone, family, name) if any(_dirty(rclone.cache / "vfsMeta" / each))}
    if not left:  # as nearly always
        return False
    living = {each.partition(":")[0] for each in rclone.call("vfs/list")["vfses"]}
    return name in living and not left <= living


def put_off(cache: Path, fs: str) -> list[str]:
    """Leave to a later connection what ``adopt`` could not make whole, so that *fs* can be mounted without that.

    Returns the paths of all else that is unsent, as ``adopt`` does. Raises ``OSError``.
    """
    from mprouter.providers.rclone.mend import lacks_parts

    name, meta = fs.partition(":")[0], _directories_of(cache, fs)[0]
    _put_off(cache, name, family_of(fs), [file for each in unsent(meta) if lacks_parts(file := meta / each.path)])
    return [each.path for each in unsent(meta)]


def held_back(cache: Path, fs: str) -> set[Path]:
    """What ``adopt`` has put aside of the file system *fs*, and what was left to a later connection."""
    name = fs.partition(":")[0]
    later = [each for each in _directories(cache / "vfsMeta") if re.fullmatch(re.escape(family_of(fs)) + "(-0)+", each)]
    return {*map(Path, _files(cache / "damaged" / name))}.union(*(_dirty(cache / "vfsMeta" / each) for each in later))


def take_up(rclone: Daemon, fs: str, mountpoint: Path, paths: Collection[str]) -> None:
    """Have rclone know the files *paths*, which ``adopt`` returned, for those that it sends; right after the mount.

    What rclone finds unsent when it begins it sends, but without connecting it with the file in its directory, which
    would be empty as soon as it is sent, removed or renamed in vain (rclone/rclone#9876), or read for ever where it has
    become shorter: unless the file is opened before. One whose sending has begun, as where there are very many, is
    forgotten instead when it is sent, and found on the server.
    """
    if not paths:
        return
    from mprouter.providers.rclone.rc import Refused

    for each in queue_of(rclone, fs):
        with suppress(Refused):  # it is sent
            rclone.call("vfs/queue-set-expiry", fs=fs, id=each["id"], expiry=_LATER)
    queue = {each["name"]: each for each in queue_of(rclone, fs)}
    late = [path for path in paths if path not in queue or queue[path]["uploading"]]
    for path in set(paths).difference(late):
        with suppress(OSError), (mountpoint / path).open("rb", buffering=0) as file:
            file.read(1)
    if late:
        wait_until(lambda: {each["name"] for each in queue_of(rclone, fs)}.isdisjoint(late), _PATIENCE)
        files: dict[str, Any] = {f"file{number}": path for number, path in enumerate(late)}
        with suppress(Refused):
            rclone.call("vfs/forget", fs=fs, **files)


def _left(rclone: Daemon, family: str, name: str) -> list[str]:
    """What else than *name* the cache has of *family*, but what another rclone has: that one sends it."""
    cache = rclone.cache
    names = [each for each in sorted(_directories(cache / "vfsMeta")) if each != name and is_member(each, family)]
    return [each for each in names if not is_elsewhere(cache, each, rclone)]


def _is_sent(rclone: Daemon, fs: str, path: str) -> bool:
    """Send the empty file *path* now, since to open one does not do for ``take_up``; False if that cannot be."""
    from mprouter.providers.rclone.rc import Refused

    meta, data = _directories_of(rclone.cache, fs)
    try:
        rclone.call("operations/copyfile", timeout=60, srcFs=str(data), srcRemote=path, dstFs=fs, dstRemote=path)
    except (Refused, WNetError):
        return False
    (meta / path).unlink()
    return True


def check_room(cache: Path) -> None:
    """Raise ``WNetError`` ERROR_DISK_FULL if there is no room for what is written, even with the reserve."""
    reserve.give_up(cache.parent, ROOM)
    places.private(cache)
    if not reserve.has_room(cache, ROOM):
        raise WNetError(
            Status.ERROR_DISK_FULL,
            f"the disk of {cache}, where what is written waits to be sent, is full",
            hint="make room there, or connect with -o read_only=yes",
        )


def refuse_without_cache(cache: Path, fs: str) -> NoReturn:
    """Raise ``WNetError``: *fs* is mounted without a cache, as rclone does where it can make none: nothing is kept."""
    status, why = Status.ERROR_EXTENDED_ERROR, "rclone's log says why"
    try:
        for each in _directories_of(cache, fs):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        status, _ = shortage(error) or (Status.ERROR_ACCESS_DENIED, None)
        why = f"{error.filename}: {error.strerror}"
    raise WNetError(
        status,
        f"there can be no cache, where what is written waits to be sent ({why})",
        hint=f"see what is wrong with {cache}, or connect with -o read_only=yes",
    )


def clear(cache: Path, fs: str) -> None:
    """Drop the copies of what the server has, when *fs* has ended and nothing waits there. See ``adopt`` for others."""
    name = fs.partition(":")[0]
    if not any(_dirty(cache / "vfsMeta" / name)):
        _drop(cache, name)


def close(cache: Path, fs: str) -> None:
    """Note that all that waits of the file system *fs*, which has ended, was closed: nobody has it open any more."""
    meta, data = _directories_of(cache, fs)
    if left := unsent(meta):  # else what mends need not be loaded
        from mprouter.providers.rclone import mend

        for each in left:
            with suppress(OSError):  # on a full disk it stays one that was being written
                mend.close(meta, data, each.path)


def _put_off(cache: Path, name: str, family: str, descriptions: Collection[Path]) -> None:
    """Give what cannot be mended now to others of *family*, which no rclone has, and a later connection adopts."""
    import shutil

    for file in descriptions:
        inner, later = file.relative_to(cache / "vfsMeta" / name), f"{family}-0"
        while (cache / "vfs" / later / inner).exists():  # put off before, and then the file was written again
            later += "-0"
        meta, data = (cache / kind / later / inner for kind in ("vfsMeta", "vfs"))
        for each in (meta, data):
            each.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(cache / "resources" / name, cache / "resources" / later)
        shutil.copy2(file, meta)  # in this order, since data without a description would be dropped
        (cache / "vfs" / name / inner).replace(data)
        file.unlink()
        leave_to_next(cache, later)


def _move(cache: Path, old: str, new: str, *, but: Collection[Path]) -> int:
    """Move the dirty files of *old* to *new*, then drop the rest of *old*: copies of what the server has.

    but: descriptions of what stays.
    """
    import shutil

    moved = 0
    for file in set(_dirty(cache / "vfsMeta" / old)) - set(but):
        inner = file.relative_to(cache / "vfsMeta" / old)
        meta, data = (cache / kind / new / inner for kind in ("vfsMeta", "vfs"))
        if meta.exists() and not (cache / "vfs" / old / inner).exists():
            continue  # moved by an earlier attempt, which was cut short then; it may have been written again since
        for each in (meta, data):
            each.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy = cache / "description.new"  # beside *meta* its name could be too long
        shutil.copy2(file, copy)
        copy.replace(meta)  # in this order, since data without a description would be dropped
        with suppress(FileNotFoundError):  # an earlier attempt was cut short after this step
            (cache / "vfs" / old / inner).replace(data)
        file.unlink()
        moved += 1
    if not but:
        _drop(cache, old)
    return moved


def _drop(cache: Path, name: str) -> None:
    """Remove what there is of the file system *name*, but what was put aside."""
    import shutil

    for kind in ("vfs", "vfsMeta"):
        shutil.rmtree(cache / kind / name, ignore_errors=True)
    if not (cache / "damaged" / name).exists():
        (cache / "resources" / name).unlink(missing_ok=True)


def _directories_of(cache: Path, fs: str, name: str | None = None) -> tuple[Path, Path]:
    """Where the descriptions and the data of *fs* are. name: instead, those of its root in another file system."""
    own, _, root = fs.partition(":")
    return cache / "vfsMeta" / (name or own) / root.strip("/"), cache / "vfs" / (name or own) / root.strip("/")


def _mend(rclone: Daemon, name: str, fs: str, left: Sequence[Unsent], family: str) -> list[Path]:
    """Set right what a killed rclone has *left* of the file system *name*, for the file system *fs* of *family*.

    Returns the descriptions of the files for whose rest, which is on the server, there is no room.
    """
    if not left:  # as most often, and what mends takes a while to load
        return []
    from mprouter.providers.rclone.mend import mend
    from mprouter.providers.rclone.rc import Refused
    from mprouter.providers.rclone.server import Server

    meta, data = _directories_of(rclone.cache, fs, name)
    members = [each for each in _directories(rclone.cache / "vfsMeta") if each != name and is_member(each, family)]
    others = [_directories_of(rclone.cache, fs, each) for each in sorted(members)]
    aside = rclone.cache / "damaged" / fs.partition(":")[0]
    server, stuck = Server(rclone, fs, [each.path for each in left]), []
    _end_uploads(rclone, name, server, data, left)
    for each in left:
        if not is_unsent(meta / each.path):  # it was just sent
            continue
        try:
            mend(meta, data, server, each.path, others=others, aside=aside)
        except (Refused, OSError) as error:
            if re.search(_NO_ROOM, str(error)) is None:
                raise
            stuck.append(meta / each.path)
            log.warning(
                "%s: no room to fetch the rest of it: it is sent by a later connection, when there is", each.path
            )
    return stuck


def _end_uploads(rclone: Daemon, name: str, server: Server, data: Path, left: Sequence[Unsent]) -> None:
    """Let no upload of what is *left* in *data* arrive later than what is done about it now; see ``Server.withdraw``.

    What was begun for the file system *name*, which has ended, would also take note of its success where *data* are.
    """
    for each in left:
        if (data / each.path).exists():
            server.withdraw(each.path, data)
    wait_until(lambda: not has_uploads(rclone, name), _ENDING)


def _dirty(meta: str | Path) -> Iterator[Path]:
    """The descriptions of dirty files, and those that are not whole: one that is being written is not for a moment."""
    return filter(is_unsent, map(Path, _files(meta)))


def is_unsent(description: Path) -> bool:
    """Whether the file that it describes, if there is one, is dirty, or the description not whole."""
    try:
        content = description.read_bytes()
    except FileNotFoundError:
        return False
    return b'"Dirty": true' in content or not content.rstrip().endswith(b"}")


def _size(description: Path) -> int:
    """Of the data; what a killed rclone had written down of it may be older."""
    try:
        return Path(str(description).replace("/vfsMeta/", "/vfs/", 1)).stat().st_size
    except OSError:
        return 0


def _directories(path: Path) -> set[str]:
    """The names of the directories in a directory, which need not be there."""
    if not path.is_dir():
        return set()
    with os.scandir(path) as found:
        return {each.name for each in found if each.is_dir()}


def _files(path: str | Path) -> list[str]:
    """The files below a directory. ``os.walk`` takes twice as long, for each of very many file systems."""
    files: list[str] = []
    directories = [os.fspath(path)]
    while directories:
        try:
            entries = [*os.scandir(directories.pop())]  # to its depths first: the kernel finds those sooner
        except (FileNotFoundError, NotADirectoryError):  # it has just gone
            continue
        for each in entries:
            (directories if each.is_dir(follow_symlinks=False) else files).append(each.path)
    return files

"""What the shell offers for an unfinished word. It only reads, and where it cannot read it offers nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

    from mprouter.store import Store

__all__ = [
    "connections",
    "events",
    "net_use",
    "new_local_names",
    "notifyees",
    "providers",
    "remembered",
    "remote_names",
]

_Offer = tuple[str, str]
"""A word, and what it is."""

_Completer = Callable[["click.Context", "click.Parameter", str], "list[CompletionItem]"]


def _completer(offers: Callable[[], Iterable[_Offer]]) -> _Completer:
    """From words to what click asks for: those that begin with what is typed, and nothing instead of an error."""

    @wraps(offers)
    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        import logging

        from click.shell_completion import CompletionItem

        del ctx, parameter
        typed = incomplete.lower()
        logging.disable()  # a message would stand in the middle of the line that is being typed
        try:
            found = dict(offers())
        except Exception:  # noqa: BLE001 - the same
            return []
        finally:
            logging.disable(logging.NOTSET)
        return [
            CompletionItem(
                word, help=what if what and "\\" not in word else None
            )  # in zsh what is explained loses them
            for word, what in found.items()
            if word.lower().startswith(typed) and word.isprintable()
        ]

    return complete


@_completer
def connections() -> Iterable[_Offer]:
    """The local names, and the remote names of deviceless connections."""
    for entry in _store().entries():
        yield (entry.local_name, entry.remote_name) if entry.local_name else (entry.remote_name, "without a local name")
    for each in _store().remembered():
        yield each.local_name, each.remote_name


@_completer
def remembered() -> Iterable[_Offer]:
    """The local names of remembered connections."""
    return [(each.local_name, each.remote_name) for each in _store().remembered()]


@_completer
def events() -> Iterable[_Offer]:
    """The names in the latest events."""
    for event in reversed(_store().events(last=500)):
        for name in (event.local_name, event.remote_name):
            if name:
                yield name, ""


@_completer
def remote_names() -> Iterable[_Offer]:
    """The remote names that are connected or remembered, or were connected lately."""
    for entry in _store().entries():
        yield entry.remote_name, entry.local_name or ""
    for each in _store().remembered():
        yield each.remote_name, each.local_name
    for event in reversed(_store().events(last=500)):
        if event.remote_name:
            yield event.remote_name, ""


@_completer
def notifyees() -> Iterable[_Offer]:
    """The registered notifyees; none of them is loaded."""
    from mprouter.notify import registration

    return [(each.name, each.target or "") for each in registration.load(entry_points=False)]


@_completer
def providers() -> Iterable[_Offer]:
    """The network providers; those of others are not loaded."""
    from mprouter.providers import registration

    return [(each.name, each.target or "") for each in registration.builtin() + registration.load(entry_points=False)]


def net_use(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Switches after a slash; else letters, and remote names that are known."""
    if incomplete[:1] == "/" and incomplete[:2] != "//":
        return _switches(ctx, parameter, incomplete)
    return connections(ctx, parameter, incomplete) or [
        *_free_letters(ctx, parameter, incomplete),
        *remote_names(ctx, parameter, incomplete),
    ]


@_completer
def _switches() -> Iterable[_Offer]:
    return [
        ("/user:", "the user name on the server"),
        ("/persistent:yes", "remember it and what is connected later"),
        ("/persistent:no", "do not"),
        ("/savecred", "keep the password"),
        ("/delete", "disconnect and forget"),
        ("/y", "yes to all questions"),
        ("/no", "no to all questions"),
    ]


def new_local_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A path, or a drive letter that is free."""
    from click.shell_completion import CompletionItem

    if incomplete[:1] in {"/", ".", "~"}:
        return [CompletionItem(incomplete, type="dir")]
    return _free_letters(ctx, parameter, incomplete)


@_completer
def _free_letters() -> Iterable[_Offer]:
    from mprouter.names import DRIVE_LETTERS

    taken = {each.local_name for each in _store().entries()} | {each.local_name for each in _store().remembered()}
    return [(letter, "") for letter in DRIVE_LETTERS if letter not in taken]


def _store() -> Store:
    """The user's store, if there is one; to look at it must not make it."""
    from mprouter import places
    from mprouter.store import FILE_NAME, Store

    if not (places.state_dir() / FILE_NAME).exists():
        raise FileNotFoundError(FILE_NAME)
    return Store()

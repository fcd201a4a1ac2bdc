"""The policy: allow and deny globs for remote names, and a reason that the caller is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from mprouter.names import match_pattern, parse_remote
from mprouter.notify.model import AddConnect, NotifyInfo, Phase
from mprouter.notify.python import notifyee
from mprouter.status import Cancel, Status, WNetError

__all__ = ["Policy"]


@notifyee(name="policy", order=20, required=True, thread_safe=True)
class Policy:
    """Vetoes connections to resources that are not allowed (N9). It is told early, before anything is dialled.

    deny, allow: globs on remote names, compared with every spelling of a name, as ``match`` of a registration. A name
    that one of *deny* matches is refused; else one that one of *allow* matches is allowed; else *default* decides:
    None = "deny" where *allow* is given, "allow" where not. reason: what the caller is told, None = that the name is
    not allowed. Users are no part of the names that notifyees see (N15).

    Raises ``WNetError``: ERROR_BAD_CONFIGURATION for a glob that is none.
    """

    def __init__(
        self,
        *,
        allow: Sequence[str] = (),
        deny: Sequence[str] = (),
        default: Literal["allow", "deny"] | None = None,
        reason: str | None = None,
    ) -> None:
        self._allow = _tests("allow", allow)
        self._deny = _tests("deny", deny)
        self._allows_others = default == "allow" or (default is None and not allow)
        self._reason = reason

    def add_connect_notify(self, info: NotifyInfo, event: AddConnect) -> None:
        """Pre: let it pass, or raise ``Cancel``. It leaves no context, so there is no post (N6)."""
        name = event.resource.remote_name or ""
        if info.phase is Phase.PRE and not self._allows(name):
            raise Cancel(self._reason or f"the policy does not allow connections to {name}")

    def _allows(self, name: str) -> bool:
        try:
            forms = parse_remote(name).forms
        except WNetError:  # a name that nobody understands
            return False
        if any(matches(forms) for matches in self._deny):
            return False
        return self._allows_others or any(matches(forms) for matches in self._allow)


def _tests(key: str, globs: Sequence[str]) -> list[Callable[[tuple[str, ...]], bool]]:
    try:
        return [match_pattern(each) for each in globs]
    except WNetError as error:
        raise WNetError(
            Status.ERROR_BAD_CONFIGURATION, f"{key}: {error.name!r} is not a glob on remote names"
        ) from error

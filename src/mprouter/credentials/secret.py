"""A password as a value that does not show itself."""

from __future__ import annotations

from typing import Literal, NoReturn, SupportsIndex, final

from mprouter.frozen import frozen

__all__ = ["Found", "Secret"]


@final
class Secret:
    """A password. It prints as ``***``, cannot be pickled or copied, and is told by ``reveal`` alone."""

    __slots__ = ("_value",)

    __hash__ = None  # type: ignore[assignment]  # a hash would tell something of the value

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"a password is a str, not {type(value).__name__}")
        self._value = value

    def reveal(self) -> str:
        """The password itself, for whoever has to send it."""
        return self._value

    def __eq__(self, other: object) -> bool:
        """Whether both are the same password; how long that takes does not tell where they differ."""
        if not isinstance(other, Secret):
            return NotImplemented
        from hmac import compare_digest

        mine, theirs = (each._value.encode(errors="surrogatepass") for each in (self, other))  # noqa: SLF001
        return compare_digest(mine, theirs)

    def __repr__(self) -> str:
        return "***"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a password cannot be pickled or copied")


@frozen
class Found:
    """A stored password. user: whose; None where the source does not say. source: where it was."""

    user: str | None
    password: Secret
    source: Literal["keyring", "file", "netrc"]

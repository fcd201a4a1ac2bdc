"""From the command, or the call, to a path that can be listed: cold, warm, and in a program; on three networks.

Cold: nothing of theirs runs, neither our rclone nor gvfsd. Warm: these run, and no connection is there; what they keep
of the last one for a minute, a session with the server, they have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ground import Ground
from harness import Case, Goal, Kind, Role, timed
from peers import NETWORKS, Command, InProcess, Mounter, mounters, share

CASES = (("cold", 1.2), ("warm", 1.0), ("from Python, warm", 0.5))


def cases(ground: Ground) -> Iterator[Case]:
    """Three for each network."""
    for network in NETWORKS:
        shared = share(ground, network)
        cold, warm = (mounters(ground, shared, warm=each) for each in (False, True))
        ours: Sequence[tuple[Mounter, list[Mounter]]] = (
            (Command(shared, ground, warm=False), cold),
            (Command(shared, ground, warm=True), warm),
            (InProcess(shared, ground), warm),
        )
        for mounter in (ours[1][0], ours[2][0], *warm):  # what is to be warm is
            mounter.mount()
            mounter.unmount()
        for (what, ratio), (mounter, peers) in zip(CASES, ours, strict=True):
            kinds = [kind(mounter, Role.OURS), *(kind(each, Role.PEER) for each in peers)]
            yield Case(f"{network}: connect, {what}", "ms", kinds, [Goal(ratio)], rounds=11)


def kind(mounter: Mounter, role: Role) -> Kind:
    """Mounting is measured, unmounting is not."""
    return Kind(mounter.name, role, timed(mounter.mount, "ms"), mounter.unmount)

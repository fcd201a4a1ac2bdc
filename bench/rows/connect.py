"""From the command, or the call, to a path that can be listed: cold, warm, and in a program; on three networks.

Cold: nothing of ours runs. Warm: the rclone that holds connections runs, and none to this server is there.
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
        peers = mounters(ground, shared)
        ours: Sequence[Mounter] = (
            Command(shared, ground, warm=False),
            Command(shared, ground, warm=True),
            InProcess(shared, ground),
        )
        for each in (*ours[1:], *peers):  # what is to be warm is
            each.mount()
            each.unmount()
        for (what, ratio), mounter in zip(CASES, ours, strict=True):
            kinds = [kind(mounter, Role.OURS), *(kind(each, Role.PEER) for each in peers)]
            yield Case(f"{network}: connect, {what}", "ms", kinds, [Goal(ratio)], rounds=11)


def kind(mounter: Mounter, role: Role) -> Kind:
    """Mounting is measured, unmounting is not."""
    return Kind(mounter.name, role, timed(mounter.mount, "ms"), mounter.unmount)

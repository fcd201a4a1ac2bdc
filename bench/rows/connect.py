"""From the command, or the call, to a path that can be listed: cold, warm, and in a program; on three networks.

Cold: nothing of theirs runs, neither our rclone nor gvfsd. Warm: these run, and no connection is there. Ours is then
measured twice: where rclone has not been at this server, so that it logs in, and where it was there within a minute,
for which it keeps the session that it had.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ground import Ground
from harness import Case, Goal, Kind, Role, timed
from peers import NETWORKS, Before, Command, InProcess, Mounter, mounters, share


def cases(ground: Ground) -> Iterator[Case]:
    """Four for each network."""
    for network in NETWORKS:
        shared = share(ground, network)
        (shared.root / "report.txt").write_text("as most directories have something in them\n")
        cold, warm = (mounters(ground, shared, warm=each) for each in (False, True))
        ours: Sequence[tuple[str, float, Mounter, list[Mounter]]] = (
            ("cold", 1.2, Command(shared, ground, before=Before.NOTHING), cold),
            ("warm, first to the server", 1.0, Command(shared, ground, before=Before.RCLONE), warm),
            ("warm, again within a minute", 1.0, Command(shared, ground), warm),
            ("from Python, warm, again within a minute", 0.5, InProcess(shared, ground), warm),
        )
        for mounter in (*(mounter for _, _, mounter, _ in ours[1:]), *warm):  # what is to be warm is
            mounter.mount()
            mounter.unmount()
        for what, ratio, mounter, peers in ours:
            kinds = [kind(mounter, Role.OURS), *(kind(each, Role.PEER) for each in peers)]
            yield Case(f"{network}: connect, {what}", "ms", kinds, [Goal(ratio)], rounds=11)


def kind(mounter: Mounter, role: Role) -> Kind:
    """Mounting is measured, unmounting is not."""
    return Kind(mounter.name, role, timed(mounter.mount, "ms"), mounter.unmount, mounter.engine)

"""The demonstration's policy: a plain function is told before only, and may refuse (N9)."""

from mprouter import AddConnect, Cancel


def policy(event: AddConnect) -> None:
    """Refuse every server that is not on this machine."""
    if "//127.0.0.1" not in str(event.resource.remote_name):
        raise Cancel("the policy of this demonstration allows only servers on this machine")

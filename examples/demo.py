"""The main job, for real, in under a minute: a network drive, and notifyees that are told before and after.

Everything happens in a temporary directory and on the loopback address; at the end nothing is left. Run it with
``make demo``.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent / "demo"
MPR = Path(sys.executable).with_name("mpr")


def main() -> None:
    """Set the scene, play it, clean up."""
    directory = Path(tempfile.mkdtemp(prefix="mpr-demo-"))
    try:
        prepare(directory)
        play(directory)
    finally:
        clean_up(directory)


def prepare(directory: Path) -> None:
    """A home of its own for mprouter, an SSH key pair, and what the server will serve; the server does not run yet."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for place in ("SYSTEM", "CONFIG", "STATE", "RUNTIME", "DRIVES"):
        os.environ[f"MPROUTER_{place}_DIR"] = str(directory / place.lower())
    os.environ |= {"HOME": str(directory), "DEMO_DIRECTORY": str(directory), "DEMO_PORT": str(port)}
    os.environ.pop("SSH_AUTH_SOCK", None)
    for key in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / key], check=True)
    kind, public, *_ = (directory / "host_key.pub").read_text().split()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {public}\n")
    for name in ("projects", "unsteady"):
        (directory / "served" / name).mkdir(parents=True)
    (directory / "served" / "projects" / "README").write_text("Hello from the other side.\n")


def play(directory: Path) -> None:
    """What a user types, and what comes of it."""
    server = f"sftp://demo@127.0.0.1:{os.environ['DEMO_PORT']}"
    key = ("-o", f"key_file={directory / 'user_key'}", "-o", f"known_hosts={directory / 'known_hosts'}")

    say("Three notifyees are registered: a policy, a dialler, and an auditor that is a shell script")
    mpr("notify", "add", "policy", f"python:{HERE / 'policy.py'}:policy", "--order", "10", "--operation", "add")
    mpr("notify", "add", "dialler", f"python:{HERE / 'dialler.py'}:dial", "--order", "20")
    mpr("notify", "add", "auditor", f"command:{HERE / 'auditor'}", "--order", "90")
    mpr("notify", "list")

    say("No server runs. The dialler is told before the connection is made, and starts it")
    mpr("connect", f"{server}/projects", "Z:", *key)
    mpr("list")

    say("The remote directory is a local one: read a file, write a file")
    drive = directory / "drives" / "Z"
    print("  ", (drive / "README").read_text().rstrip())
    (drive / "notes.txt").write_text("Written through the drive.\n")

    say("Disconnecting delivers what was written; then the dialler hangs up")
    mpr("disconnect", "Z:")
    print("   on the server:", (directory / "served" / "projects" / "notes.txt").read_text().rstrip())

    say("A connection that the policy vetoes")
    mpr("connect", "sftp://elsewhere.example/secret", "Y:", fails=True)

    say("A line that drops at first: the dialler asks for a retry, and the connection is made after all")
    mpr("connect", f"{server}/unsteady", "Y:", *key)
    mpr("disconnect", "Y:")

    say("What happened, call by call")
    mpr("events")
    say("The auditor's own notes")
    print((directory / "audit.log").read_text())


def say(text: str) -> None:
    """One line of narration."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def mpr(*arguments: str, fails: bool = False) -> None:
    """Show a command and run it."""
    print("$ mpr", *arguments, flush=True)
    if (subprocess.run([MPR, *arguments], check=False).returncode != 0) is not fails:
        sys.exit("the demonstration went wrong here")


def clean_up(directory: Path) -> None:
    """Disconnect what is left, end the two servers that were started, remove the directory."""
    from mprouter.providers.rclone import daemon

    for letter in ("Z", "Y"):
        if os.path.ismount(directory / "drives" / letter):
            subprocess.run([MPR, "disconnect", f"{letter}:", "--force"], check=False)
    daemon.stop()
    number = directory / "server.pid"
    if number.exists():
        os.kill(int(number.read_text()), signal.SIGTERM)
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()

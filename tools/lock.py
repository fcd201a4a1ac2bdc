#!/usr/bin/env python3
"""Write requirements.lock: what a fresh environment with mprouter and its dev group consists of."""

import subprocess
import tempfile
import tomllib
import venv
from pathlib import Path

with Path("pyproject.toml").open("rb") as file:
    project = tomllib.load(file)
with tempfile.TemporaryDirectory() as directory:
    venv.create(directory, with_pip=True)
    pip = [f"{directory}/bin/python", "-m", "pip", "--disable-pip-version-check"]
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    subprocess.run([*pip, "install", "--quiet", *wanted], check=True)
    frozen = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout
Path("requirements.lock").write_text(
    f"# The versions that mprouter is developed and tested with. Written by `make lock`.\n{frozen}",
    encoding="utf-8",
)
print(f"requirements.lock: {len(frozen.splitlines())} packages")

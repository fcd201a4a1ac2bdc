"""`mpr events`: the record as a timeline and as JSON, as it stands and as it grows (N20)."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from recorder import Script
from sandbox import Command as Run
from sandbox import Places

MPR = Path(sys.executable).with_name("mpr")


def test_n20_the_timeline_shows_every_call_and_how_it_ended(mpr: Run, resource: str, script: Script) -> None:
    assert mpr("events").stdout == "Nothing has happened yet.\n"
    script.does("""[ "$MPR_PHASE" = pre ] || echo '{"message": "noted"}'""")
    mpr("notify", "add", "script", script.target)
    mpr("connect", resource, "Z:")
    mpr("disconnect", "Z:")
    lines = mpr("events").stdout.splitlines()
    clock, took = r"  \d\d:\d\d:\d\d\.\d{3}", r" +[\d.]+ m?s"
    expected = [
        rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d  add  Z:  {re.escape(resource)}",
        rf"{clock}  pre   user/script{took}  WN_SUCCESS",
        rf"{clock}  post  user/script{took}  WN_SUCCESS  noted",
        rf"{clock}  end              {took}  WN_SUCCESS  by file",
        rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d  cancel  Z:  {re.escape(resource)}",
        rf"{clock}  pre   user/script{took}  WN_SUCCESS",
        rf"{clock}  post  user/script{took}  WN_SUCCESS  noted",
        rf"{clock}  end              {took}  WN_SUCCESS  by file",
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line), (pattern, line)


def test_n11_a_retry_is_seen_as_one(mpr: Run, local_root: Path, script: Script) -> None:
    script.does('[ "$MPR_STATUS" = 3 ] && exit 75; exit 0')
    mpr("notify", "add", "script", script.target)
    assert mpr("connect", f"{local_root.as_uri()}/missing", "Z:").returncode == 1
    shown = [line.split("  ", 2)[2] for line in mpr("events").stdout.splitlines()[1:]]
    calls = [re.sub(r" +[\d.]+ m?s", "", line) for line in shown]
    asks = "post  user/script  ERROR_PATH_NOT_FOUND -> WN_RETRY"
    assert calls[:5] == ["pre   user/script  WN_SUCCESS", asks, asks, asks, asks]
    assert calls[5].startswith("end ")
    assert "ERROR_PATH_NOT_FOUND" in calls[5]


def test_json_is_one_object_per_line(mpr: Run, resource: str, script: Script) -> None:
    mpr("notify", "add", "script", script.target)
    mpr("connect", resource, "Z:")
    events = [json.loads(line) for line in mpr("events", "--json").stdout.splitlines()]
    assert [(each["kind"], each["phase"], each["notifyee"]) for each in events] == [
        ("notify", "pre", "user/script"),
        ("notify", "post", "user/script"),
        ("operation", None, None),
    ]
    assert {each["operation_id"] for each in events} == {events[0]["operation_id"]}
    for each in events:
        assert (each["operation"], each["remote_name"], each["local_name"]) == ("add", resource, "Z:")
        assert (each["status"], each["code"]) == ("WN_SUCCESS", 0)
    assert (events[0]["answer"], events[0]["answer_code"], events[2]["answer"]) == ("WN_SUCCESS", 0, None)


def test_only_the_last_and_only_about_one_name(mpr: Run, resource: str) -> None:
    mpr("connect", resource, "Z:")
    mpr("connect", resource, "Y:")
    assert len(mpr("events", "--json").stdout.splitlines()) == 2
    assert [json.loads(mpr("events", "--json", "-n", "1").stdout)["local_name"]] == ["Y:"]
    assert [json.loads(mpr("events", "--json", "z:").stdout)["local_name"]] == ["Z:"]
    assert len(mpr("events", "--json", resource).stdout.splitlines()) == 2
    assert mpr("events", "-n", "0", "--json").stdout == ""
    assert mpr("events", "-n", "0").stdout == ""
    assert mpr("events", "X:").stdout == "Nothing is recorded about it.\n"


def test_follow_shows_what_happens_next_at_once_and_ends_well(mpr: Run, resource: str) -> None:
    mpr("connect", resource, "Z:")
    with subprocess.Popen(
        [MPR, "events", "--follow", "--json", "-n", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["operation"] == "add"
        mpr("disconnect", "Z:")
        assert json.loads(following.stdout.readline())["operation"] == "cancel"
        following.send_signal(signal.SIGINT)
        rest, errors = following.communicate(timeout=30)
    assert (following.returncode, rest, errors) == (0, "", "")


def test_follow_ends_when_nobody_reads_any_longer(places: Places) -> None:
    del places
    reading, writing = os.pipe()
    with subprocess.Popen([MPR, "events", "-f"], stdout=writing, stderr=subprocess.PIPE) as following:
        os.close(writing)
        os.close(reading)
        _, errors = following.communicate(timeout=30)
    assert (following.returncode, errors) == (141, b"")

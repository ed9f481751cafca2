#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The log of a daemon with --log=json: each line is an object, with the fields of the table."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

NAMES = ["time", "level", "event", "message", "pid", "fields"]
SFSHMD = [os.environ["SFSHMD"], "--config", "/dev/null", "--log=json"]


def fail(text):
    print(text)
    sys.exit(1)


def objects(path):
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file.read().split("\n")[:-1]]
    for line in lines:
        if list(line)[:6] != NAMES or set(line) - {*NAMES, "suppressed", "dropped"}:
            fail(f"names: {line}")
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]):
            fail(f"time: {line}")
    return {line["event"]: line for line in lines}


def refused(arguments):
    """What a start says that fails."""
    with tempfile.NamedTemporaryFile() as log:
        status = subprocess.run(arguments, stderr=log, check=False).returncode
        if status != 2:
            fail(f"{arguments} ended with {status}")
        with open(log.name, encoding="utf-8") as file:
            return file.read() if "--log=xml" in arguments else objects(log.name)


def wait_for(path, event, daemon):
    for _ in range(3000):
        found = objects(path)
        if event in found:
            return found[event]
        if daemon.poll() is not None:
            fail(f"the daemon has ended: {found}")
        time.sleep(0.02)
    return fail(f"no {event} in a minute")


def serve(directory):
    name = "/sfshm-json-" + os.path.basename(directory)
    settings = {"daemon.socket": f"{directory}/socket", "daemon.state_dir": f"{directory}/state",
                "daemon.shm": name, "workers.space": name, "workers.first": 5}
    os.mkdir(f"{directory}/state", 0o700)
    with open(f"{directory}/log", "wb") as log:
        daemon = subprocess.Popen(
            SFSHMD + [word for key, value in settings.items()
                      for word in ("--set", f"{key}={value}")], stderr=log)
    try:
        start = wait_for(log.name, "start", daemon)
        daemon.send_signal(signal.SIGHUP)
        wait_for(log.name, "reload", daemon)
        daemon.terminate()
        if daemon.wait(60) != 0:
            fail(f"the daemon ended with {daemon.returncode}")
    finally:
        daemon.kill()
        daemon.wait()
    expected = {"WORKER": 5, "WORKER_COUNT": 1, "SOCKET": f"{directory}/socket"}
    if start["fields"] != expected or start["pid"] != daemon.pid or start["level"] != "info":
        fail(f"start: {start}")
    objects(log.name)["stop"]


def main():
    unknown = refused(SFSHMD + ["--set", "daemon.\u00e9\"=1"])["config.unknown"]
    if unknown["fields"]["KEY"] != "daemon.\u00e9\"" or unknown["fields"]["ERRNO"] != 22:
        fail(f"unknown: {unknown}")
    if "text or json" not in refused(SFSHMD + ["--log=xml"]):
        fail("--log=xml is not refused")
    with tempfile.TemporaryDirectory(prefix="sfshm") as directory:
        serve(directory)


if __name__ == "__main__":
    main()

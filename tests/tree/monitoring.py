#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The alert rules and the dashboard: promtool accepts the rules and each alert fires in a case
of its own and not on a healthy host; docs/operations.md says what to do about each; every
metric that they name is in the table of shm/metrics.h."""
import json
import os
import re
import subprocess
import sys

SOURCE = os.environ["SFSHM_SOURCE"]
PLACE = f"{SOURCE}/daemon/monitoring"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def names_of(text):
    found = set(re.findall(r"\bsfshm_[a-z_]+", text))
    return {re.sub(r"_(bucket|count|sum)$", "", n) for n in found}


def declared():
    return set(re.findall(r'FAMILY\(\w+, "(\w+)"', read(f"{SOURCE}/shm/metrics.h")))


def check_names(file, text):
    for name in sorted(names_of(text) - declared()):
        yield f"{file}: no metric {name}"


def check_rules():
    rules, cases = read(f"{PLACE}/sfshm.rules.yml"), read(f"{PLACE}/sfshm.test.yml")
    page = read(f"{SOURCE}/docs/operations.md")
    alerts = re.findall(r"- alert: (\w+)", rules)

    for command in (["check", "rules", "sfshm.rules.yml"], ["test", "rules", "sfshm.test.yml"]):
        done = subprocess.run(["promtool", *command], cwd=PLACE, capture_output=True, text=True)
        if done.returncode != 0:
            yield f"promtool {' '.join(command)}: {done.stdout}{done.stderr}"
    for alert in alerts:
        case = re.search(rf"- name: {alert}\n(.*?)(?=\n  - name:|\Z)", cases, re.S)
        if not case or f"alertname: {alert}\n        exp_alerts:\n" not in case[1]:
            yield f"sfshm.test.yml: no case in which {alert} fires"
        if f"alertname: {alert}\n        exp_alerts: []" not in cases:
            yield f"sfshm.test.yml: {alert} is not looked for on a healthy host"
        if page.count(f"| `{alert}` |") != 1:
            yield f"docs/operations.md: {alert} needs one line"
    for name in set(re.findall(r"\| `(Sfshm\w+)` \|", page)) - set(alerts):
        yield f"docs/operations.md: no alert {name}"
    yield from check_names("sfshm.rules.yml", rules)
    yield from check_names("sfshm.test.yml", cases)


def check_dashboard():
    dashboard = json.loads(read(f"{PLACE}/grafana.json"))

    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            if not names_of(target["expr"]):
                yield f"grafana.json: {panel['title']}: no metric in {target['expr']}"
            yield from check_names("grafana.json", target["expr"])


def main():
    faults = [*check_rules(), *check_dashboard()]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


sys.exit(main())

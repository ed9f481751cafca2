#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts test cases in meson's testlog.json files: the last line is
"N passed, N failed" (", N skipped" when any). A program built on Criterion
counts by its cases, any other one as a single case. Above the count stand the
last lines of each failed program, the ten slowest programs, and the time of
each suite. Exit status 1 when anything failed or nothing ran."""
import collections
import json
import os
import re
import sys

SYNTHESIS = re.compile(
    r"Tested:\D*(\d+)\D*\| Passing:\D*(\d+)\D*\| Failing:\D*(\d+)\D*\| Crashing:\D*(\d+)")
LAST_LINES = 60
SLOWEST = 10
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def output(test):
    return ESCAPES.sub("", test.get("stdout", "") + test.get("stderr", ""))


def show(test, failed, cases, path):
    print(f"failed: {test['name']} ({failed} of {cases}, {test['result']}) in {path}")
    lines = [line for line in output(test).splitlines()
             if not line.startswith(("[RUN", "[PASS"))]
    for line in lines[-LAST_LINES:]:
        print("    " + line)


def count(test):
    """(passed, failed, skipped) of one program."""
    text = output(test)
    result = test["result"]
    if result == "SKIP":
        return 0, 0, 1
    ok = result in ("OK", "EXPECTEDFAIL")
    cases = SYNTHESIS.findall(text)
    if not cases:
        return (1, 0, 0) if ok else (0, 1, 0)
    tested, passing, failing, crashing = map(int, cases[-1])
    failed = failing + crashing
    skipped = len(re.findall(r"^\[SKIP\]", text, re.MULTILINE))
    if not ok and failed == 0:
        failed = 1
    return passing, failed, skipped


def configuration(path):
    """The name of the build directory: …/NAME/meson-logs/testlog.json."""
    return os.path.basename(os.path.dirname(os.path.dirname(os.path.abspath(path))))


def show_times(runs):
    """`runs`: (seconds, suite, name, configuration) of each program."""
    print(f"\nslowest programs, of {len(runs)}:")
    for seconds, suite, name, build in sorted(runs, reverse=True)[:SLOWEST]:
        print(f"{seconds:8.1f} s  {suite} / {name} ({build})")
    suites = collections.defaultdict(collections.Counter)
    for seconds, suite, _, build in runs:
        suites[suite][build] += seconds
    print("time of each suite, programs added up:")
    for suite, builds in sorted(suites.items(), key=lambda s: -sum(s[1].values())):
        parts = ", ".join(f"{build} {seconds:.1f}" for build, seconds in builds.items())
        print(f"{sum(builds.values()):8.1f} s  {suite} ({parts})")
    print()


def main():
    passed = failed = skipped = 0
    runs = []
    for path in sys.argv[1:]:
        try:
            with open(path, encoding="utf-8", errors="replace") as log:
                tests = [json.loads(line) for line in log]
        except OSError as error:
            print(f"no test results: {error}")
            failed += 1
            continue
        for test in tests:
            p, f, s = count(test)
            passed, failed, skipped = passed + p, failed + f, skipped + s
            if "duration" in test:
                suites, _, name = test["name"].rpartition(":")[2].rpartition(" / ")
                # the first is the one that it counts for; meson names none where a build
                # has only one
                suite = suites.partition("+")[0] or configuration(path)
                runs.append((test["duration"], suite, name, configuration(path)))
            if f:
                show(test, f, p + f, path)
    show_times(runs)
    line = f"{passed} passed, {failed} failed"
    print(line + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

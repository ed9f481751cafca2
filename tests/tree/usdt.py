#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usdt.py HOT-PATH-OBJECT LIBRARY DAEMON: the probes in library and daemon are those of
sfshm-probes(7), with as many arguments, and the object of the hot path has none."""
import os
import re
import subprocess
import sys

SOURCE = os.environ["SFSHM_SOURCE"]


def probes_of(path):
    """{(name, number of arguments)} of the provider sfshm."""
    notes = subprocess.run(["readelf", "-n", "-W", path], capture_output=True, text=True,
                           check=True).stdout
    found = re.findall(r"Provider: sfshm\n\s*Name: (\w+)\n.*?\n\s*Arguments:(.*)", notes)
    # an argument is SIZE@PLACE; a place in memory may have commas and spaces
    return {(name, len(re.findall(r"-?\d+@", arguments))) for name, arguments in found}


def documented(section):
    with open(f"{SOURCE}/libclient/man/sfshm-probes.7", encoding="utf-8") as file:
        part = re.search(rf"\.Ss Probes of {section}\n(.*?)\n\.El", file.read(), re.S)[1]
    return {(name, len(arguments.split(",")))
            for name, arguments in re.findall(r"\.It Li (\w+) Pq (.*)", part)}


def main():
    hot_path, library, daemon = sys.argv[1:]
    faults = []

    for path, section in ((library, "libsfshm"), (daemon, "sfshmd")):
        in_file, in_page = probes_of(path), documented(section)
        faults += [f"{path}: {p} is not in sfshm-probes(7)" for p in sorted(in_file - in_page)]
        faults += [f"{path}: {p} of sfshm-probes(7) is missing" for p in sorted(in_page - in_file)]
    if probes_of(hot_path):
        faults.append(f"{hot_path}: the hot path has probes")
    print("\n".join(faults))
    return 1 if faults else 0


sys.exit(main())

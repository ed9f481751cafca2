#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What *.md says about the rest of the repository is true: relative links and their
anchors resolve, named files exist, README.md has at most 1,200 words, and each event,
metric and configuration key of docs/ is one of the sources."""
import glob
import os
import re
import sys

EVENTS = "daemon/util/log_events.h"
README_WORDS_MAX = 1200
ROOMS = ["bench", "daemon", "docs", "libclient", "shm", "tests"]
SECTIONS = r"(?:daemon|id|workers|etcd|zookeeper|clock|reserve|limits|weights|caps)"
faults = []


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def anchors(text):
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def check_links(page, text):
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        path = os.path.join(os.path.dirname(page), path) if path else page
        if not os.path.exists(path):
            faults.append(f"{page}: the link to {target} leads nowhere")
        elif anchor and anchor not in anchors(read(path)):
            faults.append(f"{page}: {path} has no heading #{anchor}")


def check_paths(page, text):
    for path in re.findall(rf"`((?:{'|'.join(ROOMS)})/[\w./*-]*)`", text):
        # ROOM or MODULE stands for any
        if not glob.glob(re.sub(r"[A-Z]{2,}\b(?!\.md)", "*", path)):
            faults.append(f"{page}: there is no {path}")


def is_event(name, events):
    """NAME. and NAME- stand for all that begin so."""
    return (f'"{name}' if name[-1] in ".-" else f'"{name}"') in events


def check_names(page, text, events, manuals):
    for event in re.findall(r"event=([\w.-]+)", text):
        if not is_event(event, events):
            faults.append(f"{page}: no source logs event={event}")
    for metric in re.findall(r"`(sfshm_\w+)`", text):
        if metric not in manuals:
            faults.append(f"{page}: no manual page has {metric}")
    for key in re.findall(rf"`({SECTIONS}\.[a-z_]+)", text):
        if key not in manuals:
            faults.append(f"{page}: sfshmd.conf(5) has no {key}")


def main():
    os.chdir(os.environ["SFSHM_SOURCE"])
    pages = glob.glob("*.md") + [page for room in ROOMS
                                 for page in glob.glob(f"{room}/**/*.md", recursive=True)]
    events = read(EVENTS)
    manuals = "".join(read(p) for p in glob.glob("*/man/*"))
    for page in sorted(pages):
        text = read(page)
        check_links(page, text)
        check_paths(page, text)
        if page.startswith("docs/"):
            check_names(page, text, events, manuals)
    words = sum(1 for word in read("README.md").split() if re.search(r"\w", word))
    if words > README_WORDS_MAX:
        faults.append(f"README.md has {words} words, more than {README_WORDS_MAX}")
    print("\n".join(faults) or f"{len(pages)} pages, README.md has {words} words")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

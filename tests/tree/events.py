#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The table of daemon/util/log_events.h against the calls in the daemon's sources and the
lists of sfshmd(8), which `events.py --write` makes from the table."""
import glob
import os
import re
import sys
import textwrap

TABLE = "daemon/util/log_events.h"
PAGE = "daemon/man/sfshmd.8"
KEY = r"(?:daemon|id|workers|etcd|zookeeper|clock|reserve|limits|weights|caps)\.[a-z_]+"
COLUMNS = ["identifier", "name", "level", "others", "fields", "id", "meaning", "todo"]
faults = []


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def arguments(text, start):
    """Of the call whose bracket opens before `start`; strings that follow one another are
    joined, and one that is alone loses its quotes."""
    found, depth, word = [""], 1, re.compile(r'"(?:[^"\\]|\\.)*"|.', re.S)
    for match in word.finditer(text, start):
        part = match[0]
        depth += (part in "([{") - (part in ")]}") if len(part) == 1 else 0
        if depth == 0:
            break
        if part == "," and depth == 1:
            found.append("")
        else:
            found[-1] += part
    strings = [re.sub(r'"\s*\\?\s*"', "", a).strip(" \\\n") for a in found]
    return [s[1:-1].replace('\\"', '"') if re.fullmatch(r'"[^"]*"', s) else s for s in strings]


def read_table():
    """{group: [row]}; a row without a text has that of the row above."""
    groups, text = {}, read(TABLE)
    for group in re.finditer(r"#define LOG_EVENTS_(\w+)\(X\) \\\n(.*?)\n\n", text, re.S):
        rows = groups.setdefault(group[1], [])
        for call in re.finditer(r"^ {8}X\(", group[2], re.M):
            rows.append(dict(zip(COLUMNS, arguments(group[2], call.end()), strict=True)))
    return groups


def check_rows(rows):
    for column in ("name", "id"):
        values = [row[column] for row in rows]
        faults.extend(f"{TABLE}: twice: {v}" for v in set(values) if values.count(v) > 1)
    for row in rows:
        if row["identifier"] != re.sub("[.-]", "_", row["name"]).upper():
            faults.append(f"{TABLE}: {row['identifier']} is named {row['name']}")
        if not re.fullmatch("[0-9a-f]{32}", row["id"]):
            faults.append(f"{TABLE}: {row['name']} has no message ID")


def check_calls(rows):
    by_identifier = {row["identifier"]: row for row in rows}
    used = set()
    for path in sorted(glob.glob("daemon/**/*.c", recursive=True)):
        text = read(path)
        used.update(re.findall(r"\bEVENT_(\w+)", text))
        for name, level in [(e, "error") for e in re.findall(
                r"log_failure\([^;]*?, (?:WITH\()?EVENT_(\w+)", text)] + [(e, level.lower()) for level, e in
                re.findall(r"log_at\(LOG_LEVEL_(\w+), (?:WITH\()?EVENT_(\w+)", text)]:
            row = by_identifier[name]
            if level not in [row["level"].lower(), *row["others"].split()]:
                faults.append(f"{path}: {row['name']} as {level}, which is not in {TABLE}")
    faults.extend(f"{TABLE}: nothing logs {row['name']}" for row in rows
                  if row["identifier"] not in used)


def check_fields(rows):
    """Each field of a call stands in the table, and each of the table in a call."""
    given = {row["identifier"]: set() for row in rows}
    for path in glob.glob("daemon/**/*.c", recursive=True):
        text = read(path)
        for call in re.finditer(r"\bWITH\(", text):
            event, *fields = arguments(text, call.end())
            names = re.findall(r"EVENT_(\w+)", event)
            for name in names or [i for i in given if "*reason_events" in event and
                                  i.startswith("CLOCK_") and i != "CLOCK_ACCEPT"]:
                given[name].update(re.findall(r"FIELD\((\w+)", " ".join(fields)))
    for row in rows:
        if given[row["identifier"]] != set(row["fields"].split()):
            faults.append(f"{TABLE}: {row['name']} has the fields "
                          f"{' '.join(sorted(given[row['identifier']]))}")


def mark_up(text):
    """One `word` or page(8) of the table as a line of mdoc."""
    if page := re.fullmatch(r"([\w.-]+)\((\d)\)", text):
        return f".Xr {page[1]} {page[2]}"
    macro = ("Ic" if re.fullmatch(KEY, text) else "Pa" if text.startswith("/") else
             "Dv" if text.startswith("SIG") else "Sx" if text.istitle() else "Ql")
    return f".{macro} " + text.replace("--", "-\\-")


def mdoc(text):
    """A sentence begins a line."""
    lines = []
    for sentence in re.split(r"(?<=\.) (?=[A-Z`])", text):
        plain = ""
        for part in re.split(r"(`[^`]+`[.,;:)]*|\b[\w.-]+\(\d\)[.,;:)]*)", sentence):
            marked = re.fullmatch(r"`([^`]+)`(\W*)|([\w.-]+\(\d\))(\W*)", part)
            if marked:
                lines += textwrap.wrap(plain, 78, break_on_hyphens=False)
                plain = ""
                signs = " ".join(marked[2] or marked[4] or "")
                lines.append(f"{mark_up(marked[1] or marked[3])} {signs}".strip())
            else:
                plain += part
        lines += textwrap.wrap(plain, 78, break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def page_list(rows):
    items = []
    for row in rows:
        if row["meaning"]:
            items.append([row])
        else:
            items[-1].append(row)
    text = ".Bl -tag -width Ds\n"
    for item in items:
        text += ".It Li " + " , ".join(row["name"] for row in item) + "\n"
        text += mdoc(item[0]["meaning"])
        fields = sorted({field for row in item for field in row["fields"].split()})
        if fields:
            text += "\n".join(textwrap.wrap("Fields: " + ", ".join(fields) + ".", 78)) + "\n"
        text += ".Em To do :\n" + mdoc(item[0]["todo"])
    return text + ".El\n"


def page_with_lists(page, groups):
    for group, rows in groups.items():
        place = re.compile(rf'(\.\\" table: {group}\n)\.Bl .*?\n\.El\n', re.S)
        if len(place.findall(page)) != 1:
            faults.append(f"{PAGE}: no place for the events of {group}")
        page = place.sub(lambda match, rows=rows: match[1] + page_list(rows), page)
    return page


def main():
    os.chdir(os.environ.get("SFSHM_SOURCE", "."))
    groups, page = read_table(), read(PAGE)
    rows = [row for group in groups.values() for row in group]
    check_rows(rows)
    check_calls(rows)
    check_fields(rows)
    if len(rows) < 100 or len(rows) != len(re.findall(r"^ {8}X\(", read(TABLE), re.M)):
        faults.append(f"{TABLE}: only {len(rows)} rows can be read")
    made = page_with_lists(page, groups)
    if "--write" in sys.argv:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(made)
    elif made != page:
        faults.append(f"{PAGE} differs from {TABLE}: run {sys.argv[0]} --write")
    print("\n".join(faults) or f"{len(rows)} events")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

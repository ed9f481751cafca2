#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_walls.py COMPILER…: walls.py on a made-up product with one fault of each kind must
report each of them and nothing else."""
import json
import os
import subprocess
import sys
import tempfile

import walls

ROWS = """
| folder | what it holds | may use | libraries |
|---|---|---|---|
| `shm/` | sound | – | – |
| `daemon/low/` | uses a room below it | shm, high | – |
| `daemon/empty/` | is not there | shm | – |
| `daemon/high/` | sound | shm, low | jansson |
| `daemon/main.c` | sound | shm, high | – |
"""
FILES = {
    "shm/id.h": "int id(void);",
    "shm/id.c": '#include "shm/id.h"\n#include <stdint.h>\nint id(void) { return 0; }',
    "daemon/main.c": '#include "daemon/high/high.h"\nint main(void) { return high(); }',
    "daemon/high/high.h": "int high(void);",
    "daemon/high/high.c": '#include "daemon/high/high.h"\n#include "shm/id.h"\n'
                          "int high(void) { return id(); }",
    # a forbidden include
    "daemon/low/up.h": "",
    "daemon/low/up.c": '#include "daemon/low/up.h"\n#include "daemon/high/high.h"',
    # a forbidden symbol, declared where it is used
    "daemon/low/extern.h": "int f(void);",
    "daemon/low/extern.c": '#include "daemon/low/extern.h"\nint high(void);\n'
                           "int f(void) { return high(); }",
    # an include not from the root
    "daemon/low/here.h": "",
    "daemon/low/here.c": '#include "daemon/low/here.h"\n#include "here.h"',
    # libraries
    "daemon/low/library.h": "",
    "daemon/low/library.c": '#include "daemon/low/library.h"\n#if 0\n#include <jansson.h>\n'
                            "#include <unheard-of.h>\n#endif",
    # a circle by includes, a circle by symbols
    "daemon/high/a.h": "int a(void);",
    "daemon/high/a.c": '#include "daemon/high/a.h"\n#include "daemon/high/b.h"\n'
                       "int a(void) { return 0; }",
    "daemon/high/b.h": '#include "daemon/high/a.h"\nint b(void);\nint c(void);',
    "daemon/high/b.c": '#include "daemon/high/b.h"\nint b(void) { return c(); }',
    "daemon/high/c.h": "",
    "daemon/high/c.c": '#include "daemon/high/c.h"\n#include "daemon/high/b.h"\n'
                       "int c(void) { return b(); }",
    # half a module
    "daemon/high/source.c": "int source(void);",
    "daemon/high/header.h": "",
    # a folder without a row
    "daemon/new/new.h": "",
    "daemon/new/new.c": '#include "daemon/new/new.h"',
    # too many modules
    **{f"shm/m{i}{end}": "" for i in range(walls.MOST_MODULES) for end in (".c", ".h")},
}
EXPECTED = """
CONTRIBUTING.md: `daemon/low/` may not use high: it is in no row above
daemon/low/here.c includes "here.h": no such header from the root
daemon/low/library.c includes <jansson.h>: daemon/low may use libc
daemon/low/library.c includes <unheard-of.h>: neither of libc nor of a library that walls.py knows
daemon/new/new.c: its folder has no row in CONTRIBUTING.md
daemon/new/new.h: its folder has no row in CONTRIBUTING.md
daemon/low/up.c includes daemon/high/high.h: daemon/low may use shm
daemon/low/extern.c uses high of daemon/high/high.c: daemon/low may use shm
circle by includes: daemon/high/a → daemon/high/b → daemon/high/a
circle by symbols: daemon/high/b → daemon/high/c → daemon/high/b
CONTRIBUTING.md: `daemon/empty` names nothing
shm: 16 modules, at most 15
daemon/high/header.h: no header.c, and no reason for it in walls.py
daemon/high/source.c: no source.h, and includes none of """ + ", ".join(walls.SHARED_HEADERS)


def build(root, compiler):
    """The objects of the product and their compile_commands.json, as Meson leaves them."""
    commands = []
    os.mkdir(os.path.join(root, "product.p"))
    for file, text in FILES.items():
        os.makedirs(os.path.join(root, os.path.dirname(file)), exist_ok=True)
        with open(os.path.join(root, file), "w", encoding="utf-8") as source:
            source.write(text + "\n")
    for file in (f for f in FILES if f.endswith(".c")):
        output = f"product.p/{file.replace('/', '_')}.o"
        subprocess.run([*compiler, "-I", root, "-c", file, "-o", output], cwd=root, check=True)
        commands.append({"directory": root, "file": file, "output": output})
    with open(os.path.join(root, "compile_commands.json"), "w", encoding="utf-8") as file:
        json.dump(commands, file)
    with open(os.path.join(root, walls.TABLE), "w", encoding="utf-8") as file:
        file.write(ROWS)


def main():
    with tempfile.TemporaryDirectory(prefix="sfshm.") as root:
        build(root, sys.argv[1:])
        found = set(walls.check(root, root, [os.path.join(root, "product")]))
    expected = set(EXPECTED.strip().splitlines())
    print("\n".join([f"not reported: {f}" for f in sorted(expected - found)]
                    + [f"no fault: {f}" for f in sorted(found - expected)]))
    return 1 if found != expected else 0


if __name__ == "__main__":
    sys.exit(main())

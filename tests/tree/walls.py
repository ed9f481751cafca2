#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""walls.py BUILD ARCHIVE…: checks the product against the table of rooms in CONTRIBUTING.md.

A module is a .c file with its .h. The table says which rooms and which libraries a room
may use; a room may only use rooms above it. Checked are the includes, the symbols of the
objects of each ARCHIVE (a target of the build directory), circles of modules by includes
and by symbols, the number of modules in a folder, and that each module has its two files."""
import collections
import json
import os
import re
import subprocess
import sys

TABLE = "CONTRIBUTING.md"
TOP = ("shm", "libclient", "daemon")
MOST_MODULES = 15
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+([<"])([^>"]+)[>"]', re.MULTILINE)

# a library's headers; all other ones in <> must be in LIBC
LIBRARIES = {
    "liburcu": re.compile(r"urcu(\.h|/)"),
    "libsystemd": re.compile(r"systemd/"),
    "libcurl": re.compile(r"curl/"),
    "jansson": re.compile(r"jansson\.h"),
    "libmicrohttpd": re.compile(r"microhttpd\.h"),
    "libzookeeper": re.compile(r"zookeeper/"),
    "ncurses": re.compile(r"ncurses\.h"),
}
LIBC = re.compile(
    r"(linux|sys|netinet|arpa)/\w+\.h|(assert|ctype|dirent|endian|errno|fcntl|getopt|grp|inttypes|"
    r"limits|math|netdb|poll|pthread|pwd|sched|semaphore|signal|stdarg|stdatomic|stdbool|stddef|"
    r"stdint|stdio|stdlib|string|strings|termios|time|unistd)\.h")

# headers that declare what several .c files beside them define
SHARED_HEADERS = ("internal.h", "command.h", "stat.h", "sfshm.h", "backend.h",
                  "handle.h")
# modules of one file, and why
ONE_FILE = {
    "daemon/main": "a program",
    "libclient/tools/sfshm": "a program",
    "libclient/tools/stat/sfshm_stat": "a program",
    "libclient/exporter/sfshm_exporter": "a program",
    "libclient/recorder/sfshm_recorder": "a program",
    "libclient/history/varint": "inline functions for single numbers",
    "daemon/ledger/entry": "types which the parts of the ledger share",
    "daemon/util/thread": "one inline function for each call of the system",
    "daemon/util/time": "one inline function for each call of the system",
}


class Room:
    def __init__(self, name, uses, libraries):
        self.name, self.uses, self.libraries = name, uses, libraries

    def holds(self, module):
        return module == self.name or os.path.dirname(module) == self.name

    def may_use(self, module, rooms):
        return self.holds(module) or any(rooms[u].holds(module) if u in rooms else module == u
                                         for u in self.uses)


def words(cell):
    return [w for w in re.split(r"[,\s]+", cell.replace("`", "")) if w not in ("", "–")]


def read_rooms(text):
    """The rows of the table whose first cell names something of the product, top to bottom."""
    rooms, faults = {}, []
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        name = re.fullmatch(r"`([\w./]+)`", cells[0])
        if not name or len(cells) != 4 or name[1].split("/")[0] not in TOP:
            continue
        key = re.sub(r"\.c$|/$", "", name[1])
        uses = []
        for word in words(cells[2]):
            full = re.sub(r"\.h$", "", word)
            full = full if full.split("/")[0] in TOP else "daemon/" + full
            if full not in rooms and not any(r.holds(full) for r in rooms.values()):
                faults.append(f"{TABLE}: `{name[1]}` may not use {word}: it is in no row above")
            else:
                uses.append(full)
        rooms[key] = Room(key, uses, words(cells[3]))
    if not rooms:
        faults.append(f"{TABLE}: no table of rooms")
    return rooms, faults


class Product:
    """Its files, its modules, and what each includes."""

    def __init__(self, root):
        self.root = root
        self.files = sorted(
            os.path.relpath(os.path.join(folder, name), root)
            for top in TOP for folder, _, names in os.walk(os.path.join(root, top))
            for name in names if name.endswith((".c", ".h")))
        self.modules = sorted({stem(f) for f in self.files})
        self.includes = {}
        for file in self.files:
            with open(os.path.join(root, file), encoding="utf-8") as source:
                self.includes[file] = INCLUDE.findall(source.read())


def stem(file):
    return file[:-2]


def own_header(product, mark, path):
    """The product's header behind an #include, or None."""
    if path == "sfshm.h":
        return "libclient/sfshm.h"
    return path if mark == '"' or path in product.files else None


def check_includes(product, rooms):
    for file in product.files:
        room = room_of(rooms, stem(file))
        if not room:
            yield f"{file}: its folder has no row in {TABLE}"
            continue
        for mark, path in product.includes[file]:
            header = own_header(product, mark, path)
            if header and header not in product.files:
                yield f'{file} includes "{path}": no such header from the root'
            elif header and not room.may_use(stem(header), rooms):
                yield f"{file} includes {header}: {allowed(room)}"
            elif not header:
                yield from check_library(file, path, room)


def check_library(file, path, room):
    library = next((n for n, p in LIBRARIES.items() if p.match(path)), None)
    if not library and not LIBC.fullmatch(path):
        yield f"{file} includes <{path}>: neither of libc nor of a library that walls.py knows"
    elif library and library not in room.libraries:
        yield f"{file} includes <{path}>: {room.name} may use {', '.join(room.libraries) or 'libc'}"


def room_of(rooms, module):
    return rooms.get(module) or rooms.get(os.path.dirname(module))


def allowed(room):
    return f"{room.name} may use {', '.join(room.uses) or 'nothing'}"


def check_symbols(rooms, uses):
    for (user, owner), symbols in sorted(uses.items()):
        room = room_of(rooms, user)
        for symbol in sorted(symbols):
            # the library's interface, whichever file it is defined in
            target = "libclient/sfshm" if symbol.startswith("sfshm_") else owner
            if room and not room.may_use(target, rooms):
                yield f"{user}.c uses {symbol} of {owner}.c: {allowed(room)}"


def include_graph(product):
    """Which module includes which. A header shared by the modules of a folder is part of
    each that includes it."""
    graph = collections.defaultdict(set)

    def add(module, file):
        for mark, path in product.includes.get(file, ()):
            header = own_header(product, mark, path)
            if header and os.path.basename(header) == "internal.h":
                add(module, header)
            elif header and stem(header) != module:
                graph[module].add(stem(header))

    for file in product.files:
        add(stem(file), file)
    return graph


def symbol_graph(uses):
    graph = collections.defaultdict(set)
    for user, owner in uses:
        graph[user].add(owner)
    return graph


def circles(graph):
    """One shortest circle for each set of modules that reach each other."""
    def path(start, goal):
        queue, before = collections.deque([start]), {}
        while queue:
            module = queue.popleft()
            for other in sorted(graph.get(module, ())):
                if other == goal:
                    found = [goal, module]
                    while module != start:
                        module = before[module]
                        found.append(module)
                    return found[::-1]
                if other not in before:
                    before[other] = module
                    queue.append(other)
        return None

    seen = set()
    for module in sorted(graph):
        circle = path(module, module) if module not in seen else None
        if circle:
            seen.update(m for m in sorted(graph) if path(module, m) and path(m, module))
            yield circle


def check_circles(graph, kind):
    for circle in circles(graph):
        yield f"circle by {kind}: " + " → ".join(circle)


def check_folders(product, rooms):
    for room in rooms:
        if room not in product.modules and room not in map(os.path.dirname, product.modules):
            yield f"{TABLE}: `{room}` names nothing"
    sources = (m for m in product.modules if m + ".c" in product.files)
    for folder, count in sorted(collections.Counter(map(os.path.dirname, sources)).items()):
        if count > MOST_MODULES:
            yield f"{folder}: {count} modules, at most {MOST_MODULES}"


def check_files(product):
    for module in product.modules:
        source, header = (module + end in product.files for end in (".c", ".h"))
        folder, name = os.path.split(module)
        declared = any(os.path.basename(path) in SHARED_HEADERS
                       for _, path in product.includes.get(module + ".c", ()))
        if source and header or module in ONE_FILE:
            continue
        if source and not declared:
            yield f"{module}.c: no {name}.h, and includes none of {', '.join(SHARED_HEADERS)}"
        if header and folder != "shm" and name + ".h" not in SHARED_HEADERS:
            yield f"{module}.h: no {name}.c, and no reason for it in walls.py"


def read_uses(root, build, archives):
    """(user, owner) → symbols, of the objects of these targets."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    folders = tuple(os.path.relpath(a, build) + ".p/" for a in archives)
    objects = {os.path.join(build, c["output"]):
               stem(os.path.relpath(os.path.join(c["directory"], c["file"]), root))
               for c in commands if c["output"].startswith(folders)}
    output = subprocess.run(["nm", "-g", "-A", *objects], check=True, capture_output=True, text=True)
    owners, needed = {}, collections.defaultdict(set)
    for line in output.stdout.splitlines():
        path, _, rest = line.partition(":")
        kind, symbol = rest.split()[-2:]
        if kind == "U":
            needed[symbol].add(objects[path])
        else:
            owners[symbol] = objects[path]
    uses = collections.defaultdict(set)
    for symbol, users in needed.items():
        for user in users - {owners.get(symbol)}:
            if symbol in owners:
                uses[user, owners[symbol]].add(symbol)
    return uses


def check(root, build, archives):
    with open(os.path.join(root, TABLE), encoding="utf-8") as file:
        rooms, faults = read_rooms(file.read())
    product = Product(root)
    uses = read_uses(root, build, archives)
    faults += check_includes(product, rooms)
    faults += check_symbols(rooms, uses)
    faults += check_circles(include_graph(product), "includes")
    faults += check_circles(symbol_graph(uses), "symbols")
    faults += check_folders(product, rooms)
    faults += check_files(product)
    return faults


def main():
    faults = check(os.environ["SFSHM_SOURCE"], sys.argv[1], sys.argv[2:])
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""top.py PICTURE.svg: runs a private daemon under load and sfshm-stat --top on a
pseudo-terminal of 80 columns and 24 rows, and draws what the terminal shows."""
import fcntl
import os
import pty
import pwd
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import xml.sax.saxutils

SOURCE = os.environ.get("SFSHM_SOURCE") or os.path.join(os.path.dirname(__file__), "../..")
BUILD = os.environ.get("SFSHM_BUILD") or os.path.join(SOURCE, "build")
COLUMNS, ROWS = 80, 24
LIMIT_S = 60
FRAMES = 4
# process, user (of root's choice), IDs a second; None: all it can get
LOAD = [("import", "backup", None), ("orders", "www-data", 90000), ("events", "www-data", 40000),
        ("payments", "daemon", 12000), ("sessions", "www-data", 3000), ("audit", "nobody", 500)]
COLOURS = {"31": "#f2777a", "32": "#99cc99", "33": "#ffcc66"}
PLAIN, BACKGROUND = "#d3d0c8", "#2d2d2d"
CELL, LINE, MARGIN = 8.4, 18, 12


def program(variable, path):
    return os.path.abspath(os.environ.get(variable) or os.path.join(BUILD, path))


class Host:
    """A daemon and its clients, in one directory."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="sfshm.")
        os.chmod(self.directory, 0o755)
        self.shm = "/" + os.path.basename(self.directory).replace(".", "-")
        self.socket = f"{self.directory}/sock"
        self.running = []

    def start(self):
        os.mkdir(f"{self.directory}/state", 0o700)
        self.log = open(f"{self.directory}/log", "wb")
        settings = (f"daemon.socket={self.socket}", f"daemon.state_dir={self.directory}/state",
                    f"daemon.shm={self.shm}", f"workers.space={self.shm}", "workers.first=7",
                    "workers.count=2", "daemon.socket_mode=0666")
        self.running.append(subprocess.Popen(
            [program("SFSHMD", "daemon/sfshmd"), "--config", "/dev/null",
             *[w for s in settings for w in ("--set", s)]], stdout=self.log, stderr=self.log))
        end = time.monotonic() + LIMIT_S
        while not os.path.exists(self.socket):
            if time.monotonic() > end:
                sys.exit("the daemon does not listen")
            time.sleep(0.05)

    def start_client(self, name, user, rate):
        """Its IDs go into a pipe, which is read as fast as it may take them."""
        link = f"{self.directory}/{name}"
        os.symlink(program("SFSHM_TOOL", "libclient/tools/sfshm"), link)
        identity = {}
        entry = next((e for e in pwd.getpwall() if e.pw_name == user), None)
        if os.geteuid() == 0 and entry is not None:
            identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        client = subprocess.Popen(
            [link, "next", "-n", "1000000000"], stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if rate is None else subprocess.PIPE, pipesize=4096,
            env={**os.environ, "SFSHM_SOCKET": self.socket}, **identity)
        self.running.append(client)
        if rate is not None:
            threading.Thread(target=self.read, args=(client, rate * 20), daemon=True).start()

    @staticmethod
    def read(client, bytes_per_s):
        begin, done = time.monotonic(), 0
        while True:
            room = int((time.monotonic() - begin) * bytes_per_s) - done
            if room > 0:
                n = len(os.read(client.stdout.fileno(), min(room, 65536)))
                if n == 0:
                    return
                done += n
            time.sleep(0.002)

    def stop(self):
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.running):
            process.wait()
        for name in os.listdir("/dev/shm"):
            if name.startswith(self.shm[1:] + "."):
                os.unlink(f"/dev/shm/{name}")
        shutil.rmtree(self.directory)


class Screen:
    """As much of an xterm as ncurses uses here: characters with their attributes."""

    def __init__(self):
        self.row = self.column = 0
        self.style = ()
        self.last = " "
        self.cells = [[(" ", ())] * COLUMNS for _ in range(ROWS)]

    def text(self):
        return "\n".join("".join(c for c, _ in row) for row in self.cells)

    def put(self, character):
        self.cells[self.row][min(self.column, COLUMNS - 1)] = (character, self.style)
        self.column += 1
        self.last = character

    def blank(self, begin, end):
        for column in range(begin, min(end, COLUMNS)):
            self.cells[self.row][column] = (" ", ())

    def control(self, numbers, letter):
        values = [int(n) for n in numbers.split(";") if n.isdigit()] + [0, 0]
        one = values[0] or 1
        if letter == "H":
            self.row, self.column = one - 1, (values[1] or 1) - 1
        elif letter == "d":
            self.row = one - 1
        elif letter == "G":
            self.column = one - 1
        elif letter in "AB":
            self.row += one if letter == "B" else -one
        elif letter in "CD":
            self.column += one if letter == "C" else -one
        elif letter == "K":
            self.blank(self.column if values[0] == 0 else 0,
                       self.column + 1 if values[0] == 1 else COLUMNS)
        elif letter == "X":
            self.blank(self.column, self.column + one)
        elif letter == "J":
            for row in range(self.row + 1 if values[0] == 0 else 0, ROWS):
                self.cells[row] = [(" ", ())] * COLUMNS
        elif letter == "b":
            for _ in range(one):
                self.put(self.last)
        elif letter == "m":
            for number in numbers.split(";"):
                self.style = () if number in ("", "0") else self.style + (number,)
        elif letter not in "hlrt":
            sys.exit(f"unknown sequence: {numbers}{letter}")

    def write(self, text):
        """What is not complete is returned."""
        parts = re.compile(r"\x1b\[([?\d;]*)([@-~])|\x1b\(.|\x1b[=>78]|([\r\n\b])|([ -~])")
        at = 0
        while at < len(text):
            part = parts.match(text, at)
            if not part:
                return text[at:]
            at = part.end()
            if part[2]:
                self.control(part[1], part[2])
            elif part[3] == "\r":
                self.column = 0
            elif part[3] == "\n":
                self.row += 1
            elif part[3] == "\b":
                self.column -= 1
            elif part[4]:
                self.put(part[4])
        return ""


def run_top(host):
    """What the terminal shows after some frames."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.execv(program("SFSHM_STAT_TOOL", "libclient/tools/sfshm-stat"),
                 ["sfshm-stat", "--top", "--socket", host.socket, "1"])
    screen, rest, times, shown = Screen(), "", set(), None
    end = time.monotonic() + LIMIT_S
    while len(times) < FRAMES or not all(name in shown for name, _, _ in LOAD):
        if time.monotonic() > end:
            sys.exit(f"not all clients are shown:\n{screen.text()}")
        if not select.select([terminal], [], [], 0.2)[0]:  # all of a frame is drawn
            shown = screen.text()
            times.add(shown[:32])
            continue
        rest = screen.write(rest + os.read(terminal, 65536).decode("ascii"))
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    os.close(terminal)
    return screen


def runs(row):
    """(first column, text, style) of each piece of one style."""
    begin = 0
    for column in range(1, COLUMNS + 1):
        if column == COLUMNS or row[column][1] != row[begin][1]:
            yield begin, "".join(c for c, _ in row[begin:column]), row[begin][1]
            begin = column


def draw(screen, path):
    width, height = 2 * MARGIN + COLUMNS * CELL, 2 * MARGIN + ROWS * LINE
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
           'font-family="monospace" font-size="14">',
           f'<rect width="100%" height="100%" rx="6" fill="{BACKGROUND}"/>']
    for number, row in enumerate(screen.cells):
        y = MARGIN + number * LINE
        for column, text, style in runs(row):
            x, length = MARGIN + column * CELL, len(text) * CELL
            colour = next((COLOURS[s] for s in style if s in COLOURS), PLAIN)
            weight = ' font-weight="bold"' if "1" in style else ""
            if "7" in style:
                out.append(f'<rect x="{x:.1f}" y="{y}" width="{length:.1f}" height="{LINE}" '
                           f'fill="{PLAIN}"/>')
                colour = BACKGROUND
            if text.strip():
                out.append(f'<text x="{x:.1f}" y="{y + 14}" xml:space="preserve" fill="{colour}" '
                           f'textLength="{length:.1f}"{weight}>'
                           f"{xml.sax.saxutils.escape(text)}</text>")
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(out) + "\n</svg>\n")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: top.py PICTURE.svg")
    host = Host()
    try:
        host.start()
        for client in LOAD:
            host.start_client(*client)
        draw(run_top(host), sys.argv[1])
    finally:
        host.stop()


if __name__ == "__main__":
    main()

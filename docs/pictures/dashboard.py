#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dashboard.py [--seconds N] PICTURE.svg: runs every query of daemon/monitoring/grafana.json
against a real Prometheus which scrapes a private daemon under load, and draws the panels from
the answers. A query that fails, or has no answer at all, is an error."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import xml.sax.saxutils

SOURCE = os.environ.get("SFSHM_SOURCE") or os.path.join(os.path.dirname(__file__), "../..")
BUILD = os.environ.get("SFSHM_BUILD") or os.path.join(SOURCE, "build")
COLOURS = ["#3274d9", "#d9822b", "#299c46", "#b0413e", "#7e57c2", "#00838f", "#8d6e63", "#607d8b"]
LIMIT_S = 60
CEILING = 4096000  # IDs a second of one worker ID
LEFT = 60
PANEL_WIDTH, PANEL_HEIGHT, PLOT_HEIGHT, MARGIN = 400, 180, 104, 12


def program(variable, path):
    return os.environ.get(variable) or os.path.join(BUILD, path)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path, **query):
    url = f"http://127.0.0.1:{port}{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def until(condition, what):
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"not within {LIMIT_S} s: {what}")


class Host:
    """A daemon, its exporter and a Prometheus, in one directory."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="sfshm.")
        self.shm = "/" + os.path.basename(self.directory).replace(".", "-")
        self.running = []
        os.environ["SFSHM_SOCKET"] = f"{self.directory}/sock"

    def start(self, name, *command):
        log = open(f"{self.directory}/{name}.log", "wb")
        self.running.append(subprocess.Popen(command, stdout=log, stderr=log))

    def stop(self):
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.running):
            process.wait()
        for name in os.listdir("/dev/shm"):
            if name.startswith(self.shm[1:] + "."):
                os.unlink(f"/dev/shm/{name}")
        shutil.rmtree(self.directory)

    def start_daemon(self):
        os.mkdir(f"{self.directory}/state", 0o700)
        self.start("sfshmd", program("SFSHMD", "daemon/sfshmd"), "--config", "/dev/null",
                   *[w for s in (f"daemon.socket={self.directory}/sock",
                                 f"daemon.state_dir={self.directory}/state",
                                 f"daemon.shm={self.shm}", f"workers.space={self.shm}",
                                 "workers.first=0") for w in ("--set", s)])
        until(lambda: os.path.exists(f"{self.directory}/sock"), "the daemon listens")

    def start_prometheus(self):
        exporter, self.port = free_port(), free_port()
        self.start("exporter", program("SFSHM_EXPORTER", "libclient/exporter/sfshm-exporter"),
                   "--listen", f"127.0.0.1:{exporter}")
        with open(f"{self.directory}/prometheus.yml", "w", encoding="ascii") as config:
            config.write("global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
                         f"rule_files: ['{os.path.abspath(SOURCE)}/daemon/monitoring/"
                         "sfshm.rules.yml']\n"
                         "scrape_configs:\n  - job_name: sfshm\n    static_configs:\n"
                         f"      - targets: ['127.0.0.1:{exporter}']\n"
                         "        labels: {instance: host1}\n")
        self.start("prometheus", "prometheus", f"--config.file={self.directory}/prometheus.yml",
                   f"--storage.tsdb.path={self.directory}/data",
                   f"--web.listen-address=127.0.0.1:{self.port}")
        until(lambda: get(self.port, "/-/ready"), "Prometheus is ready")

    def start_load(self, count):
        with open(os.devnull, "wb") as nothing:
            self.running.append(subprocess.Popen(
                [program("SFSHM_TOOL", "libclient/tools/sfshm"), "next", "-n", str(count)],
                stdout=nothing, stderr=nothing))

    def query(self, expression, begin, end):
        answer = json.loads(get(self.port, "/api/v1/query_range", query=expression, start=begin,
                                end=end, step=1))
        assert answer["status"] == "success", f"{expression}: {answer}"
        return answer["data"]["result"]


class NoAnswer(Exception):
    pass


def expression_of(target):
    return target["expr"].replace("$instance", ".*").replace("$__rate_interval", "10s")


def legend(target, metric):
    return re.sub(r"{{(\w+)}}", lambda m: metric.get(m[1], ""), target["legendFormat"])


def lines_of(host, panel, begin, end):
    lines = []
    for target in panel["targets"]:
        results = host.query(expression_of(target), begin, end)
        if not results:
            raise NoAnswer(f"{panel['title']}: {expression_of(target)}")
        for result in results:
            points = [(float(t), float(v)) for t, v in result["values"] if v not in ("NaN", "+Inf")]
            lines.append((legend(target, result["metric"]), points))
    return lines


def text_of(value, unit):
    if unit == "s":
        for scale, name in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
            if abs(value) >= scale:
                return f"{value / scale:.3g} {name}"
        return "0 s" if value == 0 else f"{value / 1e-9:.3g} ns"
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    for scale, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale:
            return f"{value / scale:.3g}{name}"
    return f"{value:.3g}"


def all_lines(host, dashboard, begin):
    """Of all panels, once each query has an answer."""
    limit = time.monotonic() + LIMIT_S
    while True:
        try:
            return [(p, lines_of(host, p, begin, time.time())) for p in dashboard["panels"]]
        except NoAnswer as missing:
            if time.monotonic() > limit:
                sys.exit(f"no answer within {LIMIT_S} s: {missing}")
            time.sleep(0.2)


def draw_line(points, begin, end, low, high, colour):
    at = []
    for t, v in points:
        x = LEFT + (t - begin) / (end - begin) * (PANEL_WIDTH - LEFT - MARGIN)
        y = 26 + PLOT_HEIGHT - (v - low) / (high - low) * PLOT_HEIGHT
        at.append(f"{x:.1f},{y:.1f}")
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{" ".join(at)}"/>'


def draw_panel(panel, lines, begin, end):
    unit = panel["fieldConfig"]["defaults"]["unit"]
    values = [v for _, points in lines for _, v in points] or [0]
    low, high = min(0, *values), max(values)
    high = high if high > low else low + 1
    escape = xml.sax.saxutils.escape
    drawn = [f'<rect width="{PANEL_WIDTH - 8}" height="{PANEL_HEIGHT - 8}" rx="4" fill="#fff" '
             'stroke="#d8dce0"/>',
             f'<text x="10" y="17" font-weight="600">{escape(panel["title"])}</text>']
    for share in (0, 0.5, 1):
        y = 26 + PLOT_HEIGHT * (1 - share)
        drawn.append(f'<line x1="{LEFT}" x2="{PANEL_WIDTH - MARGIN}" y1="{y}" y2="{y}" '
                     'stroke="#eceff1"/>')
        drawn.append(f'<text x="{LEFT - 4}" y="{y + 4}" text-anchor="end" fill="#667">'
                     f"{escape(text_of(low + share * (high - low), unit))}</text>")
    x, y = 12, 26 + PLOT_HEIGHT + 18
    for i, (name, points) in enumerate(lines):
        colour = COLOURS[i % len(COLOURS)]
        drawn.append(draw_line(points, begin, end, low, high, colour))
        if x + 7 * len(name) + 20 > PANEL_WIDTH:
            x, y = 12, y + 14
        if y < PANEL_HEIGHT - 10:
            drawn.append(f'<rect x="{x}" y="{y - 8}" width="9" height="9" fill="{colour}"/>'
                         f'<text x="{x + 13}" y="{y}">{escape(name)}</text>')
        x += 7 * len(name) + 24
    return "\n".join(drawn)


def draw(panels, begin, end):
    rows = (len(panels) + 2) // 3
    width, height = 3 * PANEL_WIDTH, rows * PANEL_HEIGHT
    drawn = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11" '
             'fill="#222">', f'<rect width="{width}" height="{height}" fill="#f4f5f6"/>']
    for i, (panel, lines) in enumerate(panels):
        x, y = i % 3 * PANEL_WIDTH + 4, i // 3 * PANEL_HEIGHT + 4
        drawn.append(f'<g transform="translate({x},{y})">{draw_panel(panel, lines, begin, end)}</g>')
    return "\n".join(drawn + ["</svg>\n"])


def main():
    arguments = sys.argv[1:]
    seconds = int(arguments[1]) if arguments[0] == "--seconds" else 60
    with open(f"{SOURCE}/daemon/monitoring/grafana.json", encoding="utf-8") as file:
        dashboard = json.load(file)
    host = Host()
    try:
        host.start_daemon()
        host.start_prometheus()
        begin = time.time()
        for share in (0.3, 0.6, 1):
            host.start_load(int(share * CEILING * max(seconds, 3) / 3))
            time.sleep(seconds / 3)
        panels = all_lines(host, dashboard, begin)
        end = time.time()
        rules = json.loads(get(host.port, "/api/v1/rules"))["data"]["groups"]
        faults = [r["name"] for g in rules for r in g["rules"] if r["health"] == "err"]
        assert rules and not faults, f"rules that cannot be evaluated: {faults}"
    finally:
        host.stop()
    with open(arguments[-1], "w", encoding="utf-8") as file:
        file.write(draw(panels, begin, end))


if __name__ == "__main__":
    main()

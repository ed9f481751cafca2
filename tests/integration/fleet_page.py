#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The commands of the documentation that are marked <!-- test: NAME -->, run as they stand
there, against real coordinators and daemons: fleet_page.py CASE."""
import glob
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

SOURCE = os.environ["SFSHM_SOURCE"]
SKIPPED = 77
LIMIT_S = 60
TTL_S = 6


def commands(name):
    """The block after <!-- test: NAME -->."""
    found = []
    for page in glob.glob(f"{SOURCE}/docs/*.md") + [f"{SOURCE}/daemon/lease/KEYS.md"]:
        with open(page, encoding="utf-8") as file:
            found += re.findall(rf"<!-- test: {name} -->\n+ *```\w+\n(.*?)```", file.read(), re.S)
    assert len(found) == 1, f"{len(found)} blocks for {name}"
    return found[0]


def fleet_page():
    with open(f"{SOURCE}/docs/fleet.md", encoding="utf-8") as file:
        return file.read()


def until(condition, what):
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {LIMIT_S} s: {what if isinstance(what, str) else what()}")


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    return [s.getsockname()[1] for s in sockets]


class Place:
    """A directory, what runs in it, and the environment of the commands."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="sfshm.", dir=tempfile.gettempdir())
        if len(self.directory) > 64:
            self.directory = tempfile.mkdtemp(prefix="sfshm.", dir="/tmp")
        self.processes = []
        self.environment = dict(os.environ, ETCDCTL_API="3", password="secret",
                                root_password="word")

    def spawn(self, words, log):
        with open(f"{self.directory}/{log}", "a", encoding="utf-8") as file:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                       env=self.environment)
        self.processes.append(process)
        return process

    def log(self, name):
        with open(f"{self.directory}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read()

    def run(self, text, status=0):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=2 * LIMIT_S)
        assert done.returncode == status, f"{text}\nstatus {done.returncode}: {done.stdout}"
        return done.stdout

    def tries(self, text):
        try:
            self.run(text)
            return True
        except AssertionError:
            return False

    def page(self, name):
        return self.run(commands(name))

    def end(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Etcd:
    section = "etcd"

    def __init__(self, place, name="etcd", words=()):
        self.place, self.name, self.words = place, name, list(words)
        self.port, self.peer = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self.peer_url = f"http://127.0.0.1:{self.peer}"
        self.process = None

    def start(self, more=()):
        self.process = self.place.spawn(
            ["etcd", "--name", self.name, "--data-dir", f"{self.place.directory}/{self.name}",
             "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
             "--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url,
             *(more or ["--initial-cluster", f"{self.name}={self.peer_url}"]), *self.words],
            f"{self.name}.log")
        self.place.environment["ETCDCTL_ENDPOINTS"] = self.url
        until(self.serves, "etcd serves")
        return self

    def serves(self):
        return subprocess.run(["etcdctl", "endpoint", "health"], env=self.place.environment,
                              capture_output=True).returncode == 0

    def settings(self):
        return ["workers.backend=etcd", f"etcd.endpoints={self.url}", f"etcd.ttl={TTL_S}s"]

    def stop(self):
        self.process.terminate()
        self.process.wait()


class ZooKeeper:
    section = "zookeeper"

    def __init__(self, place):
        self.place = place
        self.port = free_ports(1)[0]
        self.server = f"127.0.0.1:{self.port}"
        place.environment["server"] = self.server
        place.environment["PATH"] += ":/usr/share/zookeeper/bin"

    def start(self):
        config = f"{self.place.directory}/zoo.cfg"
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"tickTime=500\ndataDir={self.place.directory}/zookeeper\n"
                       f"clientPort={self.port}\nclientPortAddress=127.0.0.1\n"
                       "admin.enableServer=false\nforceSync=no\n"
                       + "\n".join(re.findall(r"^ +(autopurge\.\w+=\d+)$", fleet_page(), re.M)))
        jars = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"
        self.place.spawn(["java", "-Xmx96m", "-cp", jars,
                          "org.apache.zookeeper.server.quorum.QuorumPeerMain", config],
                         "zookeeper.log")
        until(self.serves, "ZooKeeper serves")
        return self

    def serves(self):
        with socket.socket() as s:
            s.settimeout(5)
            try:
                s.connect(("127.0.0.1", self.port))
                s.sendall(b"srvr")
                return b"Mode:" in s.makefile("rb").read()
            except OSError:
                return False

    def settings(self):
        return ["workers.backend=zookeeper", f"zookeeper.hosts={self.server}",
                f"zookeeper.ttl={TTL_S}s"]


class Daemon:
    def __init__(self, place, name, settings):
        self.place, self.name = place, name
        self.process, self.said = None, ""
        os.makedirs(f"{place.directory}/{name}", mode=0o700, exist_ok=True)
        self.socket = f"{place.directory}/{name}/socket"
        self.state = f"{place.directory}/{name}/state"
        self.settings = [f"daemon.socket={self.socket}", f"daemon.state_dir={self.state}",
                         f"daemon.shm=/page-{os.getpid()}-{name}",
                         f"workers.space=page-{os.getpid()}"] + settings

    def set(self, setting):
        self.settings.append(setting)

    def words(self):
        return [a for s in self.settings for a in ("--set", s)]

    def start(self):
        self.process = self.place.spawn([os.environ["SFSHMD"], "--config", "/dev/null",
                                         *self.words()], f"{self.name}.log")
        return self

    def log(self):
        return self.place.log(f"{self.name}.log")

    def wait_for(self, text, times=1):
        until(lambda: self.log().count(text) >= times,
              lambda: f"{text} in the log of {self.name}:\n{self.log()}")

    def becomes_this_host(self):
        """`sfshm` of the commands is with its configuration."""
        directory = f"{self.place.directory}/bin"
        os.makedirs(directory, exist_ok=True)
        with open(f"{directory}/sfshm", "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nexec {os.environ['SFSHM_TOOL']} \"$@\" --config /dev/null "
                       f"{' '.join(self.words())}\n")
        os.chmod(f"{directory}/sfshm", 0o755)
        path = self.place.environment["PATH"]
        if not path.startswith(directory + ":"):
            self.place.environment["PATH"] = f"{directory}:{path}"

    def begins_the_space(self):
        done = self.workers("--begin")
        assert done.returncode == 0, done.stderr
        return self

    def next(self):
        """One ID; it may have to be waited for at a start."""
        def one():
            done = self.tool("next")
            self.said = done.stdout + done.stderr
            return done.stdout.strip() if done.returncode == 0 else None
        return int(until(one, lambda: f"an ID of {self.name}: {self.said}{self.log()}"))

    def serves_now(self):
        done = self.tool("next")
        assert done.returncode == 0, done.stderr

    def tool(self, *words):
        return subprocess.run([os.environ["SFSHM_TOOL"], *words],
                              env=dict(self.place.environment, SFSHM_SOCKET=self.socket),
                              capture_output=True, text=True, timeout=LIMIT_S)

    def workers(self, *words):
        return self.tool("workers", *words, "--config", "/dev/null", *self.words())

    def ends(self, status):
        assert self.process.wait(LIMIT_S) == status, self.log()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.ends(0)


def password(place, text="secret"):
    path = f"{place.directory}/password"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    os.chmod(path, 0o600)
    return path


def etcd_accounts(place):
    """Red with `read` or `write` in place of `readwrite`, as below."""
    etcd = Etcd(place).start()
    place.page("etcd-accounts")
    place.page("etcd-auth")
    account = ["etcd.username=sfshm", f"etcd.password_file={password(place)}"]
    a = Daemon(place, "a", etcd.settings() + account).begins_the_space().start()
    a.next()
    refuse = "etcdctl --user root:word role revoke-permission sfshm --prefix /sfshm/ && " \
             "etcdctl --user root:word role grant-permission sfshm --prefix=true "
    place.run(refuse + "read /sfshm/")
    a.wait_for("event=fence-write")
    assert "read and write below etcd.prefix" in a.log(), a.log()
    done = a.workers()
    assert done.returncode == 0, done.stderr
    place.run(refuse + "write /sfshm/")
    done = a.workers()
    assert done.returncode != 0 and "read and write below etcd.prefix" in done.stderr, done.stderr
    place.run(refuse + "readwrite /sfshm/")
    a.wait_for("event=fence-recovered")
    a.serves_now()
    a.stop()


def zookeeper_accounts(place):
    """Red when a folder that may not be created, but is there, keeps the next from being made."""
    zookeeper = ZooKeeper(place).start()
    place.page("zookeeper-accounts")
    account = ["zookeeper.username=sfshm", f"zookeeper.password_file={password(place)}"]
    a = Daemon(place, "a", zookeeper.settings() + account).begins_the_space().start()
    a.next()
    stranger = Daemon(place, "b", zookeeper.settings())
    done = stranger.workers()
    assert done.returncode != 0 and "denied access" in done.stderr, done.stderr
    a.stop()


def alert(place):
    """And etcd takes the flags that the page gives it."""
    etcd = Etcd(place, words=re.search(r"^ +etcd (--auto.*) …$", fleet_page(), re.M)
                .group(1).split()).start()
    text = place.run(f"curl -sf {etcd.url}/metrics")
    for name in re.findall(r"etcd_\w+", commands("alert")):
        assert f"\n{name} " in text, f"etcd has no metric {name}"
    with open(f"{place.directory}/rules.yml", "w", encoding="utf-8") as file:
        json.dump({"groups": [{"name": "etcd", "rules": [
            {"alert": "EtcdFills", "expr": commands("alert").strip()}]}]}, file)
    place.run(f"promtool check rules {place.directory}/rules.yml")


def nospace(place):
    """Running daemons come back by themselves."""
    etcd = Etcd(place, words=["--quota-backend-bytes=2097152"]).start()
    a = Daemon(place, "a", etcd.settings()).begins_the_space().start()
    a.next()
    place.run("for ((i = 0; i < 400; i++)); do head -c 20000 /dev/zero | tr '\\0' x |"
              " etcdctl put filler || break; done")
    a.wait_for("event=fence-write")
    a.serves_now()
    place.page("nospace")
    a.wait_for("event=fence-recovered")
    a.serves_now()
    a.stop()


def begin(place, kind=Etcd):
    """The first rollout."""
    coordinator = kind(place).start()
    daemons = [Daemon(place, name, coordinator.settings()) for name in "ab"]
    daemons[0].becomes_this_host()
    place.page("begin")
    for daemon in daemons:
        daemon.start()
    assert len({worker(daemon.next()) for daemon in daemons}) == 2
    for daemon in daemons:
        daemon.stop()
    assert "was begun" in place.run(commands("begin"), status=3)


def begin_zookeeper(place):
    begin(place, ZooKeeper)


def begin_kubernetes(place):
    """The Job of the manifest, which runs again after etcd was emptied: hosts with a memory and
    new ones continue above all IDs. Red when it draws a name, or says no --above."""
    etcd = Etcd(place).start()
    times = ["workers.horizon=4s", "reserve.standing=1s"]
    old, new, job = (Daemon(place, name, etcd.settings() + times) for name in ("a", "b", "job"))
    job.becomes_this_host()
    with open(f"{SOURCE}/daemon/units/kubernetes.yaml", encoding="utf-8") as file:
        script = re.search(r"exec /usr/bin/(sfshm workers.*?\n.*\n)", file.read())[1]
    place.environment.update(AHEAD="12 seconds", SPACE="ADAPT")
    assert "is no name of a space" in place.run(script, status=2)
    place.environment["SPACE"] = "0123456789abcdef" * 2
    place.run(script)
    first = old.start().next()
    old.process.kill()
    old.process.wait()
    place.run("etcdctl del --prefix /sfshm/")
    old.start()
    old.ends(3)
    above_ms = int(time.time()) * 1000 + 12000 - 1735689600000  # since 2025
    place.run(script)
    for daemon in (new.start(), old.start()):
        number = daemon.next()
        assert number > first and number >> 22 >= above_ms, f"{number}, and before {first}"
    for daemon in (new, old):
        daemon.stop()


def another_layout(place, kind=Etcd):
    """Red when the space begins below IDs of the old one."""
    coordinator = kind(place).start()
    times = ["workers.horizon=4s", "reserve.standing=1s"]
    daemons = [Daemon(place, name, coordinator.settings() + times) for name in "ab"]
    daemons[0].becomes_this_host()
    place.page("begin")
    last = 0
    for daemon in daemons:
        daemon.start()
        last = max(last, daemon.next())
    for daemon in daemons:
        daemon.stop()
        shutil.rmtree(daemon.state)
        for setting in ("id.layout=41/12/10", "id.epoch=2024-01-01T00:00:00Z",
                        f"{coordinator.section}.prefix=/other"):
            daemon.set(setting)
    daemons[0].becomes_this_host()
    place.environment["ahead"] = "6 seconds"
    above_ms = int(time.time()) * 1000 + 6000 - 1704067200000  # since 2024
    place.page("another-layout")
    for daemon in daemons:
        daemon.start()
    for daemon in daemons:
        number = daemon.next()
        assert number > last and number >> 22 >= above_ms, f"{number}, and before {last}"
        daemon.stop()


def another_layout_zookeeper(place):
    another_layout(place, ZooKeeper)


def renews(daemon, etcd):
    """It writes to that etcd from now on."""
    def writes():
        done = subprocess.run(["etcdctl", "get", "--prefix", "/sfshm/region/0/host/"],
                              env=dict(daemon.place.environment, ETCDCTL_ENDPOINTS=etcd.url),
                              capture_output=True, text=True)
        found = re.search(rf'"pid":{daemon.process.pid},.*"renewals":(\d+)', done.stdout)
        return int(found.group(1)) if found else None
    before = until(lambda: writes() is not None, "a record") and writes()
    until(lambda: (writes() or 0) > before, lambda: "a renewal\n" + daemon.log())


def worker(number):
    return number >> 12 & 1023


def expect_same(daemons, workers):
    """Red when they take others, as after a claim that does not find their records."""
    for daemon, was in zip(daemons, workers):
        assert worker(daemon.next()) == was, daemon.log()
        assert "event=lease-lost" not in daemon.log(), daemon.log()


def move_etcd(place):
    """Daemons restart one after the other, and nobody notices anything else."""
    old, new = Etcd(place, "old").start(), Etcd(place, "new")
    place.environment.update(old_peer_url=old.peer_url, new_peer_url=new.peer_url)
    daemons = [Daemon(place, name, old.settings()) for name in "ab"]
    daemons[0].begins_the_space()
    for daemon in daemons:
        daemon.start()
    workers = [worker(d.next()) for d in daemons]
    joined = place.page("move-join")
    cluster = re.search(r'ETCD_INITIAL_CLUSTER="(.*)"', joined).group(1)
    new.start(["--initial-cluster", cluster, "--initial-cluster-state=existing"])
    for daemon in daemons:
        daemon.stop()
        daemon.set(f"etcd.endpoints={new.url}")
        daemon.start()
        daemon.next()
    leave = commands("move-leave")  # etcd wants to have seen the new node for some seconds
    until(lambda: place.tries(leave), "the old node leaves")
    old.stop()
    for daemon in daemons:
        renews(daemon, new)
    expect_same(daemons, workers)
    for daemon in daemons:
        daemon.stop()


def etcd_from_snapshot(place):
    """At the old address. The daemons go on with it. Red while they want the old one."""
    old, new = Etcd(place, "old").start(), Etcd(place, "new")
    new.port, new.url = old.port, old.url
    daemons = [Daemon(place, name, old.settings()) for name in "ab"]
    daemons[0].begins_the_space()
    for daemon in daemons:
        daemon.start()
    workers = [worker(d.next()) for d in daemons]
    old.stop()
    place.environment.update(old_data=f"{place.directory}/old", new_data=f"{place.directory}/new",
                             new_peer_url=new.peer_url)
    place.page("snapshot")
    new.start()
    for daemon in daemons:
        daemon.wait_for("event=etcd-cluster")
        renews(daemon, new)
    expect_same(daemons, workers)
    for daemon in daemons:
        daemon.stop()


CASES = {f.__name__: f for f in (etcd_accounts, zookeeper_accounts, alert, nospace, begin,
                                 begin_kubernetes, begin_zookeeper, another_layout,
                                 another_layout_zookeeper,
                                 move_etcd, etcd_from_snapshot)}


def main():
    for program in ["etcd", "etcdctl"] + (["java"] if "zookeeper" in sys.argv[1] else []):
        if shutil.which(program) is None:
            print(f"{program} is not installed")
            return SKIPPED
    place = Place()
    try:
        CASES[sys.argv[1]](place)
    finally:
        place.end()
        for path in glob.glob(f"/dev/shm/page-{os.getpid()}-*"):
            os.unlink(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())

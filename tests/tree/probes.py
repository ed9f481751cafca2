#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The probes of the Kubernetes manifest, run as it writes them, in a mount namespace in
which the built programs and a daemon are where the manifest says. Liveness fails for a
daemon that is stopped or dead, but not for one that holds IDs back; readiness for both."""
import configparser
import glob
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import yaml

MANIFEST = os.path.join(os.environ["SFSHM_SOURCE"], "daemon/units/kubernetes.yaml")
SKIPPED = 77
LIMIT_S = 60
WITHIN_S = 5  # from a hang to the first probe that fails


def manifest():
    with open(MANIFEST, encoding="utf-8") as file:
        documents = list(yaml.safe_load_all(file))
    config = configparser.ConfigParser()
    config.read_string(next(d for d in documents if d["kind"] == "ConfigMap")
                       ["data"]["sfshmd.conf"])
    container = next(d for d in documents if d["kind"] == "DaemonSet" and
                     d["metadata"]["name"] == "sfshmd")["spec"]["template"]["spec"]["containers"][0]
    return config, container


def enter():
    """Runs this program again, in a namespace of its own."""
    words = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--user", "--map-root-user"])
    if subprocess.run(words + ["true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("this machine allows no mount namespace")
        sys.exit(SKIPPED)
    os.execvp(words[0], words + [sys.executable, __file__, "inside"])


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def furnish():
    """/run is empty, and /usr/bin has the built sfshm as well as everything that it had."""
    mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
    for directory in "/run/bin", "/run/sfshm", "/run/sfshm-segments", "/run/state":
        os.mkdir(directory, 0o700 if directory == "/run/state" else 0o755)
    programs = os.listdir("/usr/bin")
    mount("--bind", "/usr/bin", "/run/bin")
    tool = os.path.realpath(os.environ["SFSHM_TOOL"])
    mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/usr/bin")
    for program in programs:
        os.symlink("/run/bin/" + program, "/usr/bin/" + program)
    for name in "sfshm", "sfshm-stat":
        path = "/usr/bin/" + name
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink(os.path.join(os.path.dirname(tool), name), path)


class Daemon:
    def __init__(self, shm):
        self.shm = shm
        self.process = None

    def start(self):
        settings = ["workers.first=0", f"workers.space=probes-{os.getpid()}",
                    "daemon.state_dir=/run/state", f"daemon.shm={self.shm}"]
        self.process = subprocess.Popen([os.environ["SFSHMD"], "--config", "/dev/null"] +
                                        [a for s in settings for a in ("--set", s)],
                                        stderr=subprocess.DEVNULL)

    def signal(self, number):
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()


def passes(container, name):
    probe = container[name]
    began = time.monotonic()
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    run = subprocess.run(probe["exec"]["command"], env=environment, timeout=LIMIT_S,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(f"  {name}: {run.returncode} after {time.monotonic() - began:.1f} s: {run.stdout.strip()}")
    return run.returncode == 0


def until(container, when, wanted):
    """Whether the probes come to pass and fail like that."""
    print(when)
    end = time.monotonic() + LIMIT_S
    while True:
        with ThreadPoolExecutor() as pool:
            found = dict(zip(wanted, pool.map(lambda name: passes(container, name), wanted)))
        if found == wanted:
            return []
        if time.monotonic() > end:
            return [f"{when}: {found}"]
        time.sleep(0.2)


def states(container, daemon):
    up = {"startupProbe": True, "livenessProbe": True, "readinessProbe": True}
    down = dict.fromkeys(up, False)
    faults = until(container, "before it starts", down)
    daemon.start()
    faults += until(container, "running", up)
    daemon.signal(signal.SIGSTOP)
    faults += until(container, "SIGSTOP", down)
    daemon.signal(signal.SIGCONT)
    faults += until(container, "SIGCONT", up)
    daemon.signal(signal.SIGKILL)
    faults += until(container, "SIGKILL", down)
    for file in glob.glob(daemon.shm + "/*"):
        os.unlink(file)
    daemon.start()  # it may have handed out IDs up to the fence
    faults += until(container, "holds IDs back", {**up, "readinessProbe": False})
    daemon.signal(signal.SIGKILL)
    return faults


def main():
    if len(sys.argv) == 1:
        enter()
    config, container = manifest()
    furnish()
    faults = states(container, Daemon(config["daemon"]["shm"]))
    for name in "livenessProbe", "readinessProbe":
        probe = container[name]
        # a probe takes 2 s where nobody answers
        if probe["periodSeconds"] + 2 > WITHIN_S or probe["timeoutSeconds"] < 3:
            faults.append(f"{name}: a hang is seen too late")
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

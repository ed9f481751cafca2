#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Kubernetes manifest: it is well-formed (yamllint), each field is known and has the
right type (kubectl, without a cluster, drops or refuses others), its parts fit together,
and sfshmd accepts the configuration in it."""
import json
import os
import subprocess
import sys
import tempfile
import threading

import yaml

MANIFEST = os.path.join(os.environ["SFSHM_SOURCE"], "daemon/units/kubernetes.yaml")
RULES = ("{extends: default, rules: {line-length: {max: 100}, document-start: disable, "
         "comments: {min-spaces-from-content: 1}}}")
LIMIT_S = 60
faults = []


def missing(wanted, found, path):
    """The parts of `wanted` that are not in `found`."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [m for key, value in wanted.items()
                for m in ([f"{path}.{key}"] if key not in found
                          else missing(value, found[key], f"{path}.{key}"))]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [m for i, (w, f) in enumerate(zip(wanted, found))
                for m in missing(w, f, f"{path}[{i}]")]
    return [] if wanted == found else [path]


def typed(document):
    """The document as kubectl reads it."""
    first = document["spec"]["template"]["spec"]["containers"][0]
    run = subprocess.run(["kubectl", "set", "image", "--local", "-f", "-", "-o", "json",
                          f"{first['name']}={first['image']}x"],
                         input=json.dumps(document), capture_output=True, text=True)
    if run.returncode != 0:
        faults.append(f"{name(document)}: {run.stderr.strip()}")
        return document
    result = json.loads(run.stdout)
    result["spec"]["template"]["spec"]["containers"][0]["image"] = first["image"]
    return result


def name(document):
    return f"{document['kind']} {document['metadata']['name']}"


def check_volumes(document, drivers):
    spec = document["spec"]["template"]["spec"]
    volumes = {v["name"]: v for v in spec["volumes"]}
    mounts = {m["name"] for c in spec["containers"] for m in c["volumeMounts"]}
    if mounts != set(volumes):
        faults.append(f"{name(document)}: volumes {sorted(volumes)}, mounted {sorted(mounts)}")
    for volume in volumes.values():
        if "csi" in volume and volume["csi"]["driver"] not in drivers:
            faults.append(f"{name(document)}: no CSIDriver {volume['csi']['driver']}")


def accepted(text):
    """The daemon accepts that configuration and lacks only the coordinator: exit status 2
    would mean the configuration, see exit_status.h."""
    place = tempfile.gettempdir()
    # the path of a socket below it has 107 bytes at most
    place = place if len(place) <= 64 else "/tmp"
    with tempfile.TemporaryDirectory(prefix="sfshm.", dir=place) as directory:
        path = os.path.join(directory, "sfshmd.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        settings = [f"daemon.socket={directory}/sock", f"daemon.state_dir={directory}/state",
                    f"daemon.shm={directory}", "etcd.endpoints=https://127.0.0.1:1",
                    "etcd.ttl=6s"]
        daemon = subprocess.Popen([os.environ["SFSHMD"], "--config", path]
                                  + [a for s in settings for a in ("--set", s)],
                                  stderr=subprocess.PIPE, text=True)
        # it waits for the coordinator, and an error of the configuration ends it
        limit = threading.Timer(LIMIT_S, daemon.terminate)
        limit.start()
        said = ""
        for line in daemon.stderr:
            said += line
            if "event=etcd-claim)" in line:
                daemon.terminate()
        daemon.wait()
        limit.cancel()
        if daemon.returncode != 0 or "127.0.0.1:1" not in said:
            faults.append("sfshmd and the ConfigMap: " + said)


def main():
    lint = subprocess.run(["yamllint", "-d", RULES, MANIFEST])
    if lint.returncode != 0:
        faults.append("yamllint")
    with open(MANIFEST, encoding="utf-8") as file:
        documents = list(yaml.safe_load_all(file))
    drivers = {d["metadata"]["name"] for d in documents if d["kind"] == "CSIDriver"}
    for document in documents:
        if "template" not in document.get("spec", {}):
            continue
        faults.extend(f"{name(document)}: not known: {m}"
                      for m in missing(document, typed(document), ""))
        check_volumes(document, drivers)
    accepted(next(d for d in documents if d["kind"] == "ConfigMap")["data"]["sfshmd.conf"])
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

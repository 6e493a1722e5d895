#!/usr/bin/env python3
"""A scheduler in another language, in plain Python and over Consul's HTTP API. It shows all that a scheduler must do:

    CONSUL_HTTP_ADDR=127.0.0.1:8500 python3 examples/scheduler.py

It looks after each cluster that names it (`scheduler: python`): it takes the cluster's lock, reads what users want and
what agents say, and writes which host runs which task. Agents of Callboard do the rest, and `callboard status`, `tasks`
and `explain` show it. Callboard's own scheduler leaves such clusters alone, and shares the hosts with this one.

The rules that make this safe, whatever becomes of this process or of the network:

  * Every write is one transaction that begins with two conditions on the lock: this session holds it, and it is still the
    tenure in which it was taken. A write that comes late, after somebody else took over, changes nothing.
  * A task has two keys, one for everybody and one for its host's agent. They are written together and say the same.
  * The ledger of a host says what each cluster holds of it. It is compared and written in the same transaction, so that
    two schedulers do not give the same port or memory away.
  * Every key is written only as it was read (`cas`). Whatever fails is read and decided anew.
  * A healthy task is stopped by choice only while more than `min` are healthy.

What it does not do, to stay short: it leaves the tasks of a silent or drained host where they are, and it does not give
up a bad version; it stops at `min`.
"""

import base64
import http.client
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

NAME = "python"
SESSION_TTL = 10  # seconds, the least that Consul takes; Consul itself waits up to twice as long
CONSUL = "http://" + os.environ.get("CONSUL_HTTP_ADDR", "127.0.0.1:8500").removeprefix("http://")


class Refused(Exception):
    """Consul did not do what was asked, and says why."""


def consul(method, path, body=None):
    """Asks Consul and gives its answer. What it refuses, and what cannot be asked, is an exception."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(CONSUL + path, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404 and method == "GET":
            return []  # a prefix under which nothing is
        raise Refused(f"{error.code}: {error.read().decode(errors='replace').strip()}") from error


def encoded(record):
    return base64.b64encode(json.dumps(record).encode()).decode()


class World:
    """All that the store holds: records by key, and the index at which each was last written."""

    def __init__(self):
        self.records, self.index = {}, {}
        for prefix in ("config/", "state/", "hosts/", "status/"):
            for entry in consul("GET", f"/v1/kv/{prefix}?recurse&consistent"):
                self.index[entry["Key"]] = entry["ModifyIndex"]
                try:
                    record = json.loads(base64.b64decode(entry["Value"] or ""))
                except ValueError:
                    record = None
                if isinstance(record, dict):
                    self.records[entry["Key"]] = record
                else:
                    print(f"{entry['Key']} cannot be read and is left alone", flush=True)

    def under(self, prefix):
        return [record for key, record in sorted(self.records.items()) if key.startswith(prefix)]

    def get(self, key):
        return self.records.get(key)

    def tasks(self, cluster):
        return [task for task in self.under("state/tasks/_/") if task["cluster"] == cluster]

    def status(self, task):
        """What the agent says of this very placement."""
        status = self.get(f"status/{task['host']}/{task['id']}")
        return status if status and status["generation"] == task["generation"] else None

    def is_over(self, task):
        status = self.status(task)
        return bool(status) and status["phase"] in ("dead", "failed")

    def is_healthy(self, task):
        status, alive = self.status(task), self.get(f"hosts/{task['host']}/alive")
        return bool(status and alive) and status["phase"] == "running" and status["health"] == "healthy"

    def ledger(self, host):
        return self.get(f"state/ledger/{host}") or {"clusters": {}}


class Scheduler:
    def __init__(self):
        self.session, self.renewed = None, 0.0
        self.tenures = {}  # cluster: the index at which its lock was taken

    def keep_session(self):
        """Opens a session, or keeps it alive. When it is lost, so are all locks."""
        if self.session and time.monotonic() - self.renewed < SESSION_TTL / 3:
            return
        asked = time.monotonic()
        if self.session:
            try:
                consul("PUT", f"/v1/session/renew/{self.session}")
            except Refused as error:
                if not str(error).startswith("404"):
                    raise
                print("the session is lost, and every lock with it", flush=True)
                self.session, self.tenures = None, {}
        if not self.session:
            wanted = {"Name": f"scheduler {NAME}", "TTL": f"{SESSION_TTL}s", "LockDelay": "1ms",
                      "Behavior": "delete", "NodeChecks": [], "Checks": []}
            self.session = consul("PUT", "/v1/session/create", wanted)["ID"]
        self.renewed = asked

    def take_lock(self, cluster):
        """Takes the lock of a cluster where it is free. The index of that write is the tenure."""
        holder = {"scheduler": NAME, "instance": f"{os.uname().nodename} pid {os.getpid()}"}
        lock = {"Verb": "lock", "Key": f"schedulers/{cluster}", "Value": encoded(holder), "Session": self.session}
        try:
            answer = consul("PUT", "/v1/txn", [{"KV": lock}])
        except Refused:
            return  # somebody else holds it
        self.tenures[cluster] = answer["Results"][0]["KV"]["ModifyIndex"]
        print(f"took the lock of {cluster}", flush=True)

    def commit(self, world, cluster, changes):
        """Writes all of these records, or nothing. `None` removes one."""
        lock = f"schedulers/{cluster}"
        parts = [{"Verb": "check-session", "Key": lock, "Session": self.session},
                 {"Verb": "check-index", "Key": lock, "Index": self.tenures[cluster]}]
        for key, record in changes.items():
            index = world.index.get(key, 0)
            if record is None:
                parts.append({"Verb": "check-index", "Key": key, "Index": index})
                parts.append({"Verb": "delete-cas", "Key": key, "Index": index})
            else:
                parts.append({"Verb": "cas", "Key": key, "Index": index, "Value": encoded(record)})
        try:
            consul("PUT", "/v1/txn", [{"KV": part} for part in parts])
        except Refused as error:
            # Whatever it was, all is read again. When it was the lock, it is taken again first.
            print(f"not written: {error}", flush=True)
            self.tenures.pop(cluster, None)

    def write_task(self, world, task, record):
        """Writes a task under both of its keys, and the ledger line that follows. `None` removes the task."""
        cluster, host = task["cluster"], task["host"]
        others = [other for other in world.tasks(cluster) if other["host"] == host and other["id"] != task["id"]]
        here = others + ([record] if record else [])
        ledger = world.ledger(host)
        if here:
            ledger["clusters"][cluster] = {
                "memory": sum(one.get("memory", 0) for one in here),
                "cpu_units": sum(one.get("cpu_units", 0) for one in here),
                "ports": sorted(one["port"] for one in here if one.get("port")),
            }
        else:
            ledger["clusters"].pop(cluster, None)
        self.commit(world, cluster, {
            f"state/tasks/_/{task['id']}": record,
            f"state/tasks/{host}/{task['id']}": record,
            f"state/ledger/{host}": ledger,
        })

    def stop(self, world, task, why):
        print(f"{task['id']} on {task['host']} shall stop: {why}", flush=True)
        ordered = dict(task, desired="stop", reason=why, tenure=self.tenures[task["cluster"]])
        self.write_task(world, task, ordered)

    def place(self, world, cluster, service, definition):
        """Places one more task of a service on the host of which least is held. Tells whether there was one."""
        version = definition["version"]
        taken = {task["instance"] for task in world.tasks(cluster)
                 if task["service"] == service["name"] and task["version"] == version}
        instance = next(number for number in range(len(taken) + 1) if number not in taken)
        kinds = {container["type"] for container in definition["containers"]}
        choices = []
        for has in world.under("hosts/"):
            host = has.get("host")
            if "executors" not in has or not world.get(f"hosts/{host}/alive"):
                continue  # it is no registration, or its agent is not heard of
            config = world.get(f"config/hosts/{host}") or {}
            held = world.ledger(host)["clusters"].values()
            memory = sum(claim.get("memory", 0) for claim in held) + definition.get("memory", 0)
            cpu = sum(claim.get("cpu_units", 0) for claim in held) + definition.get("cpu_units", 0)
            used = {port for claim in held for port in claim.get("ports", [])} | set(config.get("reserved_ports", []))
            free = next((port for port in range(has["ports"]["first"], has["ports"]["last"] + 1) if port not in used), 0)
            fits = memory <= has["memory"] and cpu <= has["cpu_units"] and kinds <= set(has["executors"])
            if fits and free and not config.get("draining"):
                choices.append((memory * 1000 // max(has["memory"], 1), host, free))
        if not choices:
            print(f"{service['name']}: no host has room", flush=True)
            return False
        load, host, port = min(choices)
        task = {
            "id": f"{cluster}-{service['name']}-{version}-{instance}", "cluster": cluster,
            "service": service["name"], "task_name": definition["name"], "version": version, "instance": instance,
            # A placement needs a number that its id never had: the store's own index only grows.
            "generation": 1 + max([self.tenures[cluster], *world.index.values()]),
            "host": host, "memory": definition.get("memory", 0), "cpu_units": definition.get("cpu_units", 0),
            "desired": "run", "reason": f"least loaded: {load / 10} % reserved", "tenure": self.tenures[cluster],
        }
        if definition.get("port") or definition.get("provide_port"):
            task["port"] = definition.get("port") or port
        print(f"{task['id']} goes to {host}", flush=True)
        self.write_task(world, task, task)
        return True

    def one_step(self, world, cluster):
        """Does the first thing that is to be done for a cluster. Tells whether there was one."""
        wanted = {}
        for name in cluster.get("services", []):
            if service := world.get(f"config/services/{name}"):
                wanted[name] = service
        for task in world.tasks(cluster["name"]):
            listed = task["service"] in cluster.get("services", [])
            if world.is_over(task):
                self.write_task(world, task, None)
                return True
            # A record that cannot be read is not the same as none: what it spoke of goes on.
            is_deleted = f"config/services/{task['service']}" not in world.index
            if task["desired"] == "run" and (not listed or is_deleted):
                self.stop(world, task, "its service is deleted")
                return True
        return any(self.one_step_of(world, cluster["name"], service) for service in wanted.values())

    def one_step_of(self, world, cluster, service):
        desired = 0 if service.get("stopped") else service["desired"]
        least = 0 if service.get("stopped") else service["min"]
        of_it = [task for task in world.tasks(cluster) if task["service"] == service["name"]]
        issued = [task for task in of_it if task["desired"] == "run"]
        current = [task for task in issued if task["version"] == service["task_version"]]
        outdated = [task for task in issued if task["version"] != service["task_version"]]
        key = f"config/task_definitions/{service['task_name']}/{service['task_version']}"
        definition = world.get(key)
        if definition and len(current) < desired and len(issued) < service["max"]:
            if self.place(world, cluster, service, definition):
                return True
        # Too many, or of another version: those first that do no work, then one at a time while enough others do theirs.
        surplus = outdated + current[desired:] if len(issued) > desired or outdated else []
        surplus.sort(key=world.is_healthy)
        healthy = sum(world.is_healthy(task) for task in issued)
        for task in surplus:
            if not world.is_healthy(task) or healthy > least:
                self.stop(world, task, "not wanted any more" if task in current else "of another version")
                return True
        return False

    def round(self):
        """Looks at everything once. Tells whether anything was done."""
        self.keep_session()
        world = World()
        for cluster in world.under("config/clusters/"):
            if cluster.get("scheduler") != NAME:
                continue
            if cluster["name"] not in self.tenures:
                self.take_lock(cluster["name"])
                return cluster["name"] in self.tenures  # reads again what was written before that
            if self.one_step(world, cluster):
                return True
        return False

    def end(self):
        """Gives the locks back, so that another one need not wait. Tasks go on."""
        if self.session:
            consul("PUT", f"/v1/session/destroy/{self.session}")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    scheduler = Scheduler()
    try:
        while True:
            try:
                if scheduler.round():
                    continue
            except (OSError, ValueError, LookupError, Refused, http.client.HTTPException) as error:
                # Nobody knows what became of a write that was not answered: all is read again.
                print(f"tried again in a moment: {error!r}", flush=True)
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    finally:
        scheduler.end()


main()

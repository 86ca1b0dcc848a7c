"""Starts dmfrag's programs for tests that span them, and reads what they print.

Everything lives in one temporary folder; every process started here is ended here, by its own id.
"""

import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

SERVER = os.path.abspath("server/dmfrag-server")
WORKER = os.path.abspath("worker/dmfrag-worker")
CLIENT = os.path.abspath("client/dmfrag")
JOB = os.path.abspath("worker/dmfrag-job")
PATIENCE_S = 120  # only a failing test waits this long


def wait_until(condition, what, patience_s=PATIENCE_S):
    """Polls until `condition()` is true and returns its value."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"timed out: {what}")


class Cluster:
    """A server, its workers, and clients that talk to it."""

    def __init__(self, lease_ms=2000, heartbeat_ms=200):
        # Not TEST_TMPDIR: a socket's path has 107 characters at most.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dmfrag-", dir="/tmp"))
        os.chmod(self.folder, 0o700)
        self.address = f"unix:{self.folder}/s"
        self.database = self.folder / "dmfrag.db"
        self.timing = ["--lease-ms", str(lease_ms), "--heartbeat-ms", str(heartbeat_ms)]
        self.server = None
        self.workers = []

    def __enter__(self):
        self.start_server()
        return self

    def __exit__(self, *_):
        for process in self.workers + [self.server]:
            if process and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder)

    def _spawn(self, command, log):
        log_file = open(self.folder / log, "ab")
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log_file, stderr=log_file)

    def log(self, name):
        return (self.folder / name).read_text()

    def start_server(self, *flags):
        self.server = self._spawn(
            [SERVER, "--db", str(self.database), "--listen", self.address, *self.timing, *flags], "server.log")
        wait_until(lambda: self.server.poll() is not None or self.client("experiments").returncode == 0, "server starts")
        assert self.server.poll() is None, self.log("server.log")

    def start_worker(self, slots=1):
        name = f"worker-{len(self.workers)}.log"
        self.workers.append(self._spawn(
            [WORKER, "--server", self.address, "--slots", str(slots), "--cache-dir", str(self.folder / "cache")], name))
        return self.workers[-1]

    def kill(self, process):
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop_server(self):
        self.server.send_signal(signal.SIGTERM)
        assert self.server.wait(timeout=30) == 0, self.log("server.log")

    def client(self, *arguments, **kwargs):
        return subprocess.run([CLIENT, "--server", self.address, *arguments], capture_output=True, text=True,
                              timeout=PATIENCE_S, **kwargs)

    def json(self, *arguments):
        result = self.client("-o", "json", *arguments)
        assert result.returncode == 0, f"{arguments}: {result.returncode} {result.stderr} {result.stdout}"
        return json.loads(result.stdout)

    def submit(self, sweep_text, *flags):
        """Submits a sweep and returns its name."""
        path = self.folder / "sweep.yaml"
        path.write_text(sweep_text)
        return self.json("submit", *flags, str(path))["name"]

    def experiment(self, name):
        return next(e for e in self.json("experiments")["experiments"] if e["name"] == name)

    def succeeded(self, name):
        return int(self.experiment(name)["counts"]["succeeded"])

    def wait(self, name):
        result = self.client("wait", name)
        assert result.returncode == 0, f"wait {name}: {result.returncode} {result.stderr}"

    def raw_results(self, name):
        return self.json("results", name, "--raw")["results"]

    def query(self, sql):
        """Runs SQL on the database. REQUIRES: the server is stopped or dead."""
        assert self.server.poll() is not None
        connection = sqlite3.connect(self.database)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()


def children_of(pid):
    """Process ids of a process's children."""
    children = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()  # after the name: state, parent, ...
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        if int(fields[1]) == pid and fields[0] != "Z":
            children.append(int(stat.parent.name))
    return children

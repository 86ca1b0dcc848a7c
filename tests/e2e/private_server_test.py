"""`dmfrag run` and `up` with a server of one's own: results stay, processes do not."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, "tests")
import harness  # noqa: E402

SWEEP = """
name: private
base: {workload: secretmem, length: {duration: 200ms}, machine: {memory: 1GiB}}
axes: {cache: [none, global]}
replicates: 3
"""


@pytest.fixture
def home():
    with tempfile.TemporaryDirectory(prefix="dmfrag-", dir="/tmp") as folder:
        os.chmod(folder, 0o700)
        pathlib.Path(folder, "sweep.yaml").write_text(SWEEP)
        yield folder
        subprocess.run([harness.CLIENT, "down"], env=environment(folder), capture_output=True, timeout=60)


def environment(folder):
    return {"DMFRAG_DATA": folder + "/data", "PATH": os.environ["PATH"], "HOME": folder}


def client(folder, *arguments):
    return subprocess.run([harness.CLIENT, *arguments], env=environment(folder), cwd=folder, capture_output=True, text=True,
                          timeout=harness.PATIENCE_S)


def processes_of(folder):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and folder in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def test_run_prints_its_table_and_leaves_nothing_running(home):
    first = client(home, "run", "sweep.yaml")
    assert first.returncode == 0, first.stderr
    assert "none" in first.stdout and "global" in first.stdout and "±" in first.stdout
    assert processes_of(home) == []
    again = client(home, "run", "sweep.yaml")
    assert again.returncode == 0
    assert "6 of them cached" in again.stdout + again.stderr
    assert client(home, "results", "last").returncode == 0
    assert processes_of(home) == []


def test_killed_client_leaves_nothing_running(home):
    pathlib.Path(home, "sweep.yaml").write_text(SWEEP.replace("200ms", "100s"))
    run = subprocess.Popen([harness.CLIENT, "run", "sweep.yaml"], env=environment(home), cwd=home, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    harness.wait_until(lambda: len(processes_of(home)) >= 3, "server and workers start")
    run.send_signal(signal.SIGKILL)
    run.wait()
    harness.wait_until(lambda: processes_of(home) == [], "they stop with the client", patience_s=60)


def test_up_stays_and_down_ends_it(home):
    up = client(home, "up", "--workers", "1")
    assert up.returncode == 0, up.stderr
    assert client(home, "up").returncode == 0
    server = processes_of(home)
    assert len(server) >= 2
    assert client(home, "submit", "--wait", "sweep.yaml").returncode == 0
    workers = client(home, "-o", "csv", "workers")
    assert workers.returncode == 0 and len(workers.stdout.strip().split("\n")) == 2
    down = client(home, "down")
    assert down.returncode == 0, down.stderr
    assert processes_of(home) == []
    assert client(home, "down").returncode in (0, 4)


def test_data_folder_of_others_is_refused(home):
    os.mkdir(home + "/data", 0o755)
    os.chmod(home + "/data", 0o777)
    result = client(home, "experiments")
    assert result.returncode != 0
    assert "chmod 700" in result.stderr or "0700" in result.stderr

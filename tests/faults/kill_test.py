"""kill -9 of the server, of a worker and of a slot in the middle of a run: every job has exactly one result."""

import os
import random
import re
import signal
import sys
import time

sys.path.insert(0, "tests")
import harness  # noqa: E402

JOBS = 2000


def sweep(seed, jobs=JOBS, duration="3s"):
    """Real jobs of some ms per 3 s of simulated time, so that the kill falls into the middle of the run."""
    return f"""
name: kill
base:
  machine: {{memory: 1GiB}}
  cache: global
  workload: secretmem
  length: {{duration: {duration}, sample_interval: 0s}}
replicates: {jobs}
seed: {seed}
"""


def check_every_job_has_one_result(cluster, name, jobs=JOBS):
    rows = cluster.raw_results(name)
    assert len(rows) == jobs
    assert all(row["state"] == "succeeded" for row in rows)
    assert {row["replicate"] for row in rows} == set(range(jobs))
    assert len({row["spec_sha256"] for row in rows}) == jobs
    cluster.stop_server()
    assert cluster.query("PRAGMA integrity_check") == [("ok",)]
    assert cluster.query("SELECT COUNT(*) FROM results") == [(jobs,)]
    assert cluster.query("SELECT COUNT(DISTINCT job_id) FROM results") == [(jobs,)]
    assert cluster.query("SELECT COUNT(*) FROM jobs") == [(jobs,)]


def progress(cluster, name, at_least):
    return harness.wait_until(lambda: cluster.succeeded(name) >= at_least, f"{at_least} jobs done")


def test_server_killed_in_the_middle():
    with harness.Cluster() as cluster:
        cluster.start_worker(slots=2)
        cluster.start_worker()
        name = cluster.submit(sweep(1))
        for round_number in range(3):
            progress(cluster, name, 200 + 500 * round_number)
            cluster.kill(cluster.server)
            cluster.start_server()
        cluster.wait(name)
        # Each kill fell into the middle: the next server found the experiment unfinished, and took running attempts over.
        log = cluster.log("server.log")
        assert log.count("1 experiments taken up") == 3
        adopted = [int(count) for count in re.findall(r"attempts held, (\d+) adopted", log)]
        assert sum(adopted) > 0
        check_every_job_has_one_result(cluster, name)


def test_acknowledged_submit_survives_the_kill_at_once():
    with harness.Cluster() as cluster:
        for seed in range(5):
            name = cluster.submit(sweep(100 + seed))
            cluster.kill(cluster.server)
            cluster.start_server()
            assert int(cluster.experiment(name)["counts"]["total"]) == JOBS
            cancelled = cluster.client("cancel", name)
            assert cancelled.returncode == 0, cancelled.stderr
            cluster.kill(cluster.server)
            cluster.start_server()
            assert cluster.experiment(name)["state"] == "EXPERIMENT_STATE_CANCELLED"


def test_worker_killed_in_the_middle():
    with harness.Cluster() as cluster:
        victim = cluster.start_worker(slots=2)
        cluster.start_worker()
        name = cluster.submit(sweep(2))
        progress(cluster, name, 300)
        slots = harness.children_of(victim.pid)
        assert slots
        cluster.kill(victim)
        harness.wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in slots), "its slots end with it")
        cluster.wait(name)
        check_every_job_has_one_result(cluster, name)


def test_slots_killed_in_the_middle():
    random.seed(3)
    with harness.Cluster() as cluster:
        worker = cluster.start_worker(slots=2)
        jobs = 300
        name = cluster.submit(sweep(3, jobs, duration="30s"))
        kills = 0
        while kills < 10 and worker.poll() is None and cluster.succeeded(name) < jobs:
            # The first ten: a slot that dies in the golden set ends the worker. Ten more each time: three deaths end a job.
            progress(cluster, name, 10 * (kills + 1))
            slots = harness.children_of(worker.pid)
            if not slots:
                continue
            try:
                os.kill(random.choice(slots), signal.SIGKILL)
            except ProcessLookupError:
                continue
            kills += 1
        assert kills >= 3, "the run was over before it could be disturbed"
        cluster.wait(name)
        assert worker.poll() is None, "the worker lives on"
        rows = cluster.raw_results(name)
        assert sum(row["attempts"] - 1 for row in rows) <= kills, "a kill costs one job at most"
        check_every_job_has_one_result(cluster, name, jobs)


def test_stopped_worker_is_fenced():
    with harness.Cluster(lease_ms=1000, heartbeat_ms=100) as cluster:
        zombie = cluster.start_worker(slots=2)
        name = cluster.submit(sweep(4))
        progress(cluster, name, 100)
        zombie.send_signal(signal.SIGSTOP)
        try:
            cluster.start_worker()
            time.sleep(1.5)  # longer than the lease
        finally:
            zombie.send_signal(signal.SIGCONT)
        cluster.wait(name)
        check_every_job_has_one_result(cluster, name)

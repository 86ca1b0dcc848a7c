"""A result depends on the spec and the model alone: not on the number of workers, the order of jobs, the cache of results, or
the way the job is run."""

import json
import subprocess
import sys

sys.path.insert(0, "tests")
import harness  # noqa: E402

SWEEP = """
name: determinism
base:
  workload: secretmem
  length: {duration: 3s, warmup: 1s}
axes:
  cache: [none, global]
  memory: [1GiB, 16GiB]
replicates: 4
seed: 7
"""


def digests(workers):
    with harness.Cluster() as cluster:
        for _ in range(workers):
            cluster.start_worker()
        name = cluster.submit(SWEEP)
        cluster.wait(name)
        first = rows(cluster, name)
        again = cluster.submit(SWEEP, "--no-cache")
        cluster.wait(again)
        assert rows(cluster, again) == first
        assert int(cluster.experiment(again)["counts"]["cached"]) == 0
        cached = cluster.submit(SWEEP)
        cluster.wait(cached)
        assert int(cluster.experiment(cached)["counts"]["cached"]) == 16
        return first


def rows(cluster, name):
    return [(row["point"], row["replicate"], row["seed"], row["spec_sha256"], row["result_sha256"])
            for row in cluster.raw_results(name)]


def test_same_digests_with_one_and_four_workers_and_without_a_server(tmp_path):
    one = digests(workers=1)
    assert len(one) == 16
    assert len({row[4] for row in one}) == 16
    assert digests(workers=4) == one
    specs = [f"machine {{ memory_bytes: {gib << 30} }} cache {{ {cache} {{}} }}" for cache in ("none", "global") for gib in (1, 16)]
    for point, _, seed, spec_sha256, result_sha256 in one:
        text = specs[point] + f" seed: {seed} workload {{ preset: 'secretmem' }} length {{ duration_us: 3000000 warmup_us: 1000000 }}"
        printed = subprocess.run([harness.JOB, "-"], input=text, capture_output=True, text=True, check=True, timeout=60).stdout
        job = json.loads(printed)
        assert (job["spec_sha256"], job["result_sha256"]) == (spec_sha256, result_sha256)


def test_replicates_share_their_seeds_over_points():
    with harness.Cluster() as cluster:
        cluster.start_worker()
        name = cluster.submit(SWEEP.replace("3s", "10ms").replace("1s", "0s"))
        cluster.wait(name)
        seeds = {}
        for row in cluster.raw_results(name):
            seeds.setdefault(row["replicate"], set()).add(row["seed"])
        assert sorted(seeds) == [0, 1, 2, 3]
        assert all(len(of_replicate) == 1 for of_replicate in seeds.values())
        assert len(set.union(*seeds.values())) == 4

"""Jobs that start from captures, through the whole program: a synthetic workload from a boot snapshot, a replay with the
model's frames, a trace of the page allocator; and wrong inputs, each with one clear line."""

import json
import lzma
import sys

import pytest

sys.path.insert(0, "tests")
import harness  # noqa: E402

CAPTURES = "tests/kernel/captures/"
TRACES = "tests/kernel/traces/"

SWEEP = """
name: on a recorded machine
base:
  workload: {mix: {users: [{name: s, secretmem: {}}]}}
  length: {duration: 1s}
axes:
  cache: [none, global]
  boot_snapshot: [exact.json.xz, counts.json.xz]
replicates: 2
"""


@pytest.fixture(scope="module")
def cluster():
    with harness.Cluster() as started:
        for name, capture in (("exact", "fl-61-1G-a"), ("counts", "frag-61-1G-s3")):
            content = open(f"{CAPTURES}{capture}.json.xz", "rb").read()
            (started.folder / f"{name}.json.xz").write_bytes(content)
        document = json.loads(lzma.open(CAPTURES + "frag-61-1G-s3.json.xz").read())
        for step in document["steps"]:
            step.get("after", {}).pop("pagetypeinfo", None)
        (started.folder / "uncounted.json").write_text(json.dumps(document))
        started.start_worker(slots=2)
        yield started


def test_machines_start_from_captures_named_by_their_files(cluster):
    name = cluster.submit(SWEEP)
    cluster.wait(name)
    results = cluster.raw_results(name)
    assert len(results) == 8
    direct_map = {}
    for row in results:
        direct_map[row["boot_snapshot"]] = int(row["direct_map_4k_kib"]) + int(row["direct_map_2m_kib"])
        assert int(row["protected_pages"]) > 0
    # Each its own machine: the sums of the DirectMap lines of the captures.
    assert direct_map == {"exact.json.xz": 1048424, "counts.json.xz": 1048424}


def test_a_replay_with_the_models_frames_gives_a_table_over_seeds(cluster):
    arguments = ["replay", "--frames=model", "--seeds", "3", CAPTURES + "frag-61-1G-s3.json.xz"]
    document = cluster.json(*arguments)
    assert (document["captures"], document["counted"]) == (1, 1)
    capture = document["per_capture"][0]
    assert (capture["capture"], capture["seeds"], capture["splits_2m"]["kernel"]) == ("frag-61-1G-s3", 3, 44)
    assert capture["splits_2m"]["least"] <= capture["splits_2m"]["mean"] <= capture["splits_2m"]["most"]
    counted = [step for step in capture["steps"] if step["kernel"]["free_blocks"] and step["model"]["free_blocks"]]
    assert counted and all(len(counted[0][side]["free_blocks"]["movable"]) == 11 for side in ("model", "kernel"))
    text = cluster.client(*arguments)
    assert text.returncode == 0
    assert "mean of 3 seeds" in text.stdout and "free blocks, order" in text.stdout and "max(2, 10 %)" in text.stdout


def test_a_trace_is_replayed_event_by_event(cluster):
    result = cluster.client("replay", "--trace", TRACES + "fl-61-1G-a.trace.xz", CAPTURES + "fl-61-1G-a.json.xz")
    assert result.returncode == 0, result.stderr
    assert "4,125 of 4,125 logged allocations" in result.stdout


SNAPSHOT = "name: a\nbase: {cache: none, workload: secretmem, machine: {boot_snapshot: %s}}\n"

WRONG_SWEEPS = {
    "no such file": (SNAPSHOT % "none.json.xz", ["sweep.yaml:2:", "none.json.xz", "is no file"]),
    "memory beside the snapshot": (SNAPSHOT % "exact.json.xz, memory: 1GiB", ["machine.memory", "boot_snapshot"]),
    "processors beside the snapshot": (SNAPSHOT % "exact.json.xz, cpus: 2", ["machine.cpus", "boot_snapshot"]),
}


@pytest.mark.parametrize("name", WRONG_SWEEPS)
def test_wrong_snapshot_is_refused_in_one_line(cluster, name):
    content, expected = WRONG_SWEEPS[name]
    path = cluster.folder / "sweep.yaml"
    path.write_text(content)
    result = cluster.client("run", str(path))
    assert result.returncode == 1, result
    lines = result.stderr.strip().split("\n")
    assert len(lines) == 1, result.stderr
    for part in expected:
        assert part in lines[0], lines[0]


def test_a_capture_without_counts_says_so(cluster):
    result = cluster.client("replay", "--frames=model", "--seeds", "1", str(cluster.folder / "uncounted.json"))
    assert result.returncode == 2
    assert "pagetypeinfo" in result.stdout


WRONG_REPLAYS = {
    "no seeds": (["--frames=model", "--seeds", "0", CAPTURES + "fl-61-1G-a.json.xz"], 1, ["--seeds", "1"]),
    "seeds without the model's frames": (["--seeds", "3", CAPTURES + "fl-61-1G-a.json.xz"], 1, ["--seeds", "--frames=model"]),
    "trace of another run": (["--trace", TRACES + "fl-61-1G-a.trace.xz", CAPTURES + "fl-612-1G-a.json.xz"], 2,
                             ["fl-61-1G-a.trace.xz", "another run"]),
    "trace of a capture without lists": (["--trace", TRACES + "fl-61-1G-a.trace.xz", CAPTURES + "frag-61-1G-s3.json.xz"], 2,
                                         ["no dump of free lists"]),
    "trace of two captures": (["--trace", TRACES + "fl-61-1G-a.trace.xz", CAPTURES + "fl-61-1G-a.json.xz",
                               CAPTURES + "fl-612-1G-a.json.xz"], 1, ["--trace", "one capture"]),
}


@pytest.mark.parametrize("name", WRONG_REPLAYS)
def test_wrong_replay_is_refused(cluster, name):
    arguments, code, expected = WRONG_REPLAYS[name]
    result = cluster.client("replay", *arguments)
    assert result.returncode == code, result
    for part in expected:
        assert part in result.stderr, result.stderr

"""The examples are taken as they are, and the one with phases runs."""

import pathlib
import sys

import pytest

sys.path.insert(0, "tests")
import harness  # noqa: E402

EXAMPLES = sorted(pathlib.Path("examples").glob("*.yaml"))


@pytest.fixture(scope="module")
def cluster():
    with harness.Cluster() as started:
        yield started


def test_there_are_examples():
    assert {"quickstart.yaml", "my-mix.yaml", "phases.yaml"} <= {path.name for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_is_taken(cluster, path):
    result = cluster.client("submit", "--dry-run", str(path))
    assert result.returncode == 0, result.stderr
    assert cluster.json("experiments")["experiments"] == []


def test_phases_runs(cluster):
    cluster.start_worker(slots=2)
    name = cluster.json("submit", "examples/phases.yaml")["name"]
    cluster.wait(name)
    results = cluster.raw_results(name)
    assert len(results) == 6
    for result in results:
        assert int(result["operations"]) > 1_000_000, result
    assert sum(int(result["splits_2m"]) for result in results) > 0

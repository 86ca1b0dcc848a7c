"""Wrong sweep files through the whole program: one clear line with the place, exit code 1, and no experiment in the store.
(client/sweep holds the exact messages of many more.)"""

import sys

import pytest

sys.path.insert(0, "tests")
import harness  # noqa: E402

GOOD = "name: good\nbase: {cache: none, workload: {noop: {}}}\n"

# name: (content, what the message must say)
WRONG = {
    "unknown key": (GOOD + "replicats: 3\n", ['sweep.yaml:3:1', '"replicats"', 'did you mean "replicates"']),
    "unknown key in the spec": ("name: a\nbase: {cache: none, workload: {noop: {}}, machine: {cpu: 4}}\n", [":2:", '"cpu"', '"cpus"']),
    "wrong unit": ("name: a\nbase: {cache: none, workload: {noop: {}}, machine: {memory: 4s}}\n", [":2:", "GiB"]),
    "no unit": ("name: a\nbase: {cache: none, workload: {noop: {}}, machine: {memory: 4096}}\n", [":2:", "unit"]),
    "negative memory": ("name: a\nbase: {cache: none, workload: {noop: {}}, machine: {memory: -4GiB}}\n", [":2:", "negative"]),
    "too little memory": ("name: a\nbase: {cache: none, workload: {noop: {}}, machine: {memory: 4KiB}}\n", ["machine.memory"]),
    "huge axis": (GOOD + "axes:\n  seed: [" + ", ".join(map(str, range(10001))) + "]\n", [":4:", "10001", "10000"]),
    "too many jobs": (GOOD + "axes:\n  seed: [1, 2, 3]\n  machine.cpus: [1, 2, 3, 4]\nreplicates: 1000000\n", ["replicates"]),
    "empty file": ("", ["empty"]),
    "binary file": ("\x7fELF\x02\x01\x01\x00\x00\x00", ["text"]),
    "duplicate axis": (GOOD + "axes:\n  memory: [1GiB]\n  machine.memory: [2GiB]\n", [":5:", "memory"]),
    "duplicate key": ("name: a\nname: b\nbase: {cache: none, workload: {noop: {}}}\n", [":2:1", "name", "twice"]),
    "axis inside another's": (GOOD + "axes:\n  machine: [{memory: 1GiB}]\n  machine.cpus: [2]\n", [":5:", "machine"]),
    "empty axis": (GOOD + "axes:\n  seed: []\n", [":4:", "seed"]),
    "unknown cache type": ("name: a\nbase: {cache: globl, workload: {noop: {}}}\n", [":2:", '"globl"', '"global"']),
    "option the cache type refuses": ("name: a\nbase: {cache: {freetype: {per_node: true}}, workload: {noop: {}}}\n",
                                      [":2:27:", "no option of freetype", "lists are those of a zone"]),
    "value the cache type refuses": ("name: a\nbase: {cache: {per_user: {free_path: divert}}, workload: {noop: {}}}\n",
                                     [":2:38:", "divert", "per_user", "allowed: dedicated_api"]),
    "unknown preset": ("name: a\nbase: {cache: none, workload: secretmen}\n", ["secretmen", "secretmem"]),
    "no workload": ("name: a\nbase: {cache: none}\n", ["workload"]),
    "no YAML": ("name: [unclosed\n", ["sweep.yaml:"]),
    "two documents": (GOOD + "---\n" + GOOD, ["document"]),
}


@pytest.fixture(scope="module")
def cluster():
    with harness.Cluster() as started:
        yield started


@pytest.mark.parametrize("name", WRONG)
def test_wrong_sweep_is_refused_in_one_line(cluster, name):
    content, expected = WRONG[name]
    path = cluster.folder / "sweep.yaml"
    path.write_text(content)
    for command in ("submit", "run"):
        result = cluster.client(command, str(path))
        assert result.returncode == 1, result
        assert result.stdout == ""
        lines = result.stderr.strip().split("\n")
        assert len(lines) == 1, result.stderr
        for part in expected:
            assert part in lines[0], lines[0]
    assert cluster.json("experiments")["experiments"] == []


def test_the_good_one_is_taken(cluster):
    path = cluster.folder / "good.yaml"
    path.write_text(GOOD)
    assert cluster.client("submit", "--dry-run", str(path)).returncode == 0
    assert cluster.json("experiments")["experiments"] == []


def test_file_that_is_not_there(cluster):
    result = cluster.client("submit", "/nonexistent/sweep.yaml")
    assert result.returncode == 1
    assert "/nonexistent/sweep.yaml" in result.stderr

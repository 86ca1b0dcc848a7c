"""Tests written in Python, run by Debian's pytest."""

def pytest_test(name, src, data = [], **kwargs):
    """A pytest file, with the four programs and the shared harness at hand.

    Args:
      name: of the test.
      src: the file.
      data: further files it reads.
      **kwargs: as for sh_test.
    """
    native.sh_test(
        name = name,
        srcs = ["//tests:pytest.sh"],
        args = ["$(location %s)" % src],
        data = data + [
            src,
            "//client:dmfrag",
            "//server:dmfrag-server",
            "//tests:harness.py",
            "//worker:dmfrag-job",
            "//worker:dmfrag-worker",
        ],
        **kwargs
    )

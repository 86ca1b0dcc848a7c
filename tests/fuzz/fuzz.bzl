"""Fuzz targets: a file with LLVMFuzzerTestOneInput, and a folder of kept inputs."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_test")

def fuzz_target(name, srcs, corpus, deps = [], size = "small"):
    """Makes NAME, the fuzzer itself, and NAME_corpus_test, which runs every kept input once.

    The fuzzer wants clang and `--config=fuzz`; tools/fuzz builds and runs it. The test runs with any compiler, under
    sanitizers too.

    Args:
      name: of the fuzzer; ends in _fuzz.
      srcs: defines LLVMFuzzerTestOneInput.
      corpus: folder of kept inputs, in this package.
      deps: of `srcs`.
      size: of the test.
    """
    cc_binary(
        name = name,
        testonly = True,
        srcs = srcs,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = deps,
    )
    cc_test(
        name = name + "_corpus_test",
        size = size,
        srcs = srcs + ["corpus_test.cc"],
        data = native.glob([corpus + "/**"]),
        env = {"DMFRAG_CORPUS": native.package_name() + "/" + corpus},
        deps = deps + ["@googletest//:gtest_main"],
    )

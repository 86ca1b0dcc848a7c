"""Repositories made from what Debian 12's packages installed."""

def debian_library(name):
    """A C++ library of Debian's: headers on the default path, a BUILD file that says what to link."""
    native.new_local_repository(
        name = name,
        build_file = "//third_party:%s.BUILD" % name,
        path = "third_party/bazel",
    )

# Debian's rules_cc is newer than its Bazel 4.2.3: it loads `use_cpp_toolchain`, which that Bazel lacks.
_NEW_NAME = "use_cpp_toolchain"
_FILES_WITH_NEW_NAME = [
    "cc/private/rules_impl/cc_flags_supplier.bzl",
    "cc/private/rules_impl/compiler_flag.bzl",
]

def _debian_rules_cc_impl(ctx):
    result = ctx.execute(["cp", "-rL", "/usr/share/bazel/rules/cc/.", "."])
    if result.return_code != 0:
        fail("copying Debian's bazel-rules-cc: " + result.stderr)
    for path in _FILES_WITH_NEW_NAME:
        text = ctx.read(path)
        text = text.replace(', "%s")' % _NEW_NAME, ")")
        text = text.replace(_NEW_NAME + "()", '["@bazel_tools//tools/cpp:toolchain_type"]')
        ctx.file(path, text)

debian_rules_cc = repository_rule(
    implementation = _debian_rules_cc_impl,
    local = True,
)

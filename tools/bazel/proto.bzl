"""C++ code from .proto files, by Debian's protoc and grpc_cpp_plugin."""

def dmfrag_proto_library(name, srcs, grpc_only = False, imports = [], descriptor_set = None):
    """Makes a cc_library from .proto files of this package, which is their import root.

    Args:
      name: of the cc_library.
      srcs: the .proto files.
      grpc_only: generate the services alone; the messages come from `imports`.
      imports: libraries made by this macro whose messages are used.
      descriptor_set: also write a FileDescriptorSet with comments, under this name.
    """
    suffix = ".grpc.pb" if grpc_only else ".pb"
    stems = [src[:-len(".proto")] for src in srcs]
    headers = [stem + suffix + ".h" for stem in stems]
    sources = [stem + suffix + ".cc" for stem in stems]
    out_flag = "--grpc_out=$(RULEDIR) --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin" if grpc_only else "--cpp_out=$(RULEDIR)"
    outs = headers + sources
    if descriptor_set:
        outs = outs + [descriptor_set]
        out_flag += " --include_imports --include_source_info --descriptor_set_out=$(location %s)" % descriptor_set

    native.genrule(
        name = name + "_generate",
        srcs = srcs + [lib + "_srcs" for lib in imports],
        outs = outs,
        cmd = "/usr/bin/protoc -I %s %s %s" % (
            native.package_name(),
            out_flag,
            " ".join(["$(location %s)" % src for src in srcs]),
        ),
    )
    native.filegroup(name = name + "_srcs", srcs = srcs)
    native.cc_library(
        name = name,
        srcs = sources,
        hdrs = headers,
        copts = ["-w"],
        includes = ["."],
        deps = [":" + lib for lib in imports] + (["@grpc//:grpc++"] if grpc_only else ["@protobuf"]),
    )

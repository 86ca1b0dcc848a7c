"""A client that knows nothing of dmfrag but its address: it asks the server for its services and messages (gRPC reflection)
and lists the experiments."""

import subprocess
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

sys.path.insert(0, "tests")
import harness  # noqa: E402

REFLECTION_PROTO = "/usr/share/grpc-proto"  # Debian's package grpc-proto


def reflection_stubs(folder):
    proto = "grpc/reflection/v1alpha/reflection.proto"
    subprocess.run(["protoc", f"-I{REFLECTION_PROTO}", f"--python_out={folder}", proto], check=True)
    sys.path.insert(0, str(folder))
    # The generated package "grpc" would hide gRPC's own: load the module by its file.
    import importlib.util
    spec = importlib.util.spec_from_file_location("reflection_pb2", folder / "grpc/reflection/v1alpha/reflection_pb2.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.remove(str(folder))
    spec.loader.exec_module(module)
    return module


class ReflectedServer:
    def __init__(self, address, folder):
        self.channel = grpc.insecure_channel(address)
        self.reflection = reflection_stubs(folder)
        self.pool = descriptor_pool.DescriptorPool()
        self.known = set()

    def ask(self, **request):
        call = self.channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            request_serializer=self.reflection.ServerReflectionRequest.SerializeToString,
            response_deserializer=self.reflection.ServerReflectionResponse.FromString)
        return next(iter(call(iter([self.reflection.ServerReflectionRequest(**request)]))))

    def services(self):
        return [service.name for service in self.ask(list_services="*").list_services_response.service]

    def add(self, response):
        for data in response.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            if file.name in self.known:
                continue
            self.known.add(file.name)
            for dependency in file.dependency:
                if dependency not in self.known:
                    self.add(self.ask(file_by_filename=dependency))
            self.pool.Add(file)

    def call(self, service, method, **fields):
        self.add(self.ask(file_containing_symbol=service))
        descriptor = self.pool.FindServiceByName(service).FindMethodByName(method)
        factory = message_factory.MessageFactory(self.pool)
        request_type, response_type = (factory.GetPrototype(d) for d in (descriptor.input_type, descriptor.output_type))
        unary = self.channel.unary_unary(f"/{service}/{method}", request_serializer=request_type.SerializeToString,
                                         response_deserializer=response_type.FromString)
        return json_format.MessageToDict(unary(request_type(**fields), timeout=30))


def test_lists_experiments_from_reflection_alone(tmp_path):
    with harness.Cluster() as cluster:
        name = cluster.submit("name: reflected\nbase: {cache: none, workload: {noop: {}}}\n")
        server = ReflectedServer(cluster.address, tmp_path)
        assert set(server.services()) >= {
            "dmfrag.v1.Experiments", "dmfrag.v1.Results", "dmfrag.v1.Workers", "dmfrag.v1.Captures",
            "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
        answer = server.call("dmfrag.v1.Experiments", "ListExperiments", page_size=5)
        assert [e["name"] for e in answer["experiments"]] == [name]
        assert answer["experiments"][0]["displayName"] == "reflected"
        # gRPC's own health service has no descriptors to reflect: an empty request, and {status: SERVING} as bytes.
        check = server.channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"", timeout=30) == bytes([8, 1])

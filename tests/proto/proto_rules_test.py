"""The rules of the protocol, checked on its descriptors: how things are named and documented (the ids of buf's linter in the
comments), what a job spec may hold, and that nothing that was there is gone or means something else.

The one exception to buf's rules: RPCs of resources return the resource itself, as AIP-131 to 134 say
(RPC_RESPONSE_STANDARD_NAME).
"""

import re

import pytest
from google.protobuf import descriptor_pb2

CURRENT = "proto/dmfrag.binpb"
FROZEN = "tests/proto/frozen.binpb"  # made by tools/freeze-protocol
PACKAGE = "dmfrag.v1"
TYPE = descriptor_pb2.FieldDescriptorProto
RESOURCES = {"Experiment", "Result", "Capture", "Upload", "Worker"}


def load(path):
    files = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as file:
        files.ParseFromString(file.read())
    return [file for file in files.file if file.package == PACKAGE]


FILES = load(CURRENT)


def messages(files):
    """(file, full name, message, path of its source location) of every message, nested ones too; map entries are none here."""

    def walk(file, prefix, message, path):
        name = f"{prefix}.{message.name}"
        yield file, name, message, path
        for i, nested in enumerate(message.nested_type):
            yield from walk(file, name, nested, path + (3, i))

    for file in files:
        for i, message in enumerate(file.message_type):
            yield from walk(file, PACKAGE, message, (4, i))


def enums(files):
    for file in files:
        for i, enum in enumerate(file.enum_type):
            yield file, enum, (5, i)


def has_comment(file, path):
    return any(tuple(location.path) == path and location.leading_comments.strip() for location in file.source_code_info.location)


def upper_snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


def test_there_is_something_to_check():
    assert len(FILES) >= 10
    assert len(list(messages(FILES))) >= 60
    assert sum(len(file.service) for file in FILES) == 4


def test_files_lie_where_their_package_says():  # PACKAGE_DIRECTORY_MATCH, PACKAGE_VERSION_SUFFIX
    for file in FILES:
        assert re.fullmatch(r"dmfrag/v1/[a-z_]+\.proto", file.name), file.name
        assert len(file.service) <= 1, f"{file.name}: one service a file"


def test_fields_are_lower_snake():  # FIELD_LOWER_SNAKE_CASE, ONEOF_LOWER_SNAKE_CASE
    for _, name, message, _ in messages(FILES):
        for field in list(message.field) + list(message.oneof_decl):
            assert re.fullmatch(r"_?[a-z][a-z0-9]*(_[a-z0-9]+)*", field.name), f"{name}.{field.name}"


def test_enums_begin_with_unspecified_and_carry_their_prefix():  # ENUM_ZERO_VALUE_SUFFIX, ENUM_VALUE_PREFIX
    for _, enum, _ in enums(FILES):
        prefix = upper_snake(enum.name) + "_"
        assert enum.value[0].number == 0
        assert enum.value[0].name == prefix + "UNSPECIFIED"
        for value in enum.value:
            assert value.name.startswith(prefix), f"{enum.name}.{value.name}"
    for _, name, message, _ in messages(FILES):
        assert not message.enum_type, f"{name}: enums stand on their own"


def test_everything_has_a_comment():  # COMMENT_*
    for file, name, message, path in messages(FILES):
        assert has_comment(file, path), name
        for i, field in enumerate(message.field):
            assert has_comment(file, path + (2, i)), f"{name}.{field.name}"
    for file, enum, path in enums(FILES):
        assert has_comment(file, path), enum.name
        for i, value in enumerate(enum.value):
            assert has_comment(file, path + (2, i)), f"{enum.name}.{value.name}"
    for file in FILES:
        for i, service in enumerate(file.service):
            assert has_comment(file, (6, i)), service.name
            for k, method in enumerate(service.method):
                assert has_comment(file, (6, i, 2, k)), f"{service.name}.{method.name}"


def test_rpcs_take_requests_of_their_own():  # RPC_REQUEST_STANDARD_NAME, RPC_REQUEST_RESPONSE_UNIQUE
    seen = set()
    for file in FILES:
        for service in file.service:
            for method in service.method:
                request = method.input_type.rsplit(".", 1)[1]
                response = method.output_type.rsplit(".", 1)[1]
                assert request == method.name + "Request"
                assert response == method.name + "Response" or response in RESOURCES, f"{method.name}: {response}"
                assert request not in seen
                seen.add(request)


def test_numbers_carry_their_unit():
    """A field that holds a size or a time says in what: bytes, KiB, pages, us, ms."""
    for _, name, message, _ in messages(FILES):
        for field in message.field:
            if re.search(r"(duration|interval|lifetime|timeout|warmup|memory|size)$", field.name):
                is_number = field.type in (TYPE.TYPE_UINT64, TYPE.TYPE_INT64, TYPE.TYPE_UINT32, TYPE.TYPE_INT32)
                assert not is_number or field.name == "page_size", f"{name}.{field.name} has no unit"


def reachable(root):
    types = {name: message for _, name, message, _ in messages(FILES)}
    waiting, found = [root], {}
    while waiting:
        name = waiting.pop()
        if name in found or name not in types:
            continue
        found[name] = types[name]
        waiting += [field.type_name.lstrip(".") for field in types[name].field if field.type == TYPE.TYPE_MESSAGE]
    return found


@pytest.mark.parametrize("root", ["dmfrag.v1.JobSpec", "dmfrag.v1.JobResult", "dmfrag.v1.CreateExperimentRequest"])
def test_what_is_digested_has_a_canonical_form(root):
    for name, message in reachable(root).items():
        assert not message.options.map_entry, f"{name}: maps have no order"
        for field in message.field:
            assert field.type not in (TYPE.TYPE_FLOAT, TYPE.TYPE_DOUBLE, TYPE.TYPE_GROUP), f"{name}.{field.name}"


def test_every_scalar_of_a_spec_has_a_default_or_is_part_of_a_whole():
    """A field of the spec that is left out must mean something that is written down."""
    whole = {"MemoryRange", "ConstantDistribution", "UniformDistribution", "ExponentialDistribution", "LognormalDistribution",
             "ParetoDistribution", "EmpiricalDistribution", "PhaseRate", "Phase", "Mix", "User", "OrdinaryUser", "ReplayWorkload",
             "RecordingWorkload", "WorkloadSpec", "AgeingSpec", "CostConstant"}  # messages that spec_limits.cc wants complete
    unspecified_is_none = {"dmfrag.v1.MachineSpec.cpu_profile"}  # no default, but absence that is written down
    for name, message in reachable("dmfrag.v1.JobSpec").items():
        if name.rsplit(".", 1)[1] in whole:
            continue
        for field in message.field:
            if f"{name}.{field.name}" in unspecified_is_none:
                assert field.type == TYPE.TYPE_ENUM
                continue
            is_scalar = field.type not in (TYPE.TYPE_MESSAGE,) and field.label != TYPE.LABEL_REPEATED
            options = field.options.SerializeToString()
            assert not is_scalar or options, f"{name}.{field.name} has neither a frozen default nor a mark"


def test_every_metric_is_in_the_registry():
    metrics = next(message for _, name, message, _ in messages(FILES) if name == "dmfrag.v1.Metrics")
    for field in metrics.field:
        assert field.type == TYPE.TYPE_INT64 and field.proto3_optional, f"{field.name}: absent must differ from 0"
        assert field.options.SerializeToString(), f"{field.name} has no MetricInfo"


# --- Nothing that was there may go (buf's WIRE_JSON level).


def reserved_numbers(message):
    return {number for span in message.reserved_range for number in range(span.start, span.end)}


def breaking_changes(old_files, new_files):
    problems = []
    new_messages = {name: message for _, name, message, _ in messages(new_files)}
    for _, name, old, _ in messages(old_files):
        new = new_messages.get(name)
        if new is None:
            problems.append(f"message {name} is gone")
            continue
        fields = {field.number: field for field in new.field}
        for field in old.field:
            now = fields.get(field.number)
            if now is None:
                if field.number not in reserved_numbers(new) or field.name not in new.reserved_name:
                    problems.append(f"{name}.{field.name} is gone and not reserved")
                continue
            for part in ("name", "type", "label", "type_name", "json_name", "proto3_optional"):
                if getattr(field, part) != getattr(now, part):
                    problems.append(f"{name}.{field.name}: {part} changed")
            if field.HasField("oneof_index") != now.HasField("oneof_index"):
                problems.append(f"{name}.{field.name}: moved into or out of a oneof")
            if default_of(field) != default_of(now):
                problems.append(f"{name}.{field.name}: its frozen default changed")
    new_enums = {enum.name: enum for _, enum, _ in enums(new_files)}
    for _, old, _ in enums(old_files):
        values = {value.number: value.name for value in new_enums[old.name].value} if old.name in new_enums else {}
        for value in old.value:
            if values.get(value.number) != value.name:
                problems.append(f"{old.name}.{value.name} is gone or renumbered")
    new_methods = {(service.name, method.name): method for file in new_files for service in file.service for method in service.method}
    for file in old_files:
        for service in file.service:
            for method in service.method:
                now = new_methods.get((service.name, method.name))
                if now is None:
                    problems.append(f"RPC {service.name}.{method.name} is gone")
                    continue
                for part in ("input_type", "output_type", "client_streaming", "server_streaming"):
                    if getattr(method, part) != getattr(now, part):
                        problems.append(f"RPC {service.name}.{method.name}: {part} changed")
    return problems


FROZEN_DEFAULT = 50002  # number of the extension dmfrag.v1.frozen_default


def default_of(field):
    """The frozen default, or None. Read from the wire, so that no generated code is needed."""
    data, position = field.options.SerializeToString(), 0

    def varint():
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(data):
        key = varint()
        if key & 7 == 0:
            varint()
            continue
        size = varint()
        if key >> 3 == FROZEN_DEFAULT:
            return data[position:position + size]
        position += size
    return None


def test_nothing_breaks_the_frozen_protocol():
    assert breaking_changes(load(FROZEN), FILES) == []


def mutated(change):
    files = load(CURRENT)
    change({name: message for _, name, message, _ in messages(files)}, files)
    return breaking_changes(FILES, files)


def test_the_check_finds_what_breaks():
    spec = "dmfrag.v1.JobSpec"

    def delete_field(types, _):
        del types[spec].field[5]

    def renumber(types, _):
        types[spec].field[5].number = 77

    def retype(types, _):
        types[spec].field[5].type = TYPE.TYPE_STRING

    def new_default(types, _):
        types[spec].field[5].options.ParseFromString(b"\x92\xb5\x18\x012")

    def drop_enum_value(_, files):
        del next(enum for _, enum, _ in enums(files) if enum.name == "Outcome").value[2]

    def drop_rpc(_, files):
        del next(service for file in files for service in file.service).method[0]

    def drop_message(_, files):
        del files[1].message_type[0]

    for change in (delete_field, renumber, retype, new_default, drop_enum_value, drop_rpc, drop_message):
        assert mutated(change), change.__name__
    assert mutated(lambda types, files: None) == []

    def add_field(types, _):
        field = types[spec].field.add()
        field.CopyFrom(types[spec].field[5])
        field.name, field.number = "another", 99

    def delete_and_reserve(types, _):
        span = types[spec].reserved_range.add()
        span.start, span.end = types[spec].field[5].number, types[spec].field[5].number + 1
        types[spec].reserved_name.append(types[spec].field[5].name)
        del types[spec].field[5]

    assert mutated(add_field) == []
    assert mutated(delete_and_reserve) == []

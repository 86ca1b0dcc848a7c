#ifndef DMFRAG_CLIENT_SWEEP_AXIS_LABEL_H_
#define DMFRAG_CLIENT_SWEEP_AXIS_LABEL_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "client/sweep/quantity.h"
#include "dmfrag/v1/experiments.pb.h"
#include "dmfrag/v1/job_spec.pb.h"

namespace dmfrag::client {

// How an axis's value is shown: "1 GiB", "20 ms", "6.12", "none", "global refill_order=5", "mix a+b", "secretmem".
// `path` leads from JobSpec to the axis's field. Not unique yet, and of any length.
std::string AxisLabel(const v1::JobSpec& spec, const std::vector<const google::protobuf::FieldDescriptor*>& path);

// How the field's value in `message` is shown, by the same rules; `outer` is the unit of what encloses the message.
std::string FieldLabel(const google::protobuf::Message& message, const google::protobuf::FieldDescriptor& field,
                       Unit outer = Unit::kNone);

// Cuts labels to the 64 characters the protocol allows and tells equal ones apart by " #2", " #3", ...
void MakeLabelsUnique(v1::Axis& axis);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_SWEEP_AXIS_LABEL_H_

#include "client/listing/figures.h"

#include <google/protobuf/descriptor.h>

#include <utility>

#include "client/sweep/axis_label.h"
#include "client/sweep/message_reader.h"
#include "dmfrag/v1/annotations.pb.h"
#include "proto/support/cache_limits.h"

namespace dmfrag::client {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::vector<std::string> ValuesOf(const FieldDescriptor& field) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) return AllowedValues(field);
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) return {"false", "true"};
  return {};
}

ListedFigure FigureOf(const Message& filled, const FieldDescriptor& field) {
  const v1::Figure& known = field.options().GetExtension(v1::figure);
  ListedFigure figure{.name = SweepName(field),
                      .default_value = "",
                      .values = ValuesOf(field),
                      .range = std::nullopt,
                      .guess = known.guess(),
                      .source = known.source()};
  if (field.options().HasExtension(v1::frozen_default)) figure.default_value = FieldLabel(filled, field);
  // The range of a distribution is that of what it draws, not of what may be written.
  if (field.message_type() == nullptr && known.max() != 0) figure.range = {{.min = known.min(), .max = known.max()}};
  return figure;
}

}  // namespace

std::vector<ListedFigure> FiguresOf(const Message& filled) {
  std::vector<ListedFigure> figures;
  for (int i = 0; i < filled.GetDescriptor()->field_count(); ++i) {
    figures.push_back(FigureOf(filled, *filled.GetDescriptor()->field(i)));
  }
  return figures;
}

}  // namespace dmfrag::client

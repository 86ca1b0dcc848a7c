#include "client/capture/trace_writer.h"

namespace dmfrag::client {
namespace {

using recording::Event;

// Stands for the GFP flags of what is no request.
constexpr uint64_t kNoGfp = ~uint64_t{0};
constexpr uint64_t kNsPerUs = 1000;

int64_t NetPages(const Event& event) {
  switch (event.kind) {
    case Event::Kind::kAllocate:
      return int64_t{1} << event.order;
    case Event::Kind::kFree:
      return -(int64_t{1} << event.order);
    case Event::Kind::kBulkAllocate:
      return static_cast<int64_t>(event.value);
    default:
      return 0;
  }
}

void AddCount(v1::RecordingEnd& end, std::string_view what, int64_t count) {
  if (count == 0) return;
  v1::RecordingCount& skipped = *end.add_skipped();
  skipped.set_what(std::string(what));
  skipped.set_count(count);
}

}  // namespace

void TraceWriter::NameTask(int32_t pid, std::string_view name) {
  if (options_.privacy) return;
  const auto [place, is_new] = name_numbers_.try_emplace(std::string(name), static_cast<uint32_t>(names_.size()));
  if (is_new) names_.emplace_back(name);
  task_names_[pid] = place->second;
}

uint32_t TraceWriter::Origin(const TraceRecord& record) {
  const bool is_request = record.event.kind == Event::Kind::kAllocate;
  const auto task = task_names_.find(record.pid);
  const uint32_t name = task == task_names_.end() ? 0 : task->second;
  const auto [stack, is_new_stack] = stack_numbers_.try_emplace(record.stack, static_cast<uint32_t>(stacks_.size()));
  if (is_new_stack) stacks_.push_back(record.stack);
  const uint32_t migratetype = is_request ? record.migratetype : 0;
  const auto [place, is_new] =
      origins_.try_emplace({name, is_request ? record.gfp : kNoGfp, migratetype, stack->second}, 0);
  if (!is_new) return place->second;
  v1::RecordingOrigin origin;
  origin.set_comm(names_[name]);
  if (is_request) origin.set_gfp_flags(options_.gfp_text(record.gfp));
  origin.set_migratetype(migratetype);
  for (const uint64_t address : record.stack) origin.add_stack(options_.symbols->NameAt(address));
  place->second = writer_->OriginNumber(origin);
  return place->second;
}

absl::Status TraceWriter::Add(const TraceRecord& record) {
  switch (record.what) {
    case TraceRecord::What::kTaskName:
      NameTask(record.pid, record.name);
      return absl::OkStatus();
    case TraceRecord::What::kArrayChange:
      ++array_changes_;
      return absl::OkStatus();
    case TraceRecord::What::kOtherMapping:
      ++other_mappings_;
      return absl::OkStatus();
    case TraceRecord::What::kStack:
      return absl::OkStatus();
    case TraceRecord::What::kEvent:
      break;
  }
  Event event = record.event;
  event.time_us = record.time_ns / kNsPerUs;
  if (recording::HasOrigin(event.kind)) event.detail = Origin(record);
  if (event.kind == Event::Kind::kChangeAttributes) {
    v1::RecordingAttributes attributes;
    attributes.set_set(record.set);
    attributes.set_clear(record.clear);
    attributes.set_cpa_flags(record.cpa_flags);
    attributes.set_force_split(record.force_split);
    event.detail = writer_->AttributesNumber(attributes);
  }
  if (event.kind == Event::Kind::kLost) {
    lost_ += static_cast<int64_t>(event.value);
    some_unknown_ = some_unknown_ || event.value == 0;
  }
  ++by_kind_[static_cast<size_t>(event.kind)];
  net_pages_ += NetPages(event);
  return writer_->Add(event);
}

void TraceWriter::CountSkipped(v1::RecordingEnd& end) const {
  AddCount(end, "changes of attributes of arrays of pages, whose frames the probe does not see", array_changes_);
  AddCount(end, "changes of attributes outside the direct map", other_mappings_);
}

}  // namespace dmfrag::client

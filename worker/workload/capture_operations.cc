#include "worker/workload/capture_operations.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/model/memory_map.h"
#include "worker/workload/capture_values.h"
#include "worker/workload/words.h"

namespace dmfrag::workload {
namespace {

using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using Json = nlohmann::json;

std::string WordAt(const std::vector<std::string_view>& words, size_t index) {
  return index < words.size() ? std::string(words[index]) : std::string();
}

// "DM call set_memory_ro 1073152 512 => 0", "DM page set_direct_map_invalid_noflush 1072657 => 0". Other lines are of
// other actions.
absl::Status AddFunction(const std::string& line, const std::string& place, std::vector<FunctionCall>& functions) {
  const std::vector<std::string_view> words = WordsOf(line);
  const bool call = words.size() == 7 && words[1] == "call";
  const bool page = words.size() == 6 && words[1] == "page";
  if ((!call && !page) || words[0] != "DM" || words[words.size() - 2] != "=>") return absl::OkStatus();
  const auto first = NumberOf<uint64_t>(words[3]);
  const auto pages = call ? NumberOf<uint64_t>(words[4]) : std::optional<uint64_t>(1);
  const auto result = NumberOf<int64_t>(words.back());
  if (!first || !pages || !result || *first >= kMaxFrame || *pages > kMaxFrame - *first) {
    return DamagedCapture(place, absl::StrCat("result \"", line, "\" has no frames of memory"));
  }
  functions.push_back({std::string(words[2]), FrameNumber(*first), FrameCount(*pages), *result});
  return absl::OkStatus();
}

// "RES pchurn ops 320 pages 5346 err 0".
void AddChurnOfThreads(const std::string& line, StepOperations& step) {
  const std::vector<std::string_view> words = WordsOf(line);
  if (words.size() != 8 || words[1] != "pchurn" || words[4] != "pages") return;
  step.churned_secret_pages += NumberOf<uint32_t>(words[5]).value_or(0);
}

absl::StatusOr<SecretOperation> TouchOf(std::string area, const Json& list, const std::string& place) {
  SecretOperation touch{.kind = SecretOperation::Kind::kTouch, .area = std::move(area), .frames = {}};
  touch.frames.reserve(list.size());
  for (const Json& pfn : list) {
    if (pfn.is_null()) {
      touch.frames.push_back(std::nullopt);
      continue;
    }
    const auto raw = pfn.get<uint64_t>();
    if (raw >= kMaxFrame) return DamagedCapture(place, absl::StrCat("frame ", raw, " is beyond 128 TiB"));
    touch.frames.push_back(FrameNumber(raw));
  }
  return touch;
}

void AddFree(std::string area, std::vector<SecretOperation>& secrets) {
  secrets.push_back({.kind = SecretOperation::Kind::kFree, .area = std::move(area), .frames = {}});
}

// A churn step: areas of secret and of ordinary pages, one operation after the other.
absl::Status AddChurn(const Json& operations, const std::string& place, std::vector<SecretOperation>& secrets) {
  for (const Json& operation : operations) {
    if (operation.value("kind", "") != "secret") continue;
    std::string area = operation.at("name").get<std::string>();
    if (operation.at("op").get<std::string>() == "free") {
      AddFree(std::move(area), secrets);
    } else if (const auto pfns = operation.find("pfns"); pfns != operation.end()) {
      ASSIGN_OR_RETURN(SecretOperation touch, TouchOf(std::move(area), *pfns, place));
      secrets.push_back(std::move(touch));
    }
  }
  return absl::OkStatus();
}

absl::Status AddSecrets(const Json& step, const std::string& place, StepOperations& result) {
  const std::vector<std::string_view> words = WordsOf(result.action);
  const std::string verb = WordAt(words, 0);
  result.several_threads = verb == "psecret" || verb == "pfree" || verb == "pchurn";
  if (verb == "free") AddFree(WordAt(words, 1), result.secrets);
  if (verb == "pfree") {
    constexpr uint64_t kMaxThreads = 4096;
    const auto threads = NumberOf<uint64_t>(WordAt(words, 2));
    if (!threads || *threads > kMaxThreads) return DamagedCapture(place, "pfree without a sensible number of threads");
    for (uint64_t i = 0; i < *threads; ++i) AddFree(absl::StrCat(WordAt(words, 1), ".", i), result.secrets);
  }
  if (const auto operations = step.find("ops"); operations != step.end()) {
    RETURN_IF_ERROR(AddChurn(*operations, place, result.secrets));
  }
  if (verb != "secret" && verb != "psecret") return absl::OkStatus();
  const auto areas = step.find("pfns");
  if (areas == step.end() || areas->is_null()) return absl::OkStatus();
  for (const Json& area : *areas) {
    ASSIGN_OR_RETURN(SecretOperation touch, TouchOf(area.at("name").get<std::string>(), area.at("list"), place));
    result.secrets.push_back(std::move(touch));
  }
  return absl::OkStatus();
}

// Keys like "0xffffffffc0200000 set=0x0 clr=0x8000000000000042 collapse".
absl::Status AddMapped(const Json& changes, const std::string& place, std::vector<MappedPages>& mapped) {
  const auto other = changes.find("cpa_other");
  if (other == changes.end() || other->is_null()) return absl::OkStatus();
  for (const auto& [key, pages] : other->items()) {
    const std::vector<std::string_view> words = WordsOf(key);
    const auto address = words.size() < 3 ? std::nullopt : NumberOf<uint64_t>(words[0], 16);
    const bool masks = address && words[1].starts_with("set=") && words[2].starts_with("clr=");
    const auto set = masks ? NumberOf<uint64_t>(words[1].substr(4), 16) : std::nullopt;
    const auto clear = masks ? NumberOf<uint64_t>(words[2].substr(4), 16) : std::nullopt;
    if (!set || !clear) return DamagedCapture(place, absl::StrCat("cpa_other \"", key, "\" has no address and masks"));
    mapped.push_back({.address = *address,
                      .set = EntryFlags::FromX86(*set, model::MapLevel::k4K),
                      .clear = EntryFlags::FromX86(*clear, model::MapLevel::k4K),
                      .collapse = words.size() > 3 && words[3] == "collapse",
                      .pages = pages.get<uint64_t>()});
  }
  return absl::OkStatus();
}

// Calls after step `index` are recorded apart.
absl::Status AddMappedAfter(const Json& capture, int32_t index, StepOperations& result) {
  const auto trace = capture.find("trace");
  if (trace == capture.end() || !trace->is_object()) return absl::OkStatus();
  const auto outside = trace->find("outside_steps");
  if (outside == trace->end() || !outside->is_object()) return absl::OkStatus();
  const auto found = outside->find(absl::StrCat(-1 - index));
  if (found == outside->end()) return absl::OkStatus();
  return AddMapped(*found, absl::StrCat("after step ", index), result.mapped);
}

}  // namespace

absl::StatusOr<std::vector<StepOperations>> ParseOperations(const Json& capture) {
  std::vector<StepOperations> steps;
  for (const Json& json : capture.at("steps")) {
    StepOperations step;
    step.step = json.at("i").get<int32_t>();
    step.action = json.at("action").get<std::string>();
    const std::string place = absl::StrCat("step ", step.step);
    if (const auto lines = json.find("result"); lines != json.end() && lines->is_array()) {
      for (const Json& line : *lines) {
        const auto text = line.get<std::string>();
        RETURN_IF_ERROR(AddFunction(text, place, step.functions));
        AddChurnOfThreads(text, step);
      }
    }
    RETURN_IF_ERROR(AddSecrets(json, place, step));
    if (!steps.empty()) RETURN_IF_ERROR(AddMappedAfter(capture, steps.back().step, step));
    if (const auto changes = json.find("dm"); changes != json.end()) {
      RETURN_IF_ERROR(AddMapped(*changes, place, step.mapped));
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace dmfrag::workload

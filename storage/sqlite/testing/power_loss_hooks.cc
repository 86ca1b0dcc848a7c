#include "storage/sqlite/testing/power_loss_hooks.h"

#include <algorithm>
#include <filesystem>
#include <random>

namespace dmfrag::storage::sqlite {
namespace {

constexpr size_t kSectorBytes = 512;

}  // namespace

void PowerLossHooks::Apply(const Change& change, std::string& content) {
  if (change.is_truncate) {
    content.resize(static_cast<size_t>(change.offset));
    return;
  }
  const size_t end = static_cast<size_t>(change.offset) + change.bytes.size();
  if (content.size() < end) content.resize(end);
  content.replace(static_cast<size_t>(change.offset), change.bytes.size(), change.bytes);
}

PowerLossHooks::Image PowerLossHooks::ImageNow(Unsynced unsynced, uint64_t seed) const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::mt19937_64 random(seed);
  Image image;
  for (const auto& [name, file] : files_) {
    if (!file.exists) continue;
    std::string content = file.durable;
    for (const Change& change : file.pending) {
      if (unsynced == Unsynced::kDropped) break;
      if (change.is_truncate) {
        if (random() % 2 == 0) Apply(change, content);
        continue;
      }
      for (size_t at = 0; at < change.bytes.size(); at += kSectorBytes) {
        if (random() % 2 == 0) continue;
        Apply({change.offset + static_cast<int64_t>(at), change.bytes.substr(at, kSectorBytes), false}, content);
      }
    }
    image[name] = std::move(content);
  }
  return image;
}

FileCallHooks::Verdict PowerLossHooks::Before(const FileCall& call) {
  if (call.operation == FileOperation::kSync) at_sync_(*this);
  std::lock_guard<std::mutex> lock(mutex_);
  const std::string name = std::filesystem::path(call.path).filename().string();
  File& file = files_[name];
  switch (call.operation) {
    case FileOperation::kOpen:
    case FileOperation::kRead:
      break;
    case FileOperation::kWrite:
      file.pending.push_back({call.offset, std::string(call.bytes), false});
      break;
    case FileOperation::kTruncate:
      file.pending.push_back({call.offset, "", true});
      break;
    case FileOperation::kSync:
      for (const Change& change : file.pending) Apply(change, file.durable);
      file.pending.clear();
      file.exists = true;
      break;
    case FileOperation::kDelete:
      files_.erase(name);
      break;
  }
  return {};
}

}  // namespace dmfrag::storage::sqlite

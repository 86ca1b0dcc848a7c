#include "worker/workload/mix.h"

#include <utility>

namespace dmfrag::workload {
namespace {

struct TrafficMaker {
  ObjectTraffic operator()(const SecretmemConfig& config) const { return SecretmemTraffic(config); }
  ObjectTraffic operator()(const OrdinaryConfig& config) const { return OrdinaryTraffic(config); }
  ObjectTraffic operator()(const BpfConfig& config) const { return BpfTraffic(config); }
  ObjectTraffic operator()(const PageCacheConfig& config) const { return PageCacheTraffic(config); }
  ObjectTraffic operator()(const AnonymousConfig& config) const { return AnonymousTraffic(config); }
  ObjectTraffic operator()(const HugePageConfig& config) const { return HugePageTraffic(config); }
  ObjectTraffic operator()(const SlabConfig& config) const { return SlabTraffic(config); }
  ObjectTraffic operator()(const NetworkConfig& config) const { return NetworkTraffic(config); }
  ObjectTraffic operator()(const PageTablesConfig& config) const { return PageTablesTraffic(config); }
  ObjectTraffic operator()(const GuestMemoryConfig& config) const { return GuestMemoryTraffic(config); }
  ObjectTraffic operator()(const XpfoConfig& config) const { return XpfoTraffic(config); }
  ObjectTraffic operator()(const GraphicsConfig& config) const { return GraphicsTraffic(config); }
  ObjectTraffic operator()(const UncachedConfig& config) const { return UncachedTraffic(config); }
  ObjectTraffic operator()(const MemoryFailureConfig& config) const { return MemoryFailureTraffic(config); }
  ObjectTraffic operator()(const DmaConfig& config) const { return DmaTraffic(config); }
  ObjectTraffic operator()(const ModuleConfig& config) const { return ModuleTraffic(config); }
  ObjectTraffic operator()(const TrampolineConfig& config) const { return TrampolineTraffic(config); }
  ObjectTraffic operator()(const VmallocConfig& config) const { return VmallocTraffic(config); }
};

}  // namespace

ObjectTraffic TrafficOf(const UserConfig& user) {
  ObjectTraffic traffic = std::visit(TrafficMaker{}, user.kind);
  traffic.atomic_per_mille = user.atomic_per_mille;
  return traffic;
}

std::vector<ObjectTraffic> TrafficOf(const std::vector<UserConfig>& users) {
  std::vector<ObjectTraffic> traffic;
  for (const UserConfig& user : users) traffic.push_back(TrafficOf(user));
  return traffic;
}

ArrivalClock ClockOf(const UserConfig& user, const std::vector<PhaseConfig>& phases) {
  std::vector<RateWindow> windows;
  for (const PhaseConfig& phase : phases) {
    windows.push_back(phase.window);
    for (const PhaseRate& rate : phase.rates) {
      if (rate.user != user.name) continue;
      windows.push_back(phase.window);
      windows.back().rate_thousandths = rate.rate_thousandths;
    }
  }
  return ArrivalClock(user.rate_thousandths, windows);
}

MixStream::MixStream(const MixConfig& mix, const Random& random, SimTime horizon) {
  const Random users = random.Derive("users");
  sources_.reserve(mix.users.size());
  for (const UserConfig& user : mix.users) {
    const auto index = static_cast<uint32_t>(sources_.size());
    sources_.push_back(
        {ObjectStream(TrafficOf(user), index, users.Derive(user.name), horizon, ClockOf(user, mix.phases)),
         std::nullopt});
    sources_.back().next = sources_.back().stream.Next();
  }
}

std::optional<Operation> MixStream::Next() {
  Source* first = nullptr;
  for (Source& source : sources_) {
    if (source.next.has_value() && (first == nullptr || source.next->time < first->next->time)) first = &source;
  }
  if (first == nullptr) return std::nullopt;
  return std::exchange(first->next, first->stream.Next());
}

}  // namespace dmfrag::workload

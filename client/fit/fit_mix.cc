#include "client/fit/fit_mix.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/fit/objects.h"
#include "client/fit/survival.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

constexpr size_t kMostUsers = 64;
// Users that stand for all of one key; the rest of kMostUsers are for single groups.
constexpr size_t kMostKeys = 40;
// Rows of a table: what a person still reads.
constexpr size_t kTableRows = 48;
constexpr uint64_t kRateOfOne = 1000;
constexpr uint64_t kMostRate = 1'000'000;
// A sum of n draws is off by CV / sqrt(n) of itself.
constexpr double kMostError = 0.05;
// Below this an interval is a table of two, or rounding would tell.
constexpr double kCoarseInterval = 1000;
// Pages whose permissions change decide about splits.
constexpr double kWeightOfPermissions = 16;

using Objects = std::vector<const FitObject*>;

// Windows of time: window i is [bounds[i], bounds[i + 1]).
struct Windows {
  std::vector<uint64_t> bounds;

  size_t size() const { return bounds.size() - 1; }
  uint64_t length(size_t i) const { return bounds[i + 1] - bounds[i]; }
  size_t Of(uint64_t us) const {
    const auto above = std::upper_bound(bounds.begin(), bounds.end() - 1, us);
    return static_cast<size_t>(above - bounds.begin()) - 1;
  }
};

// Equal activity in each: half of it is time, half are pages allocated.
Windows CutWindows(const std::vector<FitObject>& objects, uint64_t duration_us, uint32_t count) {
  double all_pages = 0;
  for (const FitObject& object : objects) all_pages += static_cast<double>(object.pages());
  Windows windows{.bounds = {0}};
  size_t next = 0;
  double pages = 0;
  const uint64_t step = std::max<uint64_t>(1, duration_us / 65536);
  for (uint64_t us = step; us < duration_us && windows.bounds.size() < count; us += step) {
    for (; next < objects.size() && objects[next].start_us < us; ++next) {
      pages += static_cast<double>(objects[next].pages());
    }
    const double activity = (static_cast<double>(us) / static_cast<double>(duration_us) + pages / all_pages) / 2;
    if (activity * count >= static_cast<double>(windows.bounds.size())) windows.bounds.push_back(us);
  }
  windows.bounds.push_back(duration_us);
  return windows;
}

// Mean and error of what objects say of themselves.
template <typename Value>
std::pair<double, double> MeanAndError(const Objects& objects, const Value& value) {
  double sum = 0;
  double squares = 0;
  for (const FitObject* object : objects) {
    const auto x = static_cast<double>(value(*object));
    sum += x;
    squares += x * x;
  }
  const auto n = static_cast<double>(objects.size());
  const double mean = sum / n;
  const double variance = std::max(0.0, squares / n - mean * mean);
  return {mean, mean == 0 ? 0 : std::sqrt(variance / n) / mean};
}

// The two whole numbers around `mean`, as often as makes it.
v1::Distribution Around(double mean) {
  constexpr double kUnits = 1e6;
  const double low = std::floor(mean);
  const auto high_weight = static_cast<uint64_t>(std::llround((mean - low) * kUnits));
  const auto value = static_cast<uint64_t>(low);
  if (high_weight == 0) return TableOf({{.value = value, .weight = 1}}, kTableRows);
  const uint64_t low_weight = static_cast<uint64_t>(kUnits) - high_weight;
  if (low_weight == 0) return TableOf({{.value = value + 1, .weight = 1}}, kTableRows);
  return TableOf({{.value = value, .weight = low_weight}, {.value = value + 1, .weight = high_weight}}, kTableRows);
}

double MeanOf(const v1::Distribution& distribution) {
  if (distribution.has_constant()) return static_cast<double>(distribution.constant().value());
  double sum = 0;
  double weights = 0;
  for (int i = 0; i < distribution.empirical().values_size(); ++i) {
    const auto weight = static_cast<double>(distribution.empirical().weights(i));
    sum += static_cast<double>(distribution.empirical().values(i)) * weight;
    weights += weight;
  }
  return sum / weights;
}

// Visits each value with its share.
template <typename Visit>
void ForEachValue(const v1::Distribution& distribution, const Visit& visit) {
  if (distribution.has_constant()) return visit(static_cast<double>(distribution.constant().value()), 1.0);
  const auto& table = distribution.empirical();
  const double all = std::accumulate(table.weights().begin(), table.weights().end(), 0.0);
  for (int i = 0; i < table.values_size(); ++i) {
    visit(static_cast<double>(table.values(i)), static_cast<double>(table.weights(i)) / all);
  }
}

// One user of the mix, and what it stands for.
struct FittedUser {
  ObjectKey key;
  Objects objects;
  std::vector<uint64_t> rates;  // by window, in thousandths

  // Operational time (ArrivalClock): of `us`, at these rates.
  double Operational(const Windows& windows, uint64_t us) const {
    double sum = 0;
    for (size_t i = 0; i < windows.size() && windows.bounds[i] < us; ++i) {
      const uint64_t end = std::min(us, windows.bounds[i + 1]);
      sum += static_cast<double>(end - windows.bounds[i]) * static_cast<double>(rates[i]) / kRateOfOne;
    }
    return sum;
  }
};

// Objects by window, as rates: 1 is the mean.
std::vector<uint64_t> RatesOf(const Objects& objects, const Windows& windows) {
  std::vector<double> counts(windows.size(), 0);
  double active_us = 0;
  for (const FitObject* object : objects) ++counts[windows.Of(object->start_us)];
  for (size_t i = 0; i < windows.size(); ++i) active_us += counts[i] > 0 ? static_cast<double>(windows.length(i)) : 0;
  std::vector<uint64_t> rates;
  for (size_t i = 0; i < windows.size(); ++i) {
    const double rate = counts[i] / static_cast<double>(windows.length(i)) * active_us / objects.size();
    const auto thousandths = static_cast<uint64_t>(std::llround(rate * kRateOfOne));
    rates.push_back(counts[i] == 0 ? 0 : std::clamp<uint64_t>(thousandths, 1, kMostRate));
  }
  return rates;
}

// Intervals in operational time. As many objects fit in as there were: the last comes half an interval before the end.
v1::Distribution IntervalsOf(const FittedUser& user, const Windows& windows) {
  const double all = user.Operational(windows, windows.bounds.back());
  const double mean = all / (static_cast<double>(user.objects.size()) + 0.5);
  std::vector<WeightedValue> gaps;
  double sum = 0;
  double squares = 0;
  double before = 0;
  for (const FitObject* object : user.objects) {
    const double at = user.Operational(windows, object->start_us);
    gaps.push_back({.value = static_cast<uint64_t>(std::llround(at - before)), .weight = 1});
    sum += at - before;
    squares += (at - before) * (at - before);
    before = at;
  }
  const auto n = static_cast<double>(gaps.size());
  const double variance = std::max(0.0, squares / n - sum / n * sum / n);
  const bool is_table = sum > 0 && std::sqrt(variance / n) / (sum / n) <= kMostError;
  if (!is_table) return mean >= kCoarseInterval ? Around(std::round(mean)) : Around(mean);
  // As many as there were, whatever stood before the first and behind the last.
  for (WeightedValue& gap : gaps) {
    gap.value = static_cast<uint64_t>(std::llround(static_cast<double>(gap.value) * mean * n / sum));
  }
  const v1::Distribution table = TableOf(std::move(gaps), kTableRows);
  return std::abs(MeanOf(table) - mean) <= mean / 100 ? table : Around(mean);
}

v1::Distribution LivesOf(const FittedUser& user, uint64_t duration_us) {
  std::vector<WeightedValue> lives;
  for (const FitObject* object : user.objects) {
    const uint64_t end = object->end_us.value_or(duration_us);
    lives.push_back({.value = end - std::min(end, object->start_us),
                     .weight = object->pages(),
                     .is_censored = !object->end_us.has_value()});
  }
  return LifetimesOf(std::move(lives), 2 * duration_us, kTableRows);
}

template <typename Size>
v1::Distribution SizesOf(const FittedUser& user, const Size& size) {
  const auto [mean, error] = MeanAndError(user.objects, size);
  if (error > kMostError || user.objects.size() == 1) return Around(mean);
  std::vector<WeightedValue> sizes;
  for (const FitObject* object : user.objects) sizes.push_back({.value = size(*object), .weight = 1});
  return TableOf(std::move(sizes), kTableRows);
}

// A kind as it is replayed block by block (worker/workload/recorded_user.h): code, whose objects no recording tells
// apart, is vmalloc areas made read-only; what changes no permission is ordinary.
std::string FittedKind(const v1::RecordingUser& user) {
  static const auto& code = *new std::vector<std::string>{"bpf", "module", "trampoline", "vmalloc"};
  static const auto& plain =
      *new std::vector<std::string>{"ordinary", "anonymous", "huge_page", "page_cache", "slab", "network"};
  if (std::find(code.begin(), code.end(), user.kind()) != code.end()) return "vmalloc";
  if (std::find(plain.begin(), plain.end(), user.kind()) != plain.end()) return "ordinary";
  return user.kind();
}

// Live pages of a fitted user on average.
struct Expected {
  double at_end = 0;
  double mean = 0;
};

Expected ExpectedOf(const FittedUser& user, const v1::Distribution& lives, double pages_of_object,
                    const Windows& windows) {
  Expected expected;
  const auto duration = static_cast<double>(windows.bounds.back());
  const double all = user.Operational(windows, windows.bounds.back());
  for (size_t i = 0; i < windows.size(); ++i) {
    const auto length = static_cast<double>(windows.length(i));
    const auto start = static_cast<double>(windows.bounds[i]);
    const double share = length * static_cast<double>(user.rates[i]) / kRateOfOne / all;
    const double pages = share * static_cast<double>(user.objects.size()) * pages_of_object;
    if (pages == 0) continue;
    ForEachValue(lives, [&](double life, double weight) {
      const double alive = std::clamp(start + length - std::max(start, duration - life), 0.0, length) / length;
      const double middle = start + length / 2;
      expected.at_end += pages * weight * alive;
      expected.mean += pages * weight * std::min(life, duration - middle) / duration;
    });
  }
  return expected;
}

// Of Group::end_window.
constexpr int64_t kInUseAtEnd = -1;
constexpr int64_t kEndsAnywhere = -2;
// Lives of so many windows do not depend on when in its window an object came.
constexpr uint64_t kLongLifeInWindows = 2;

// Objects of one key that come in one window, have about one size (within a factor of four) and end in one window.
struct Group {
  ObjectKey key;
  size_t window = 0;
  int64_t end_window = kInUseAtEnd;
  int size_class = 0;
  friend auto operator<=>(const Group&, const Group&) = default;
};

class Fitter {
 public:
  Fitter(const BlockLives& lives, const google::protobuf::RepeatedPtrField<v1::RecordingUser>& users, uint32_t count)
      : lives_(lives),
        users_(users),
        objects_(FindObjects(lives, ObjectGapUs(lives.duration_us))),
        windows_(CutWindows(objects_, lives.duration_us, count)) {}

  absl::StatusOr<FittedMix> Fit() {
    Choose();
    for (const FittedUser& user : fitted_) RETURN_IF_ERROR(AddUser(user));
    AddPhases();
    AddRemarks();
    return std::move(result_);
  }

 private:
  bool ChangesPermissions(const ObjectKey& key) const { return FittedKind(users_[key.user]) != "ordinary"; }

  double WeightOf(const Objects& objects) const {
    double weight = 0;
    for (const FitObject* object : objects) {
      const uint64_t end = object->end_us.value_or(lives_.duration_us);
      const double life = static_cast<double>(end - std::min(end, object->start_us)) / lives_.duration_us;
      weight += static_cast<double>(object->pages()) * (life + 0.05);
    }
    return ChangesPermissions(objects.front()->key) ? weight * kWeightOfPermissions : weight;
  }

  // An object that lives for no longer than its window may come at another time of it and end in another window: those
  // are one group, with what is in use at the end.
  int64_t EndWindowOf(const FitObject& object) const {
    const uint64_t end = object.end_us.value_or(lives_.duration_us);
    const uint64_t window_us = windows_.length(windows_.Of(object.start_us));
    if (end < object.start_us + kLongLifeInWindows * window_us) return kEndsAnywhere;
    return object.end_us.has_value() ? static_cast<int64_t>(windows_.Of(end)) : kInUseAtEnd;
  }

  Group GroupOf(const FitObject& object) const {
    return {.key = object.key,
            .window = windows_.Of(object.start_us),
            .end_window = EndWindowOf(object),
            .size_class = static_cast<int>(std::bit_width(object.pages())) / 2};
  }

  // The heaviest first; equal ones in order of their keys.
  template <typename Key>
  std::vector<std::pair<double, Key>> Ranked(const std::map<Key, Objects>& groups) const {
    std::vector<std::pair<double, Key>> ranked;
    for (const auto& [key, objects] : groups) ranked.emplace_back(WeightOf(objects), key);
    std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    return ranked;
  }

  // Which users there are: one for each key, and one for each of the groups that matter most.
  void Choose() {
    std::map<ObjectKey, Objects> keys;
    for (const FitObject& object : objects_) keys[object.key].push_back(&object);
    for (const auto& [weight, key] : Ranked(keys)) {
      if (kept_.size() == kMostKeys) {
        for (const FitObject* object : keys[key]) left_out_pages_ += static_cast<int64_t>(object->pages());
      } else {
        kept_.push_back(key);
      }
    }
    std::map<Group, Objects> groups;
    for (const FitObject& object : objects_) {
      if (std::find(kept_.begin(), kept_.end(), object.key) != kept_.end()) groups[GroupOf(object)].push_back(&object);
    }
    std::map<ObjectKey, Objects> rest;
    size_t singled_out = 0;
    for (const auto& [weight, group] : Ranked(groups)) {
      Objects& objects = groups[group];
      if (singled_out < kMostUsers - kept_.size()) {
        ++singled_out;
        fitted_.push_back({.key = group.key, .objects = objects, .rates = RatesOf(objects, windows_)});
      } else {
        rest[group.key].insert(rest[group.key].end(), objects.begin(), objects.end());
      }
    }
    for (auto& [key, objects] : rest) {
      std::sort(objects.begin(), objects.end());  // they lie in order of time
      fitted_.push_back({.key = key, .objects = objects, .rates = RatesOf(objects, windows_)});
    }
    std::stable_sort(fitted_.begin(), fitted_.end(),
                     [](const FittedUser& a, const FittedUser& b) { return a.key < b.key; });
  }

  std::string NameOf(const ObjectKey& key) {
    constexpr size_t kBytes = 27;
    const std::string stem = users_[key.user].name().substr(0, kBytes);
    return absl::StrCat(stem, "-", ++numbers_[stem]);
  }

  absl::Status AddUser(const FittedUser& fitted) {
    v1::User& user = *result_.mix.add_users();
    user.set_name(NameOf(fitted.key));
    const std::string kind = FittedKind(users_[fitted.key.user]);
    const google::protobuf::FieldDescriptor* field = v1::User::descriptor()->FindFieldByName(kind);
    if (field == nullptr || field->message_type() == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("the recording has a user of kind \"", kind,
                                                     "\", which this version does not know; use a newer dmfrag"));
    }
    google::protobuf::Message& figures = *user.GetReflection()->MutableMessage(&user, field);
    const google::protobuf::Descriptor& type = *figures.GetDescriptor();
    const auto set = [&](const char* name, const v1::Distribution& value) {
      figures.GetReflection()->MutableMessage(&figures, type.FindFieldByName(name))->CopyFrom(value);
    };
    const v1::Distribution lives = LivesOf(fitted, lives_.duration_us);
    set("interval_us", IntervalsOf(fitted, windows_));
    set("lifetime_us", lives);
    double pages_of_object = 0;
    if (type.FindFieldByName("size_pages") != nullptr) {
      const v1::Distribution sizes = SizesOf(fitted, [](const FitObject& object) { return object.pages(); });
      pages_of_object = MeanOf(sizes);
      set("size_pages", sizes);
    } else {
      const v1::Distribution sizes = SizesOf(fitted, [](const FitObject& object) { return object.blocks; });
      pages_of_object = MeanOf(sizes) * static_cast<double>(uint64_t{1} << fitted.key.order);
      set("size_allocations", sizes);
      figures.GetReflection()->SetUInt32(&figures, type.FindFieldByName("order"), fitted.key.order);
    }
    if (user.has_ordinary()) {
      user.mutable_ordinary()->set_migratetype(static_cast<v1::Migratetype>(fitted.key.migratetype + 1));
    }
    const Expected expected = ExpectedOf(fitted, lives, pages_of_object, windows_);
    result_.expected_live_at_end += expected.at_end;
    result_.expected_mean_live += expected.mean;
    return absl::OkStatus();
  }

  void AddPhases() {
    for (size_t i = 0; i < windows_.size(); ++i) {
      v1::Phase phase;
      phase.set_name(absl::StrCat("w", i));
      phase.set_start_us(windows_.bounds[i]);
      phase.set_duration_us(windows_.length(i));
      for (size_t user = 0; user < fitted_.size(); ++user) {
        if (fitted_[user].rates[i] == kRateOfOne) continue;
        v1::PhaseRate& rate = *phase.add_rates();
        rate.set_user(result_.mix.users(static_cast<int>(user)).name());
        rate.set_rate_thousandths(fitted_[user].rates[i]);
      }
      if (!phase.rates().empty()) *result_.mix.add_phases() = std::move(phase);
    }
  }

  void AddRemarks() {
    if (lives_.held_blocks > 0) {
      result_.remarks.push_back(
          absl::StrCat(lives_.held_blocks, " blocks (", lives_.held_pages,
                       " pages) were in use before the recording and freed in it: the mix has none "
                       "of them, and does not free them."));
    }
    if (left_out_pages_ > 0) {
      result_.remarks.push_back(absl::StrCat("More than ", kMostKeys, " users, orders and migratetypes: ",
                                             left_out_pages_, " pages of those that matter least are left out."));
    }
    uint64_t joined = 0;
    for (const FitObject& object : objects_) joined += object.blocks > 1 ? 1 : 0;
    result_.remarks.push_back(absl::StrCat(objects_.size(), " objects were made of ", lives_.blocks.size(), " blocks; ",
                                           joined,
                                           " of them of more than one. Within a window they come "
                                           "at even intervals where they are too few for a table."));
  }

  const BlockLives& lives_;
  const google::protobuf::RepeatedPtrField<v1::RecordingUser>& users_;
  const std::vector<FitObject> objects_;
  const Windows windows_;
  std::vector<ObjectKey> kept_;
  int64_t left_out_pages_ = 0;
  std::vector<FittedUser> fitted_;
  std::map<std::string, int> numbers_;
  FittedMix result_;
};

}  // namespace

absl::StatusOr<FittedMix> FitMix(const BlockLives& lives,
                                 const google::protobuf::RepeatedPtrField<v1::RecordingUser>& users, uint32_t windows) {
  if (lives.blocks.empty()) {
    return absl::InvalidArgumentError(
        "nothing was allocated in this recording, so there is nothing to fit; record with kmem:mm_page_alloc");
  }
  return Fitter(lives, users, windows).Fit();
}

}  // namespace dmfrag::client

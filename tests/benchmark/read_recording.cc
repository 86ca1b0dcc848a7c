// Reads a recording file through as events, then as requests, and prints what it took as one line of JSON.
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "absl/status/status.h"
#include "proto/recording/reader.h"
#include "proto/recording/requests.h"
#include "third_party/abseil_extras/status_macros.h"

namespace {

using namespace dmfrag;
using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

absl::Status Measure(const std::string& bytes) {
  Clock::time_point start = Clock::now();
  ASSIGN_OR_RETURN(const auto reader, recording::Reader::Open(bytes));
  uint64_t events = 0;
  while (true) {
    ASSIGN_OR_RETURN(const auto block, reader->NextBlock());
    if (block.empty()) break;
    events += block.size();
  }
  const double events_s = SecondsSince(start);
  start = Clock::now();
  ASSIGN_OR_RETURN(const auto stream, recording::RequestStream::Create(reader.get()));
  uint64_t requests = 0;
  while (true) {
    ASSIGN_OR_RETURN(const auto request, stream->Next());
    if (!request.has_value()) break;
    ++requests;
  }
  std::cout << "{\"events\": " << events << ", \"events_s\": " << events_s << ", \"requests\": " << requests
            << ", \"requests_s\": " << SecondsSince(start) << "}\n";
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: read_recording FILE.dmrec\n";
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const absl::Status status = Measure(bytes);
  if (!status.ok()) std::cerr << argv[1] << ": " << std::string(status.message()) << "\n";
  return status.ok() ? 0 : 1;
}

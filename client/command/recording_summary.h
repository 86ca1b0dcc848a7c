#ifndef DMFRAG_CLIENT_COMMAND_RECORDING_SUMMARY_H_
#define DMFRAG_CLIENT_COMMAND_RECORDING_SUMMARY_H_

#include <CLI/CLI.hpp>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "client/command/command.h"
#include "client/environment/environment.h"
#include "dmfrag/v1/recording.pb.h"
#include "proto/recording/event.h"

namespace dmfrag::client {

// What a command that wrote a recording file says of it.
struct RecordingSummary {
  std::string file;
  int64_t file_bytes = 0;
  std::string source;
  std::array<int64_t, recording::Event::kKinds> by_kind = {};
  v1::RecordingEnd end;
  // What is missing and how to get it; a sentence each.
  std::vector<std::string> missing;
};

void PrintRecordingSummary(const RecordingSummary& summary, OutputFormat output, Environment& environment);

// `-o FILE` of a command that writes a file, in place of the short form of --output; `file` holds the default. A file
// with the name of a format is a mistake that is told.
CLI::Option* AddOutputFile(CLI::App& app, std::string& file, const std::string& description,
                           const std::string& type_name);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_COMMAND_RECORDING_SUMMARY_H_

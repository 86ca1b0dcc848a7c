#ifndef DMFRAG_CLIENT_RECORDING_INSPECTION_OUTPUT_H_
#define DMFRAG_CLIENT_RECORDING_INSPECTION_OUTPUT_H_

#include <string>

#include "client/recording/inspect.h"

namespace dmfrag::client {

// Of which file an inspection is.
struct InspectedFile {
  std::string name;
  std::string sha256;  // lower-case hex
  int64_t size_bytes = 0;
};

// For people: a paragraph or a table for each part of what is known. `styled`: for a terminal.
std::string InspectionText(const InspectedFile& file, const Inspection& inspection, bool styled);

// One object; numbers are numbers, what is not known is null. Of a recorded run, it ends behind "machine" with "steps",
// "missing".
std::string InspectionJson(const InspectedFile& file, const Inspection& inspection);

// Records part,name,figure,value: a figure each. What is not known has an empty value.
std::string InspectionCsv(const InspectedFile& file, const Inspection& inspection);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RECORDING_INSPECTION_OUTPUT_H_

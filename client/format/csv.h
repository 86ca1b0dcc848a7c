#ifndef DMFRAG_CLIENT_FORMAT_CSV_H_
#define DMFRAG_CLIENT_FORMAT_CSV_H_

#include <string>
#include <vector>

namespace dmfrag::client {

// One record of RFC 4180: fields with a comma, a quote or a line break are quoted; ends with CR LF.
std::string CsvRecord(const std::vector<std::string>& fields);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_FORMAT_CSV_H_

#ifndef DMFRAG_SERVER_SERVICE_PAGE_TOKEN_H_
#define DMFRAG_SERVER_SERVICE_PAGE_TOKEN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

// Page tokens: the position of the last row of a page (a keyset, never an offset), tied to the call's other arguments.
// A token is no secret and gives no right; its checksum only tells tokens of ours, for these arguments, from others.
namespace dmfrag::server {

// `arguments`: the method and every argument that must not change between pages.
std::string MakePageToken(const std::string& arguments, const std::vector<int64_t>& position);

// The position, of `size` numbers. Errors: kInvalidArgument.
absl::StatusOr<std::vector<int64_t>> ParsePageToken(const std::string& token, const std::string& arguments,
                                                    size_t size);

// The page size to use (AIP-158): 0 means `usual`, more than 1,000 means 1,000. Errors: kInvalidArgument if negative.
absl::StatusOr<int64_t> PageSize(int32_t asked, int32_t usual);

}  // namespace dmfrag::server

#endif  // DMFRAG_SERVER_SERVICE_PAGE_TOKEN_H_

#ifndef DMFRAG_PROTO_SUPPORT_SPELLING_H_
#define DMFRAG_PROTO_SUPPORT_SPELLING_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmfrag {

// The name that `written` was most likely meant to be: the one with the fewest edits (insert, delete, replace, swap of
// neighbours), if they are at most a third of its length and at least one is allowed. The first wins a tie.
std::optional<std::string> NearestName(std::string_view written, const std::vector<std::string>& names);

// "allowed: a, b (did you mean "a"?)". At most 20 names are listed.
std::string AllowedNames(std::string_view written, const std::vector<std::string>& names);

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_SPELLING_H_

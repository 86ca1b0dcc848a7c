#ifndef DMFRAG_PROTO_SUPPORT_UTF8_H_
#define DMFRAG_PROTO_SUPPORT_UTF8_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace dmfrag {

// Length of the UTF-8 sequence at the head of `text`, or 0 if there is none. Overlong forms and surrogates are refused.
size_t Utf8Length(std::string_view text);

// `bytes` as a text field of a message takes them: bytes that are not UTF-8 become '?'.
std::string Utf8Text(std::string_view bytes);

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_UTF8_H_

#ifndef DMFRAG_CLIENT_REPLAY_JSON_TEXT_H_
#define DMFRAG_CLIENT_REPLAY_JSON_TEXT_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace dmfrag::client {

// What is empty or not there is null.
inline nlohmann::ordered_json OrNull(const std::string& text) {
  return text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(text);
}
template <typename Value>
nlohmann::ordered_json OrNull(const std::optional<Value>& value) {
  return value.has_value() ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

// A report's document as it is printed; bytes that are no UTF-8 are replaced.
inline std::string TextOf(const nlohmann::ordered_json& document) {
  return document.dump(1, ' ', /*ensure_ascii=*/false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_JSON_TEXT_H_

#include "server/service/filter.h"

#include <cctype>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "dmfrag/v1/results.pb.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::server {
namespace {

constexpr size_t kMaxFilterBytes = 4096;

struct Token {
  std::string text;
  size_t column = 0;  // from 1
};

bool IsWordPart(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.'; }
bool IsOperatorPart(char c) { return c == '=' || c == '!' || c == '<' || c == '>'; }

absl::Status Wrong(size_t column, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("filter: column ", column, ": ", what));
}

absl::StatusOr<std::vector<Token>> Tokenise(const std::string& filter) {
  std::vector<Token> tokens;
  for (size_t i = 0; i < filter.size();) {
    if (filter[i] == ' ') {
      ++i;
      continue;
    }
    auto* const part = IsWordPart(filter[i]) ? &IsWordPart : &IsOperatorPart;
    size_t end = i;
    while (end < filter.size() && part(filter[end])) ++end;
    if (end == i) return Wrong(i + 1, "unexpected character; write comparisons such as splits_2m > 10, joined by AND");
    tokens.push_back({filter.substr(i, end - i), i + 1});
    i = end;
  }
  return tokens;
}

absl::StatusOr<int64_t> ParseValue(const std::string& field, const Token& token) {
  int64_t value = 0;
  if (field == "state") {
    v1::JobState state;
    if (v1::JobState_Parse("JOB_STATE_" + token.text, &state) && state != v1::JOB_STATE_UNSPECIFIED) return state;
    return Wrong(token.column, absl::StrCat("\"", token.text,
                                            "\" is no state; there are QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED"));
  }
  if (absl::SimpleAtoi(token.text, &value)) return value;
  return Wrong(token.column, absl::StrCat("\"", token.text, "\" is no 64-bit integer"));
}

}  // namespace

absl::StatusOr<std::vector<storage::Comparison>> ParseFilter(const std::string& filter) {
  if (filter.size() > kMaxFilterBytes) return Wrong(kMaxFilterBytes, "the filter is longer than 4096 characters");
  ASSIGN_OR_RETURN(const std::vector<Token> tokens, Tokenise(filter));
  std::vector<storage::Comparison> comparisons;
  for (size_t i = 0; i < tokens.size(); i += 4) {
    if (tokens.size() - i < 3) {
      return Wrong(tokens[i].column, "an unfinished comparison; write for example splits_2m > 10");
    }
    const bool words = IsWordPart(tokens[i].text[0]) && IsWordPart(tokens[i + 2].text[0]);
    if (!words || !IsOperatorPart(tokens[i + 1].text[0])) {
      return Wrong(tokens[i].column, "no comparison; write a name, one of = != < <= > >=, and a value");
    }
    ASSIGN_OR_RETURN(const int64_t value, ParseValue(tokens[i].text, tokens[i + 2]));
    comparisons.push_back({tokens[i].text, tokens[i + 1].text, value});
    const bool last = i + 3 == tokens.size();
    if (!last && (tokens[i + 3].text != "AND" || i + 4 == tokens.size())) {
      return Wrong(tokens[i + 3].column, "comparisons are joined by AND; OR and NOT are not known yet");
    }
  }
  return comparisons;
}

}  // namespace dmfrag::server

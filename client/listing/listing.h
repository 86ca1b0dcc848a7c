#ifndef DMFRAG_CLIENT_LISTING_LISTING_H_
#define DMFRAG_CLIENT_LISTING_LISTING_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dmfrag::client {

struct ListedRange {
  uint64_t min = 0;
  uint64_t max = 0;
};

// One figure or option of a listed thing.
struct ListedFigure {
  std::string name;                       // as sweep files write it
  std::string default_value;              // "" if it has to be given
  std::vector<std::string> values = {};   // those that may be written, if they have names
  std::optional<ListedRange> range = {};  // of a number, if its own description gives one
  bool guess = false;
  std::string source;
};

// An option, or "option.value", that a listed thing does not take.
struct ListedRefusal {
  std::string name;
  std::string reason;
};

// One thing that a spec can name, as `dmfrag list` shows it.
struct ListedEntry {
  std::string name;     // as sweep files write it
  std::string meaning;  // a line, or a paragraph
  // What else is to be known of it: name and text, in order; the same names for every entry of a list.
  std::vector<std::pair<std::string, std::string>> facts;
  std::vector<ListedFigure> figures;
  std::vector<ListedRefusal> refused = {};
};

struct Listing {
  std::string figures_are;              // title of the column of their names
  std::string values_are;               // title of the column of their defaults
  std::string figures_key = "figures";  // their name in JSON
  std::vector<ListedEntry> entries = {};
};

// For people: a paragraph for each entry, lines of at most `columns` characters where words allow it.
std::string ListingText(const Listing& listing, size_t columns = 120);

// An array of objects.
std::string ListingJson(const Listing& listing);

// A row for each figure, or one for an entry without figures; then one for each refusal, if there are any in the list.
std::string ListingCsv(const Listing& listing);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_LISTING_LISTING_H_

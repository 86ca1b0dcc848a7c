#ifndef DMFRAG_STORAGE_SQLITE_STATEMENT_H_
#define DMFRAG_STORAGE_SQLITE_STATEMENT_H_

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3_stmt;

namespace dmfrag::storage::sqlite {

// Bytes bound as a BLOB; strings are bound as TEXT.
struct Blob {
  std::string_view bytes;
};
using OptionalBlob = std::optional<Blob>;

// A prepared statement, owned. Used on one thread at a time.
class Statement {
 public:
  // Takes ownership.
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) = delete;
  ~Statement();

  // Runs it to its end, with `values` as its parameters in order. For statements that return no rows.
  template <typename... Values>
  absl::Status Run(const Values&... values) {
    int index = 0;
    (BindOne(++index, values, Lifetime::kUntilReset), ...);
    return RunBound(index);
  }

  // Binds all parameters in order, by copy.
  template <typename... Values>
  void Bind(const Values&... values) {
    int index = 0;
    (BindOne(++index, values, Lifetime::kCopy), ...);
    bound_ = index;
  }
  // Binds one more parameter, by copy.
  template <typename Value>
  void BindNext(const Value& value) {
    BindOne(++bound_, value, Lifetime::kCopy);
  }
  // True if there is a row, false at the end. Reports a failed Bind.
  absl::StatusOr<bool> Step();
  // Ends it: no lock is held any more. Parameters are forgotten.
  void Reset();

  // Columns of the current row, from 0. REQUIRES: the last Step returned true.
  bool IsNull(int column) const;
  int64_t Int64(int column) const;
  std::optional<int64_t> OptionalInt64(int column) const;
  // Both views live until the next Step or Reset.
  std::string_view TextView(int column) const;
  std::string_view BlobView(int column) const;
  std::string Text(int column) const { return std::string(TextView(column)); }
  std::string Bytes(int column) const { return std::string(BlobView(column)); }

 private:
  enum class Lifetime { kUntilReset, kCopy };

  void BindOne(int index, int64_t value, Lifetime);
  void BindOne(int index, int32_t value, Lifetime lifetime) { BindOne(index, int64_t{value}, lifetime); }
  void BindOne(int index, uint32_t value, Lifetime lifetime) { BindOne(index, int64_t{value}, lifetime); }
  void BindOne(int index, bool value, Lifetime lifetime) { BindOne(index, int64_t{value}, lifetime); }
  void BindOne(int index, uint64_t value, Lifetime) = delete;  // say ToSqlInteger
  void BindOne(int index, std::string_view value, Lifetime lifetime);
  void BindOne(int index, Blob value, Lifetime lifetime);
  void BindOne(int index, std::nullopt_t, Lifetime);
  template <typename Value>
  void BindOne(int index, const std::optional<Value>& value, Lifetime lifetime) {
    if (value.has_value()) {
      BindOne(index, *value, lifetime);
    } else {
      BindOne(index, std::nullopt, lifetime);
    }
  }

  void Remember(int code);
  absl::Status RunBound(int bound);
  absl::Status CheckBinds(int bound) const;
  absl::Status Failure(int code) const;

  sqlite3_stmt* statement_;
  int bound_ = 0;
  int bind_failure_ = 0;  // first failed bind's code
};

// A statement in use, ended at the end of the scope: a read that is forgotten half-way would hold back checkpoints.
class Rows {
 public:
  explicit Rows(Statement* statement) : statement_(statement) {}
  Rows(Rows&& other) noexcept : statement_(other.statement_) { other.statement_ = nullptr; }
  Rows& operator=(Rows&& other) = delete;
  ~Rows() {
    if (statement_ != nullptr) statement_->Reset();
  }

  // True if there is a row, false at the end.
  absl::StatusOr<bool> Next() { return statement_->Step(); }
  // The current row.
  const Statement& row() const { return *statement_; }

 private:
  Statement* statement_;
};

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_STATEMENT_H_

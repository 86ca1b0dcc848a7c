#include "client/command/progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/format/number.h"

namespace dmfrag::client {
namespace {

// A server that was away longer than this is given up.
constexpr absl::Duration kLongestAbsence = absl::Seconds(60);
constexpr absl::Duration kFirstReconnect = absl::Milliseconds(100);
constexpr absl::Duration kLongestReconnect = absl::Seconds(2);

int64_t DoneOf(const v1::JobCounts& counts) { return counts.succeeded() + counts.failed() + counts.cancelled(); }

bool HasEnded(const v1::Experiment& experiment) {
  return experiment.state() == v1::EXPERIMENT_STATE_DONE || experiment.state() == v1::EXPERIMENT_STATE_CANCELLED;
}

// One WatchExperiment stream after another, until the experiment has ended.
class Watch {
 public:
  Watch(Connection& connection, const std::string& name, absl::Time deadline, ProgressPrinter* printer)
      : connection_(connection), deadline_(deadline), printer_(printer) {
    request_.set_name(name);
  }

  absl::StatusOr<v1::Experiment> Await() {
    while (true) {
      const absl::Status status = ReadOneStream();
      if (ended_) return last_;
      if (!status.ok() && !absl::IsUnavailable(status)) return status;
      // The stream broke, or ended although the experiment has not.
      if (absl::Now() > last_message_ + kLongestAbsence) {
        return status.ok() ? absl::UnavailableError("the server keeps ending the watch; try again later") : status;
      }
      if (connection_.interrupt().AwaitFor(pause_)) return absl::CancelledError("interrupted");
      pause_ = std::min(2 * pause_, kLongestReconnect);
    }
  }

 private:
  absl::Status ReadOneStream() {
    grpc::ClientContext context;
    if (deadline_ != absl::InfiniteFuture()) context.set_deadline(absl::ToChronoTime(deadline_));
    const Interrupt::Reaction cancel(connection_.interrupt(), [&context] { context.TryCancel(); });
    const auto reader = connection_.experiments().WatchExperiment(&context, request_);
    v1::WatchExperimentResponse response;
    while (reader->Read(&response)) {
      last_ = response.experiment();
      last_message_ = absl::Now();
      pause_ = kFirstReconnect;
      if (printer_ != nullptr) printer_->Update(last_, last_message_);
      ended_ = HasEnded(last_);
    }
    const grpc::Status status = reader->Finish();
    if (ended_ || status.ok()) return absl::OkStatus();
    return connection_.Explain(status);
  }

  Connection& connection_;
  const absl::Time deadline_;
  ProgressPrinter* const printer_;
  v1::WatchExperimentRequest request_;
  v1::Experiment last_;
  bool ended_ = false;
  absl::Time last_message_ = absl::Now();
  absl::Duration pause_ = kFirstReconnect;
};

}  // namespace

std::string ProgressLine(const v1::Experiment& experiment, int64_t done_since, absl::Duration elapsed) {
  const v1::JobCounts& counts = experiment.counts();
  const int64_t done = DoneOf(counts);
  const int64_t percent = counts.total() > 0 ? 100 * done / counts.total() : 0;
  std::string line = absl::StrCat(experiment.name(), "  ", FormatCount(done), "/", FormatCount(counts.total()),
                                  " jobs (", percent, " %)");
  if (counts.failed() > 0) absl::StrAppend(&line, ", ", FormatCount(counts.failed()), " failed");
  if (counts.cancelled() > 0) absl::StrAppend(&line, ", ", FormatCount(counts.cancelled()), " cancelled");
  if (counts.cached() > 0) absl::StrAppend(&line, ", ", FormatCount(counts.cached()), " cached");
  const double seconds = absl::ToDoubleSeconds(elapsed);
  if (HasEnded(experiment) || done_since <= 0 || seconds <= 0) return line;
  const double rate = static_cast<double>(done_since) / seconds;
  absl::StrAppend(&line, ", ", absl::StrFormat(rate < 10 ? "%.1f" : "%.0f", rate), "/s, ",
                  FormatSpan(absl::Seconds(static_cast<double>(counts.total() - done) / rate)), " left");
  return line;
}

void ProgressPrinter::Update(const v1::Experiment& experiment, absl::Time now) {
  const int64_t done = DoneOf(experiment.counts());
  if (!first_done_.has_value()) {
    first_done_ = done;
    first_time_ = now;
  }
  const std::string line = ProgressLine(experiment, done - *first_done_, now - first_time_);
  if (terminal_) {
    out_ << "\r\x1b[K" << line << std::flush;
    line_open_ = true;
    return;
  }
  const int64_t total = experiment.counts().total();
  const int64_t tenths = total > 0 ? 10 * done / total : 0;
  const bool ended = HasEnded(experiment);
  if (tenths <= tenths_printed_ && (!ended || ended_printed_)) return;
  tenths_printed_ = tenths;
  ended_printed_ = ended;
  out_ << line << std::endl;
}

void ProgressPrinter::Finish() {
  if (line_open_) out_ << std::endl;
  line_open_ = false;
}

absl::StatusOr<v1::Experiment> AwaitExperiment(Connection& connection, const std::string& name, absl::Duration timeout,
                                               bool quiet, Environment& environment) {
  ProgressPrinter printer(environment.err, environment.err_is_terminal);
  Watch watch(connection, name, absl::Now() + timeout, quiet ? nullptr : &printer);
  absl::StatusOr<v1::Experiment> last = watch.Await();
  printer.Finish();
  if (absl::IsDeadlineExceeded(last.status())) {
    return absl::DeadlineExceededError(
        absl::StrCat(name, " has not ended within ", absl::FormatDuration(timeout), "; it goes on"));
  }
  return last;
}

}  // namespace dmfrag::client

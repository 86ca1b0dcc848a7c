-- Version 1. Times are nanoseconds since 1970, UTC. Digests are SHA-256, 32 bytes. Unsigned 64-bit values (seeds, fences)
-- lie in INTEGER columns with their bits unchanged, so those of 2^63 and above read as negative. Enumerations hold the
-- numbers of proto/dmfrag/v1.

-- Single values. last_fence: the greatest fence ever written, unsigned.
CREATE TABLE meta (
  name TEXT NOT NULL PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta(name, value) VALUES ('last_fence', 0);

-- Starts of the server.
CREATE TABLE epochs (
  epoch INTEGER PRIMARY KEY,
  start_time_ns INTEGER NOT NULL
) STRICT;

-- `definition` is a dmfrag.v1.Experiment as submitted, `final_counts` a dmfrag.v1.JobCounts, NULL while it is active. The
-- long column stands last, so that scans of the others do not read it.
CREATE TABLE experiments (
  id INTEGER PRIMARY KEY,
  display_name TEXT NOT NULL,
  state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 3),
  points INTEGER NOT NULL,
  jobs_total INTEGER NOT NULL,
  jobs_made INTEGER NOT NULL,
  salt TEXT NOT NULL,
  create_time_ns INTEGER NOT NULL,
  end_time_ns INTEGER,
  final_counts BLOB,
  definition BLOB NOT NULL
) STRICT;

-- Answers to request ids seen before. experiment_id is NULL where there is none.
CREATE TABLE requests (
  request_id TEXT NOT NULL PRIMARY KEY,
  method TEXT NOT NULL,
  request_digest BLOB NOT NULL CHECK (length(request_digest) = 32),
  experiment_id INTEGER REFERENCES experiments(id)
) STRICT, WITHOUT ROWID;

-- Canonical specs without their seed, as dmfrag.v1.JobSpec.
CREATE TABLE spec_templates (
  id INTEGER PRIMARY KEY,
  spec BLOB NOT NULL
) STRICT;

-- A job is its content: the index of the UNIQUE constraint also answers "has anybody run this already?".
CREATE TABLE jobs (
  id INTEGER PRIMARY KEY,
  spec_digest BLOB NOT NULL CHECK (length(spec_digest) = 32),
  model_version INTEGER NOT NULL,
  salt TEXT NOT NULL,
  template_id INTEGER NOT NULL REFERENCES spec_templates(id),
  seed INTEGER NOT NULL,
  state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 5),
  infra_failures INTEGER NOT NULL,
  lost INTEGER NOT NULL,
  failure TEXT NOT NULL,
  UNIQUE (spec_digest, model_version, salt)
) STRICT;

-- Which experiment wants which job. The primary key is the order of every listing.
CREATE TABLE links (
  experiment_id INTEGER NOT NULL REFERENCES experiments(id),
  point INTEGER NOT NULL,
  replicate INTEGER NOT NULL,
  job_id INTEGER NOT NULL REFERENCES jobs(id),
  cached INTEGER NOT NULL CHECK (cached IN (0, 1)),
  released INTEGER NOT NULL CHECK (released IN (0, 1)),
  PRIMARY KEY (experiment_id, point, replicate)
) STRICT, WITHOUT ROWID;

-- Leases. end_time_ns is NULL while one runs; failure_class is 0 if it runs or succeeded.
CREATE TABLE attempts (
  job_id INTEGER NOT NULL REFERENCES jobs(id),
  number INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  worker TEXT NOT NULL,
  start_time_ns INTEGER NOT NULL,
  end_time_ns INTEGER,
  failure_class INTEGER NOT NULL CHECK (failure_class BETWEEN 0 AND 4),
  failure TEXT NOT NULL,
  PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;

-- Recovery asks for the attempts that run; without this it would read every attempt ever made. It holds only those that
-- run, so it stays a few pages.
CREATE INDEX attempts_open ON attempts(job_id, number) WHERE end_time_ns IS NULL;

-- What attempts wrote to standard error; no row where they wrote nothing.
CREATE TABLE attempt_logs (
  job_id INTEGER NOT NULL,
  number INTEGER NOT NULL,
  stderr_tail TEXT NOT NULL CHECK (length(CAST(stderr_tail AS BLOB)) <= 65536),
  PRIMARY KEY (job_id, number),
  FOREIGN KEY (job_id, number) REFERENCES attempts(job_id, number)
) STRICT;

-- The one result of a job. One column per field of dmfrag.v1.Metrics, of the same name, in order of its number; NULL is
-- absent. A metric added later is a column added at the end by a migration. has_metrics tells an empty message from none.
CREATE TABLE results (
  job_id INTEGER PRIMARY KEY REFERENCES jobs(id),
  attempt INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  worker TEXT NOT NULL,
  result_digest BLOB NOT NULL CHECK (length(result_digest) = 32),
  outcome INTEGER NOT NULL,
  wall_us INTEGER NOT NULL,
  cpu_us INTEGER NOT NULL,
  commit_time_ns INTEGER NOT NULL,
  has_metrics INTEGER NOT NULL CHECK (has_metrics IN (0, 1)),
  splits_2m INTEGER,
  splits_1g INTEGER,
  collapses_2m INTEGER,
  collapses_1g INTEGER,
  direct_map_4k_kib INTEGER,
  direct_map_2m_kib INTEGER,
  direct_map_1g_kib INTEGER,
  flushes_all INTEGER,
  flushes_range INTEGER,
  flush_ipis INTEGER,
  cpa_requests INTEGER,
  entries_written INTEGER,
  table_pages INTEGER,
  table_pages_in_split_block INTEGER,
  split_enomem INTEGER,
  held_pages INTEGER,
  held_pages_max INTEGER,
  refills INTEGER,
  refills_failed INTEGER,
  shrunk_pages INTEGER,
  diverted_pages INTEGER,
  operations INTEGER,
  allocations_failed INTEGER,
  live_pages INTEGER,
  protected_pages INTEGER,
  free_pages INTEGER,
  replay_steps INTEGER,
  replay_steps_with_change INTEGER,
  replay_exact_steps INTEGER,
  replay_max_abs_difference INTEGER
) STRICT;

-- Who and what an attributed figure is about; a few dozen rows, so that attributions stay short.
CREATE TABLE attribution_keys (
  id INTEGER PRIMARY KEY,
  user TEXT NOT NULL,
  cache TEXT NOT NULL,
  metric TEXT NOT NULL,
  UNIQUE (user, cache, metric)
) STRICT;

-- Attributed figures; `position` is the place in JobResult.attributions.
CREATE TABLE attributions (
  job_id INTEGER NOT NULL REFERENCES results(job_id),
  position INTEGER NOT NULL,
  key_id INTEGER NOT NULL REFERENCES attribution_keys(id),
  value INTEGER NOT NULL,
  PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;

-- dmfrag.v1.TimeSeries of a result, as encoded; no row if it has none.
CREATE TABLE series (
  job_id INTEGER PRIMARY KEY REFERENCES results(job_id),
  time_series BLOB NOT NULL CHECK (length(time_series) <= 65536)
) STRICT;

-- dmfrag.v1.ReplayReport of a result, as encoded; no row if it has none.
CREATE TABLE replays (
  job_id INTEGER PRIMARY KEY REFERENCES results(job_id),
  report BLOB NOT NULL
) STRICT;

-- Results that came late or twice, whole, as evidence. The UNIQUE constraint keeps a result that is sent again and again
-- from filling the disk; its index also counts a job's duplicates.
CREATE TABLE duplicate_results (
  id INTEGER PRIMARY KEY,
  job_id INTEGER NOT NULL REFERENCES jobs(id),
  attempt INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  worker TEXT NOT NULL,
  result_digest BLOB NOT NULL CHECK (length(result_digest) = 32),
  wall_us INTEGER NOT NULL,
  cpu_us INTEGER NOT NULL,
  commit_time_ns INTEGER NOT NULL,
  reason TEXT NOT NULL,
  result BLOB NOT NULL,
  UNIQUE (job_id, attempt, fence, result_digest)
) STRICT;

-- Complete captures; their content lies beside the database.
CREATE TABLE captures (
  sha256 BLOB NOT NULL PRIMARY KEY CHECK (length(sha256) = 32),
  size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
  display_name TEXT NOT NULL,
  create_time_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What happened, in order. NULL where no experiment, job or attempt is concerned.
CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  time_ns INTEGER NOT NULL,
  kind TEXT NOT NULL,
  experiment_id INTEGER,
  job_id INTEGER,
  attempt INTEGER,
  detail TEXT NOT NULL
) STRICT;

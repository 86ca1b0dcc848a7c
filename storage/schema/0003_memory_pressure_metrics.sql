-- Version 3. Metrics of reclaim and compaction; NULL in results of before.
ALTER TABLE results ADD COLUMN pages_reclaimed INTEGER;
ALTER TABLE results ADD COLUMN pages_moved INTEGER;
ALTER TABLE results ADD COLUMN compact_success INTEGER;
ALTER TABLE results ADD COLUMN compact_fail INTEGER;

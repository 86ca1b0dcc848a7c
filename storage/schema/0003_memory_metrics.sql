-- Version 3. Metrics of reclaim, compaction, and of split blocks that could be put together again; NULL in results of
-- before.
ALTER TABLE results ADD COLUMN restorable_blocks INTEGER;
ALTER TABLE results ADD COLUMN pages_reclaimed INTEGER;
ALTER TABLE results ADD COLUMN pages_moved INTEGER;
ALTER TABLE results ADD COLUMN compact_success INTEGER;
ALTER TABLE results ADD COLUMN compact_fail INTEGER;

-- Version 2. Metrics of CPA on other mappings than the direct map, and of data caches; NULL in results of before.
ALTER TABLE results ADD COLUMN cache_flush_pages INTEGER;
ALTER TABLE results ADD COLUMN cache_flushes_all INTEGER;
ALTER TABLE results ADD COLUMN vmalloc_splits_2m INTEGER;
ALTER TABLE results ADD COLUMN vmalloc_collapses_2m INTEGER;

-- Version 6. Metrics of caches that restore, migrate, zero and refuse, of order-9 blocks free at the end, and mean costs;
-- NULL in results of before and where the metric does not apply.
ALTER TABLE results ADD COLUMN blocks_restored INTEGER;
ALTER TABLE results ADD COLUMN restores_blocked INTEGER;
ALTER TABLE results ADD COLUMN restores_lost INTEGER;
ALTER TABLE results ADD COLUMN cache_pages_migrated INTEGER;
ALTER TABLE results ADD COLUMN local_flushes INTEGER;
ALTER TABLE results ADD COLUMN temporary_mappings INTEGER;
ALTER TABLE results ADD COLUMN cache_pages_zeroed INTEGER;
ALTER TABLE results ADD COLUMN pages_leaked INTEGER;
ALTER TABLE results ADD COLUMN pages_escaped INTEGER;
ALTER TABLE results ADD COLUMN free_checks INTEGER;
ALTER TABLE results ADD COLUMN pages_returned INTEGER;
ALTER TABLE results ADD COLUMN refill_recursions INTEGER;
ALTER TABLE results ADD COLUMN atomic_denials INTEGER;
ALTER TABLE results ADD COLUMN free_2m_blocks INTEGER;
ALTER TABLE results ADD COLUMN allocation_cycles_mean INTEGER;
ALTER TABLE results ADD COLUMN free_cycles_mean INTEGER;
ALTER TABLE results ADD COLUMN permission_cycles_per_allocation INTEGER;

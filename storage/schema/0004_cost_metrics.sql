-- Version 4. Metrics of the cost model; NULL in results of before, and where no processor was given.
ALTER TABLE results ADD COLUMN predicted_cycles_low INTEGER;
ALTER TABLE results ADD COLUMN predicted_cycles INTEGER;
ALTER TABLE results ADD COLUMN predicted_cycles_high INTEGER;
ALTER TABLE results ADD COLUMN zone_lock_cycles INTEGER;
ALTER TABLE results ADD COLUMN allocation_cycles_p50 INTEGER;
ALTER TABLE results ADD COLUMN allocation_cycles_p99 INTEGER;
ALTER TABLE results ADD COLUMN allocation_cycles_max INTEGER;
ALTER TABLE results ADD COLUMN free_cycles_p50 INTEGER;
ALTER TABLE results ADD COLUMN free_cycles_p99 INTEGER;
ALTER TABLE results ADD COLUMN free_cycles_max INTEGER;
ALTER TABLE results ADD COLUMN flush_ipis_isolated INTEGER;
ALTER TABLE results ADD COLUMN translation_ppm_low INTEGER;
ALTER TABLE results ADD COLUMN translation_ppm INTEGER;
ALTER TABLE results ADD COLUMN translation_ppm_high INTEGER;
ALTER TABLE results ADD COLUMN translation_ppm_mean INTEGER;

-- Version 5. Aged machines: how fragmented free memory is, and the digest of the state that a run started from; NULL in
-- results of before, where the metric does not apply, and without ageing.
ALTER TABLE results ADD COLUMN unusable_free_2m_per_mille INTEGER;
ALTER TABLE results ADD COLUMN unusable_free_2m_start_per_mille INTEGER;
ALTER TABLE results ADD COLUMN aged_state_sha256 TEXT CHECK (length(aged_state_sha256) = 64);

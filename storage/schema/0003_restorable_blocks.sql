-- Version 3. How many split blocks could be put together again; NULL in results of before.
ALTER TABLE results ADD COLUMN restorable_blocks INTEGER;

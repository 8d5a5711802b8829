-- When a conversation with the target began, whatever has been tried since.
ALTER TABLE news_sync_object ADD COLUMN since timestamptz NOT NULL DEFAULT clock_timestamp();
UPDATE news_sync_object SET since = updated_at;

-- Of a comment: by which post a shard has it, from the beginning of that conversation to its end. parent_pk is where it
-- belongs, and goes along when it is moved.
ALTER TABLE news_sync_object ADD COLUMN home_pk bigint;
UPDATE news_sync_object SET home_pk = parent_pk;

-- What was given up before version 7, of an object that a run had tried: it was waiting, without a reason.
UPDATE news_sync_object o SET state = 'discarded'
WHERE state = 'waiting' AND reason IS NULL AND event_id <> 0 AND NOT EXISTS (
    SELECT FROM news_modelevent e
    WHERE e.entity_table = o.entity_table AND e.entity_pk = o.entity_pk AND e.synced_at IS NULL);

-- The last run of a kind, however long the history.
CREATE INDEX news_sync_run_kind ON news_sync_run (kind, id);

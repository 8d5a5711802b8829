-- A full sync talks to the target about objects that no event speaks for. Where it does not come
-- to an end with one, the row here is all that tells: the next sync goes on with it. What
-- was given up (news discard) is told apart from that by a state of its own.
ALTER TABLE news_sync_object DROP CONSTRAINT news_sync_object_state_check;
ALTER TABLE news_sync_object ADD CONSTRAINT news_sync_object_state_check
    -- sent: a request may be under way; waiting: given up for now; parked: waits for an operator
    -- or for a newer event; held: waits for another object; discarded: nothing is to be done, but
    -- whether it is at the target is asked before the next change.
    CHECK (state IN ('sent', 'waiting', 'parked', 'held', 'discarded'));

-- doubled: the target lists it more than once, and it is yet to be deleted until it is gone.
ALTER TABLE news_sync_object DROP CONSTRAINT news_sync_object_presence_check;
ALTER TABLE news_sync_object ADD CONSTRAINT news_sync_object_presence_check
    CHECK (presence IN ('absent', 'present', 'unknown', 'doubled'));

UPDATE news_sync_object o SET state = 'discarded'
WHERE state = 'waiting' AND event_id = 0 AND reason IS NULL AND NOT EXISTS (
    SELECT FROM news_modelevent e
    WHERE e.entity_table = o.entity_table AND e.entity_pk = o.entity_pk AND e.synced_at IS NULL);

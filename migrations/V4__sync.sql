-- What a sync remembers.

-- One row for the database: which target it follows, and what is known of the whole log.
CREATE TABLE news_sync_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    target_url text,
    -- Of the database that remembered the target: its system identifier, where that may be read, and its oid. A copy has
    -- another identity, and must not follow the same target unasked.
    target_identity text,
    -- What finds the profile of the target, and a fingerprint of what the profile said.
    target_profile text,
    target_profile_print text,
    -- Raised by each run that takes the lock: a run that lost its session sees whether another run took over meanwhile.
    epoch bigint NOT NULL DEFAULT 0,
    -- Events with an id up to this one are doubtful, marked or not: an object that was to be created was found at the
    -- target. 0: none is. It never goes down, since what the log forgot stays forgotten.
    doubtful_until bigint NOT NULL DEFAULT 0 CHECK (doubtful_until >= 0),
    -- An identity without a target would be compared with nothing.
    CONSTRAINT news_sync_state_identity CHECK (target_url IS NOT NULL OR target_identity IS NULL)
);
INSERT INTO news_sync_state DEFAULT VALUES;

-- Returns the identity of this database, SYSTEM/OID: the server's system identifier, which initdb makes, and the oid of
-- the database. A question mark stands for the identifier where not even the owner may read it.
CREATE FUNCTION news_identity() RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    system text;
BEGIN
    BEGIN
        SELECT c.system_identifier::text INTO system FROM pg_control_system() c;
    EXCEPTION WHEN insufficient_privilege THEN
        system := '?';
    END;
    RETURN system || '/' || (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
END
$$;

-- Several workers share a database (news sync --shard K/N). A row for each shard that ever ran, with its epoch, raised by
-- each of its runs. Runs without shards raise that of news_sync_state.
CREATE TABLE news_sync_shard (
    shards integer NOT NULL CHECK (shards BETWEEN 1 AND 256),
    shard integer NOT NULL CHECK (shard BETWEEN 1 AND shards),
    epoch bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (shards, shard)
);

-- The history of runs.
CREATE TABLE news_sync_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('import', 'sync', 'full')),
    -- Which shard ran: 2/4.
    shard text,
    status text NOT NULL DEFAULT 'running'
        CHECK (status IN ('running', 'done', 'partly', 'failed', 'stopped', 'lost')),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The last sign of life. Of a run that was lost: when its last request was given up, at the latest. It may take effect
    -- for some time counted from here.
    alive_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    target_url text NOT NULL,
    epoch bigint NOT NULL,
    exit_code integer,
    -- {"posts": {"create": 1, …}, "comments": {…}, "requests": n, …}
    counts jsonb NOT NULL DEFAULT '{}',
    first_error text,
    -- It sent nothing and recorded nothing. Of those fewer are kept: a timer makes many.
    is_quiet boolean NOT NULL DEFAULT false,
    -- A run that has not finished has no end; all others have one.
    CONSTRAINT news_sync_run_end CHECK ((status = 'running') = (finished_at IS NULL))
);
CREATE INDEX news_sync_run_finished_at ON news_sync_run (finished_at);
CREATE INDEX news_sync_run_quiet ON news_sync_run (id) WHERE is_quiet;
-- Finds the last run of a kind, however long the history is.
CREATE INDEX news_sync_run_kind ON news_sync_run (kind, id);

-- An object has a row here while its conversation with the target is open: its presence there is then a recorded fact (or
-- known to be unknown), and no longer follows from its events. An object in sync has no row. A full sync also talks about
-- objects without unsynced events: their row is all that the next sync knows of them.
CREATE TABLE news_sync_object (
    entity_table text NOT NULL CHECK (entity_table IN ('news_post', 'news_comment')),
    entity_pk bigint NOT NULL,
    -- doubled: the target lists it more than once; it has to be deleted until it is gone.
    presence text NOT NULL CHECK (presence IN ('absent', 'present', 'unknown', 'doubled')),
    -- sent: a request may be in flight; waiting: a later run tries again; parked: waits for an operator or for a newer
    -- event; held: waits for another object; discarded: nothing is to be done, but the target is asked before the next
    -- change.
    state text NOT NULL CHECK (state IN ('sent', 'waiting', 'parked', 'held', 'discarded')),
    -- The last event that the conversation is about: a newer one un-parks the object.
    event_id bigint NOT NULL,
    parent_pk bigint,
    status integer,
    reason text,
    failures integer NOT NULL DEFAULT 0,
    next_try_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When the conversation began, whatever has been tried since.
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Of a comment: the post by which a shard has it, from the beginning of the conversation to its end. `parent_pk`
    -- changes when the comment is moved to another post.
    home_pk bigint,
    -- Of a comment: posts under which the target may have it, besides those that its unsynced events name. The DELETE of such
    -- a post waits for the comment.
    there_pks bigint[] NOT NULL DEFAULT '{}' CHECK (cardinality(there_pks) <= 1000),
    -- Until then an earlier request may still take effect at the target: nothing else is sent for the object.
    settled_at timestamptz,
    -- The last request that a run has recorded: whose it was, when it was sent, how long the target took, and the first 2,000
    -- characters of its response's body.
    run_id bigint,
    method text CHECK (method IN ('GET', 'POST', 'PUT', 'DELETE')),
    asked_at timestamptz,
    ms integer CHECK (ms >= 0),
    body text CHECK (length(body) <= 2000),
    PRIMARY KEY (entity_table, entity_pk),
    -- A parked object says why: an operator has to decide.
    CONSTRAINT news_sync_object_reason CHECK (state <> 'parked' OR reason IS NOT NULL)
);
-- Finds comments that a post's DELETE may have taken along, after their changes were dropped.
CREATE INDEX news_sync_object_discarded ON news_sync_object (entity_table, entity_pk) WHERE state = 'discarded';
-- A row here lives as long as a conversation, which is mostly a second.
ALTER TABLE news_sync_object SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000);

-- What a run came to for each object that it sent a request for, or parked: written with the transaction that records it.
-- In a run an object has more than one row only where the run planned anew: the last one holds. A row costs each object that is
-- sent, so there is no key and no check: a row takes a third less so. What is written is `core::session::CameTo`'s words.
CREATE TABLE news_sync_sent (
    run_id bigint NOT NULL,
    entity_table text NOT NULL,
    entity_pk bigint NOT NULL,
    -- created, updated, deleted, renewed, found (asked for, and found as it should be); not done: parked, held, waiting.
    came_to text NOT NULL,
    -- The last request, its status and how long it took. NULL: parked without a request, or no response.
    method text,
    status integer,
    ms integer,
    -- The events that it was about, and how many of them were marked as synced with it. NULL: a full sync found a difference that
    -- no event explains.
    first_event bigint,
    last_event bigint,
    events integer NOT NULL DEFAULT 0,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- One object's history, newest first: numbers alone, since comparing texts costs more than the two that share an id.
CREATE INDEX news_sync_sent_object ON news_sync_sent (entity_pk, run_id);
-- What a run sent; and the oldest first, for pruning. A run's rows share an entry, which makes it small.
CREATE INDEX news_sync_sent_run ON news_sync_sent (run_id);

-- What people did. An act's time is that of its transaction, and so is that of the events that it drops.
CREATE TABLE news_sync_act (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    what text NOT NULL CHECK (what IN ('retried', 'discarded', 'on_hold', 'released')),
    -- The API user's name, or user@host of the command line.
    who text NOT NULL CHECK (length(who) <= 300),
    via text NOT NULL CHECK (via IN ('command', 'console')),
    -- posts/5, comments/7; a long list takes several rows. `along`: comments that were discarded with their posts.
    keys text[] NOT NULL CHECK (cardinality(keys) <= 1000),
    along text[] NOT NULL DEFAULT '{}' CHECK (cardinality(along) <= 1000),
    -- Events that were dropped.
    events bigint,
    why text CHECK (length(why) <= 200)
);
-- Answers "what was done to this object": keys || along @> ARRAY['posts/5'].
CREATE INDEX news_sync_act_keys ON news_sync_act USING gin ((keys || along));
CREATE INDEX news_sync_act_at ON news_sync_act (at);

-- What a target keeps in place of rows whose texts it has altered: two fingerprints of 128 bits, of the row that was sent and of
-- the record that the target made of it. While both are as they were, the object counts as equal. An object without an
-- entry is kept as it was sent.
CREATE TABLE news_sync_kept (
    entity_table text NOT NULL CHECK (entity_table IN ('news_post', 'news_comment')),
    entity_pk bigint NOT NULL,
    sent bytea NOT NULL CHECK (octet_length(sent) = 16),
    kept bytea NOT NULL CHECK (octet_length(kept) = 16),
    PRIMARY KEY (entity_table, entity_pk)
);

-- Objects of the target that an import left out, since the master cannot hold them. They are not the master's to delete:
-- "cannot hold" is not "does not want".
CREATE TABLE news_sync_left_out (
    entity_table text NOT NULL CHECK (entity_table IN ('news_post', 'news_comment')),
    -- An id that the master could not use either is remembered by nobody: no row of ours can ever have it.
    entity_pk bigint NOT NULL CHECK (entity_pk BETWEEN 1 AND 9007199254740991),
    reason text NOT NULL,
    PRIMARY KEY (entity_table, entity_pk)
);

-- Objects whose sync an operator has stopped (news hold). Of an object of any state, also of one that has no row, so it is no
-- column of news_sync_object.
CREATE TABLE news_sync_hold (
    entity_table text NOT NULL CHECK (entity_table IN ('news_post', 'news_comment')),
    entity_pk bigint NOT NULL CHECK (entity_pk BETWEEN 1 AND 9007199254740991),
    since timestamptz NOT NULL DEFAULT now(),
    -- user@host of the command line, and the reason where one was given.
    who text NOT NULL CHECK (length(who) <= 300),
    why text CHECK (length(why) <= 200),
    PRIMARY KEY (entity_table, entity_pk)
);

-- Moves the sequences of the ids behind the highest id that is a row, or that an import left out: rows may come with ids
-- of their own, and an id of the target must not be given to another object. So may events, with a dump of the data alone:
-- behind them its last line sets the sequence back, and no change could be tracked any more. It never moves one back, and by whole steps
-- only: several databases may share the ids of a target by their remainders. Returns how many sequences were moved.
--
-- Ids of the last 2^32 below the highest possible one are not considered: behind them hardly any id is left.
CREATE FUNCTION news_sequences_repair() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    considered CONSTANT bigint := 9007199254740991 - (1::bigint << 32);
    name text;
    sequence text;
    step bigint;
    next bigint;
    highest bigint;
    moved bigint := 0;
BEGIN
    FOREACH name IN ARRAY ARRAY['news_post', 'news_comment', 'news_modelevent'] LOOP
        sequence := pg_get_serial_sequence(name, 'id');
        SELECT s.seqincrement INTO step FROM pg_sequence s WHERE s.seqrelid = sequence::regclass;
        CONTINUE WHEN coalesce(step, 0) <= 0;
        -- Without a lock first: mostly there is nothing to do. An INSERT takes its lock on the table before it asks the
        -- sequence, so that with ours nobody gets an id between our look and the move.
        FOR attempt IN 1..2 LOOP
            EXECUTE format('SELECT CASE WHEN is_called THEN last_value + $1 ELSE last_value END FROM %s', sequence)
                INTO next USING step;
            EXECUTE format('SELECT greatest((SELECT max(id) FROM %I WHERE id <= $1),
                                            (SELECT max(entity_pk) FROM news_sync_left_out
                                             WHERE entity_table = $2 AND entity_pk <= $1))', name)
                INTO highest USING considered, name;
            EXIT WHEN coalesce(highest, 0) < next;
            IF attempt = 1 THEN
                EXECUTE format('LOCK TABLE %I IN SHARE MODE', name);
            ELSE
                PERFORM setval(sequence, next + (highest - next) / step * step);
                moved := moved + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN moved;
END
$$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION news_sequences_repair() SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$$;
ALTER FUNCTION news_sequences_repair() SET row_security = off;
REVOKE ALL ON FUNCTION news_sequences_repair() FROM PUBLIC;

-- A database that is taken over may have such ids.
SELECT news_sequences_repair();

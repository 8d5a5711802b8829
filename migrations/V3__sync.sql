-- What a sync remembers.

-- One row for the database: the target it follows, and the epoch, raised by each
-- run that takes the lock, by which a run that lost its session knows that another
-- one was there meanwhile.
CREATE TABLE news_sync_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    target_url text,
    epoch bigint NOT NULL DEFAULT 0
);
INSERT INTO news_sync_state DEFAULT VALUES;

-- The history of runs.
CREATE TABLE news_sync_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('import', 'sync', 'full')),
    status text NOT NULL DEFAULT 'running'
        CHECK (status IN ('running', 'done', 'partly', 'failed', 'stopped', 'lost')),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
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
    -- A run is either under way, with no end, or over, with one.
    CONSTRAINT news_sync_run_end CHECK ((status = 'running') = (finished_at IS NULL))
);
CREATE INDEX news_sync_run_finished_at ON news_sync_run (finished_at);

-- An object is here while a conversation with the target has begun and not ended
-- well: its presence there is then a recorded fact (or known to be unknown) and no
-- longer follows from its events. An object in step with its events has no row.
CREATE TABLE news_sync_object (
    entity_table text NOT NULL CHECK (entity_table IN ('news_post', 'news_comment')),
    entity_pk bigint NOT NULL,
    presence text NOT NULL CHECK (presence IN ('absent', 'present', 'unknown')),
    -- sent: a request may be under way; waiting: given up for now; parked: waits
    -- for an operator or for a newer event; held: waits for another object.
    state text NOT NULL CHECK (state IN ('sent', 'waiting', 'parked', 'held')),
    -- The last event the conversation is about: a newer one un-parks the object.
    event_id bigint NOT NULL,
    parent_pk bigint,
    status integer,
    reason text,
    body text,
    failures integer NOT NULL DEFAULT 0,
    next_try_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (entity_table, entity_pk),
    -- A parked object says why.
    CONSTRAINT news_sync_object_reason CHECK (state <> 'parked' OR reason IS NOT NULL)
);

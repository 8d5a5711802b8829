-- Several workers share a database (news sync --shard K/N). A row for each shard that ever
-- ran: its epoch, raised by each of its runs. Runs without shards raise that of news_sync_state.
CREATE TABLE news_sync_shard (
    shards integer NOT NULL CHECK (shards BETWEEN 1 AND 256),
    shard integer NOT NULL CHECK (shard BETWEEN 1 AND shards),
    epoch bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (shards, shard)
);

-- Which shard's run it was: 2/4.
ALTER TABLE news_sync_run ADD COLUMN shard text;

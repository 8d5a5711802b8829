-- How many posts there are, exactly, and which id the n-th of them has, without a scan: counts of the posts by ranges of
-- 16,384 ids (`bucket` is the id shifted by 14 bits). Triggers of their own keep them in the transaction of the change, so
-- that in any snapshot their sum is its number of posts. (Comments are listed post by post, and counted there by the index.)
--
-- Writers never wait for each other here, so they cannot deadlock either: each changes a row that no other transaction has
-- locked, or adds one. There are about as many rows as buckets and concurrent writers.

CREATE TABLE news_post_count (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bucket bigint NOT NULL,
    n bigint NOT NULL,
    -- Changes so far; see news_post_count_add.
    uses integer NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
-- Changes leave both keys alone, so that they stay within a page and it cleans itself.
CREATE INDEX news_post_count_bucket ON news_post_count (bucket, id);
GRANT SELECT ON news_post_count TO PUBLIC;

-- Adds to a bucket's count. A row is used up after 64 changes, and a new one takes the place of
-- all that are free: while a long snapshot is open (a dump, a comparison) old versions cannot be
-- cleaned away, and the search from the newest row on meets few of them.
CREATE FUNCTION news_post_count_add(at bigint, change bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    used_up CONSTANT integer := 64;
    free bigint;
    free_uses integer;
    folded bigint[];
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- In an older snapshot a row that was changed since cannot be changed: one more is added,
        -- and now and then what can be is folded.
        INSERT INTO news_post_count (bucket, n, uses) VALUES (at, change, used_up);
        IF random() * used_up >= 1 THEN
            RETURN;
        END IF;
        BEGIN
            folded := ARRAY(SELECT c.id FROM news_post_count c WHERE c.bucket = at AND c.uses >= used_up
                            ORDER BY c.id LIMIT 1000 FOR UPDATE SKIP LOCKED);
            WITH gone AS (DELETE FROM news_post_count WHERE id = ANY (folded) RETURNING n)
            INSERT INTO news_post_count (bucket, n, uses) SELECT at, coalesce(sum(n), 0), used_up FROM gone;
        EXCEPTION WHEN serialization_failure THEN
            NULL;
        END;
        RETURN;
    END IF;
    SELECT c.id, c.uses INTO free, free_uses FROM news_post_count c
    WHERE c.bucket = at ORDER BY c.id DESC LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF free_uses < used_up THEN
        UPDATE news_post_count SET n = n + change, uses = uses + 1 WHERE id = free;
        RETURN;
    END IF;
    folded := ARRAY(SELECT c.id FROM news_post_count c WHERE c.bucket = at
                    ORDER BY c.id LIMIT 1000 FOR UPDATE SKIP LOCKED);
    WITH gone AS (DELETE FROM news_post_count WHERE id = ANY (folded) RETURNING n)
    INSERT INTO news_post_count (bucket, n, uses) SELECT at, coalesce(sum(n), 0) + change, 1 FROM gone;
END
$$;

-- Compares the counts with the posts, in one snapshot, and puts right what is wrong: it returns how many posts were
-- counted wrongly. Some are where somebody changed posts while the triggers were disabled.
CREATE FUNCTION news_post_count_repair() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    wrong bigint;
BEGIN
    -- Always in this order, as an import has the table locked by the time it comes here.
    LOCK TABLE news_post IN ACCESS SHARE MODE;
    -- Two repairs at once would both add the difference. "news" in ASCII, then 2.
    PERFORM pg_advisory_xact_lock(x'6e65777300000002'::bigint);
    WITH off AS (
        SELECT bucket, sum(n) AS off
        FROM (SELECT id >> 14 AS bucket, count(*) AS n FROM news_post GROUP BY id >> 14
              UNION ALL SELECT bucket, -n FROM news_post_count) AS both_sides
        GROUP BY bucket HAVING sum(n) <> 0
    ), put_right AS (
        INSERT INTO news_post_count (bucket, n, uses) SELECT bucket, off, 64 FROM off RETURNING n
    )
    SELECT coalesce(sum(abs(n)), 0) INTO wrong FROM put_right;
    RETURN wrong;
END
$$;

-- Rows come and go by statements: the transition tables say by how much each bucket changed, whatever other triggers do.
CREATE FUNCTION news_count_post() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM news_post_count_add(c.bucket, c.change)
        FROM (SELECT n.id >> 14 AS bucket, count(*) AS change FROM new_rows n GROUP BY n.id >> 14) c;
    ELSIF TG_OP = 'UPDATE' THEN
        -- A changed id may have left its bucket.
        PERFORM news_post_count_add(c.bucket, c.change)
        FROM (SELECT moved.bucket, sum(moved.change) AS change
              FROM (SELECT n.id >> 14 AS bucket, 1 AS change FROM new_rows n
                    UNION ALL SELECT o.id >> 14, -1 FROM old_rows o) AS moved
              GROUP BY moved.bucket HAVING sum(moved.change) <> 0) c;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM news_post_count_add(c.bucket, c.change)
        FROM (SELECT o.id >> 14 AS bucket, -count(*) AS change FROM old_rows o GROUP BY o.id >> 14) c;
    ELSE
        PERFORM news_post_count_add(c.bucket, c.change)
        FROM (SELECT p.id >> 14 AS bucket, -count(*) AS change FROM news_post p GROUP BY p.id >> 14) c;
    END IF;
    RETURN NULL;
END
$$;

-- As for the functions of tracking. news_post_count_add runs with the settings of its callers.
DO $$
DECLARE
    f text;
BEGIN
    FOREACH f IN ARRAY ARRAY['news_count_post', 'news_post_count_repair'] LOOP
        EXECUTE format('ALTER FUNCTION %I() SET search_path = pg_catalog, %I, pg_temp', f, current_schema());
        EXECUTE format('ALTER FUNCTION %I() SET row_security = off', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %I() FROM PUBLIC', f);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION news_post_count_add(bigint, bigint) FROM PUBLIC;

CREATE TRIGGER news_count_insert AFTER INSERT ON news_post
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION news_count_post();
CREATE TRIGGER news_count_update AFTER UPDATE ON news_post
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION news_count_post();
CREATE TRIGGER news_count_delete AFTER DELETE ON news_post
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION news_count_post();
CREATE TRIGGER news_count_truncate BEFORE TRUNCATE ON news_post
    FOR EACH STATEMENT EXECUTE FUNCTION news_count_post();
ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_count_insert;
ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_count_update;
ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_count_delete;
ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_count_truncate;

-- Posts of a database that is taken over. Creating the triggers has locked the table against writers until the commit.
SELECT news_post_count_repair();

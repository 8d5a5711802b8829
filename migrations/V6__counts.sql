-- How many posts and comments there are, exactly, without a scan: the sum of `n` of an
-- entity's rows, which the tracking triggers keep in the transaction of the change, so that any
-- snapshot's sum is its number of rows.
--
-- Writers never wait for each other here, so they cannot deadlock either: each changes a row
-- that nobody has locked, or adds one. There are about as many rows as there are writers at once.

-- Nobody may write between the counting below and the triggers that count on.
LOCK TABLE news_post, news_comment IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE news_count (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_table text NOT NULL CHECK (entity_table IN ('news_post', 'news_comment')),
    n bigint NOT NULL,
    -- Changes so far; see news_count_add.
    uses integer NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
-- Changes leave both keys alone, so that they stay within a page and it cleans itself.
CREATE INDEX news_count_entity ON news_count (entity_table, id);
GRANT SELECT ON news_count TO PUBLIC;

-- Adds to an entity's count. A row is used up after 64 changes, and a new one takes the place of
-- all that are free: while a long snapshot is open (a dump, a comparison) old versions cannot be
-- cleaned away, and the search from the newest row on meets few of them.
CREATE FUNCTION news_count_add(entity text, change bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    used_up CONSTANT integer := 64;
    free bigint;
    free_uses integer;
    folded bigint[];
BEGIN
    IF change = 0 THEN
        RETURN;
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- In an older snapshot a row that was changed since cannot be changed: one more is added,
        -- and now and then what can be is folded.
        INSERT INTO news_count (entity_table, n, uses) VALUES (entity, change, used_up);
        IF random() * used_up >= 1 THEN
            RETURN;
        END IF;
        BEGIN
            folded := ARRAY(SELECT id FROM news_count WHERE entity_table = entity AND uses >= used_up
                            ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED);
            WITH gone AS (DELETE FROM news_count WHERE id = ANY (folded) RETURNING n)
            INSERT INTO news_count (entity_table, n, uses) SELECT entity, coalesce(sum(n), 0), used_up FROM gone;
        EXCEPTION WHEN serialization_failure THEN
            NULL;
        END;
        RETURN;
    END IF;
    SELECT c.id, c.uses INTO free, free_uses FROM news_count c
    WHERE c.entity_table = entity ORDER BY c.id DESC LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF free_uses < used_up THEN
        UPDATE news_count SET n = n + change, uses = uses + 1 WHERE id = free;
        RETURN;
    END IF;
    folded := ARRAY(SELECT c.id FROM news_count c WHERE c.entity_table = entity
                    ORDER BY c.id LIMIT 1000 FOR UPDATE SKIP LOCKED);
    WITH gone AS (DELETE FROM news_count WHERE id = ANY (folded) RETURNING n)
    INSERT INTO news_count (entity_table, n, uses) SELECT entity, coalesce(sum(n), 0) + change, 1 FROM gone;
END
$$;

-- Compares the counts with the rows, in one snapshot, and puts right what is wrong: it returns by how much
-- they were off. They are where somebody changed rows while the triggers were disabled.
CREATE FUNCTION news_count_repair(OUT posts bigint, OUT comments bigint) LANGUAGE plpgsql AS $$
BEGIN
    -- Always in this order, as an import has the tables locked by the time it comes here.
    LOCK TABLE news_post, news_comment IN ACCESS SHARE MODE;
    -- Two repairs at once would both add the difference. "news" in ASCII, then 2.
    PERFORM pg_advisory_xact_lock(x'6e65777300000002'::bigint);
    WITH wrong AS (
        SELECT 'news_post' AS entity, (SELECT count(*) FROM news_post)
            - (SELECT coalesce(sum(n), 0) FROM news_count WHERE entity_table = 'news_post') AS off
        UNION ALL
        SELECT 'news_comment', (SELECT count(*) FROM news_comment)
            - (SELECT coalesce(sum(n), 0) FROM news_count WHERE entity_table = 'news_comment')
    ), put_right AS (
        INSERT INTO news_count (entity_table, n, uses) SELECT entity, off, 64 FROM wrong WHERE off <> 0
        RETURNING entity_table, n
    )
    SELECT coalesce(sum(n) FILTER (WHERE entity_table = 'news_post'), 0),
           coalesce(sum(n) FILTER (WHERE entity_table = 'news_comment'), 0)
    INTO posts, comments FROM put_right;
END
$$;

-- Tracking, as before, and now with the counts. Each event of a CREATED or DELETED row is one.

CREATE OR REPLACE FUNCTION news_track_post() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    rows bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO news_modelevent (entity_table, entity_pk, type)
        SELECT 'news_post', n.id, 'CREATED' FROM new_rows n;
        GET DIAGNOSTICS rows = ROW_COUNT;
        PERFORM news_count_add('news_post', rows);
    ELSIF TG_OP = 'UPDATE' THEN
        -- Transition tables do not pair old and new rows; the id does. An id that is
        -- only in one of them was changed away or to. What differs in nothing is no event.
        -- As text: varchar has no = of its own, and one that a stranger made in our schema would be called.
        INSERT INTO news_modelevent (entity_table, entity_pk, type)
        SELECT 'news_post', coalesce(n.id, o.id),
               CASE WHEN n.id IS NULL THEN 'DELETED' WHEN o.id IS NULL THEN 'CREATED' ELSE 'UPDATED' END
        FROM old_rows o FULL JOIN new_rows n ON n.id = o.id
        WHERE (o.id, o.user_id, o.title::text, o.body::text)
            IS DISTINCT FROM (n.id, n.user_id, n.title::text, n.body::text);
    ELSE
        -- A row that is here again was deleted and inserted by one statement.
        INSERT INTO news_modelevent (entity_table, entity_pk, type)
        SELECT 'news_post', o.id,
               CASE WHEN EXISTS (SELECT FROM news_post p WHERE p.id = o.id) THEN 'UPDATED' ELSE 'DELETED' END
        FROM old_rows o;
        GET DIAGNOSTICS rows = ROW_COUNT;
        PERFORM news_count_add('news_post', -rows);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION news_track_comment() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    rows bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO news_modelevent (entity_table, entity_pk, type, parent_pk)
        SELECT 'news_comment', n.id, 'CREATED', n.post_id FROM new_rows n;
        GET DIAGNOSTICS rows = ROW_COUNT;
        PERFORM news_count_add('news_comment', rows);
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO news_modelevent (entity_table, entity_pk, type, parent_pk)
        SELECT 'news_comment', coalesce(n.id, o.id),
               CASE WHEN n.id IS NULL THEN 'DELETED' WHEN o.id IS NULL THEN 'CREATED' ELSE 'UPDATED' END,
               coalesce(n.post_id, o.post_id)
        FROM old_rows o FULL JOIN new_rows n ON n.id = o.id
        WHERE (o.id, o.post_id, o.name::text, o.email::text, o.body::text)
            IS DISTINCT FROM (n.id, n.post_id, n.name::text, n.email::text, n.body::text);
    ELSE
        INSERT INTO news_modelevent (entity_table, entity_pk, type, parent_pk)
        SELECT 'news_comment', o.id,
               CASE WHEN EXISTS (SELECT FROM news_comment c WHERE c.id = o.id) THEN 'UPDATED' ELSE 'DELETED' END,
               o.post_id
        FROM old_rows o;
        GET DIAGNOSTICS rows = ROW_COUNT;
        PERFORM news_count_add('news_comment', -rows);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION news_track_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    rows bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'TRUNCATE of % is tracked in READ COMMITTED transactions only', TG_TABLE_NAME
            USING ERRCODE = 'feature_not_supported', HINT = 'Use DELETE, or READ COMMITTED.';
    END IF;
    IF TG_TABLE_NAME = 'news_post' THEN
        INSERT INTO news_modelevent (entity_table, entity_pk, type)
        SELECT 'news_post', id, 'DELETED' FROM news_post;
    ELSE
        INSERT INTO news_modelevent (entity_table, entity_pk, type, parent_pk)
        SELECT 'news_comment', id, 'DELETED', post_id FROM news_comment;
    END IF;
    GET DIAGNOSTICS rows = ROW_COUNT;
    PERFORM news_count_add(TG_TABLE_NAME, -rows);
    RETURN NULL;
END
$$;

-- A function that is replaced loses its search path (see V2); news_count_add runs in its callers'.
DO $$
DECLARE
    f text;
BEGIN
    FOREACH f IN ARRAY ARRAY['news_track_post', 'news_track_comment', 'news_track_truncate', 'news_count_repair'] LOOP
        EXECUTE format('ALTER FUNCTION %I() SET search_path = pg_catalog, %I, pg_temp', f, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %I() FROM PUBLIC', f);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION news_count_add(text, bigint) FROM PUBLIC;

SELECT news_count_repair();

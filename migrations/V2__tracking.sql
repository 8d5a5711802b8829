-- Tracking: triggers write the change log in the transaction of the change, whoever
-- makes it. Statement-level with transition tables: a bulk change costs one insert.
-- They fire for cascades, too. Order across objects means nothing; per object, the
-- row lock is taken before the event is written, so ids follow commit order.

-- One function per table: the columns differ, and dynamic SQL would cost a plan per call.

CREATE FUNCTION news_track_post() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO news_modelevent (entity_table, entity_pk, type)
        SELECT 'news_post', n.id, 'CREATED' FROM new_rows n;
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
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION news_track_comment() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO news_modelevent (entity_table, entity_pk, type, parent_pk)
        SELECT 'news_comment', n.id, 'CREATED', n.post_id FROM new_rows n;
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
    END IF;
    RETURN NULL;
END
$$;

-- TRUNCATE has no transition tables, and no snapshot that is newer than the
-- transaction's outside READ COMMITTED: rows committed since would vanish unlogged.
CREATE FUNCTION news_track_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
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
    RETURN NULL;
END
$$;

-- SECURITY DEFINER must not find a caller's tables: the path is fixed, pg_temp last.
DO $$
DECLARE
    f text;
BEGIN
    FOREACH f IN ARRAY ARRAY['news_track_post', 'news_track_comment', 'news_track_truncate'] LOOP
        EXECUTE format('ALTER FUNCTION %I() SET search_path = pg_catalog, %I, pg_temp', f, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %I() FROM PUBLIC', f);
    END LOOP;
END
$$;

CREATE TRIGGER news_track_insert AFTER INSERT ON news_post
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION news_track_post();
CREATE TRIGGER news_track_update AFTER UPDATE ON news_post
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION news_track_post();
CREATE TRIGGER news_track_delete AFTER DELETE ON news_post
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION news_track_post();
CREATE TRIGGER news_track_truncate BEFORE TRUNCATE ON news_post
    FOR EACH STATEMENT EXECUTE FUNCTION news_track_truncate();

CREATE TRIGGER news_track_insert AFTER INSERT ON news_comment
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION news_track_comment();
CREATE TRIGGER news_track_update AFTER UPDATE ON news_comment
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION news_track_comment();
CREATE TRIGGER news_track_delete AFTER DELETE ON news_comment
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION news_track_comment();
CREATE TRIGGER news_track_truncate BEFORE TRUNCATE ON news_comment
    FOR EACH STATEMENT EXECUTE FUNCTION news_track_truncate();

-- ALWAYS: session_replication_role does not switch them off.
ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_insert;
ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_update;
ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_delete;
ALTER TABLE news_post ENABLE ALWAYS TRIGGER news_track_truncate;
ALTER TABLE news_comment ENABLE ALWAYS TRIGGER news_track_insert;
ALTER TABLE news_comment ENABLE ALWAYS TRIGGER news_track_update;
ALTER TABLE news_comment ENABLE ALWAYS TRIGGER news_track_delete;
ALTER TABLE news_comment ENABLE ALWAYS TRIGGER news_track_truncate;

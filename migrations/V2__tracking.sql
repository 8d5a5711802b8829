-- Tracking: triggers write the change log in the transaction of the change, whoever makes it.
--
-- They fire once per statement and read its transition tables, so a bulk change costs one INSERT; they also fire for
-- cascades. The order of events of different objects has no meaning. Per object, the row's lock is taken before the
-- event is written, so ids follow commit order.
--
-- A statement is not proof. Triggers of the owner may change, delete or put back a row before these triggers fire, and
-- one statement (a WITH query, MERGE) may do several things to one id. So each branch logs what exists when it fires:
--
-- | the statement says | the row exists now | the row does not exist now |
-- |--------------------|--------------------|----------------------------|
-- | inserted           | CREATED            | DELETED, doubt             |
-- | updated            | UPDATED            | DELETED, doubt             |
-- | deleted            | UPDATED, doubt     | DELETED                    |
--
-- An UPDATE that changes an id says "deleted" of the old id and "inserted" of the new one. Where the statement and the
-- rows agree, `type` alone tells whether the object was there before; where they contradict each other, it does not:
-- the event is marked with doubt, and the target is asked.
--
-- The row that exists now (r) is looked up by the primary key whatever the statistics say (enable_seqscan = off), since a
-- session keeps its plans: one that was made for an empty table would read the whole table for each row of a bulk load.
-- LIMIT 1 rules out a join that reads the whole table once, which a session would keep for changes of one row.

-- Returns who makes the present change: `api NAME`, a user of the API, where the service has set news.actor for the
-- transaction; else `sql ROLE (APPLICATION)`, the role that the session has taken (SET ROLE) or logged in as. All of this is
-- the client's to say, so it is bounded and has no control characters. Called once a statement, by everybody's triggers: it
-- tells nobody anything new.
CREATE FUNCTION news_actor() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    -- Of a setting that was once set in this session an empty text is left.
    api_user CONSTANT text := current_setting('news.actor', true);
    taken_role CONSTANT text := current_setting('role');
    application CONSTANT text := current_setting('application_name');
    actor CONSTANT text := CASE
        WHEN api_user <> '' THEN 'api ' || left(api_user, 150)
        ELSE 'sql ' || CASE taken_role WHEN 'none' THEN session_user ELSE taken_role END
            || CASE application WHEN '' THEN '' ELSE ' (' || left(application, 63) || ')' END END;
BEGIN
    RETURN CASE WHEN actor ~ '[[:cntrl:]]' THEN regexp_replace(actor, '[[:cntrl:]]', ' ', 'g') ELSE actor END;
END
$$;

-- One function per table: the columns differ, and dynamic SQL would be planned at each call.

CREATE FUNCTION news_track_post() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    who CONSTANT text := left(news_actor(), 200);
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO news_modelevent (entity_table, entity_pk, type, actor, doubt)
        SELECT 'news_post', n.id, CASE WHEN r.id IS NULL THEN 'DELETED' ELSE 'CREATED' END, who,
               CASE WHEN r.id IS NULL THEN true END
        FROM new_rows n
        LEFT JOIN LATERAL (SELECT p.id FROM news_post p WHERE p.id = n.id LIMIT 1) r ON true;
    ELSIF TG_OP = 'UPDATE' THEN
        -- Transition tables do not pair old and new rows; the id does. An id in one of them only was changed to another
        -- one, or from another one. An UPDATE that changes nothing logs nothing.
        -- Texts are compared bytewise: a nondeterministic collation calls different texts equal. They are cast to text,
        -- since varchar has no = of its own, and one that somebody else created in this schema would be called.
        INSERT INTO news_modelevent (entity_table, entity_pk, type, actor, doubt)
        SELECT 'news_post', s.id,
               CASE WHEN r.id IS NULL THEN 'DELETED' WHEN s.is_old THEN 'UPDATED' ELSE 'CREATED' END, who,
               CASE WHEN (r.id IS NOT NULL) <> s.is_new THEN true END
        FROM (SELECT coalesce(n.id, o.id) AS id, o.id IS NOT NULL AS is_old, n.id IS NOT NULL AS is_new
              FROM old_rows o FULL JOIN new_rows n ON n.id = o.id
              WHERE (o.id, o.user_id, o.title::text COLLATE "C", o.body::text COLLATE "C")
                  IS DISTINCT FROM (n.id, n.user_id, n.title::text COLLATE "C", n.body::text COLLATE "C")) s
        LEFT JOIN LATERAL (SELECT p.id FROM news_post p WHERE p.id = s.id LIMIT 1) r ON true;
    ELSE
        INSERT INTO news_modelevent (entity_table, entity_pk, type, actor, doubt)
        SELECT 'news_post', o.id, CASE WHEN r.id IS NULL THEN 'DELETED' ELSE 'UPDATED' END, who,
               CASE WHEN r.id IS NOT NULL THEN true END
        FROM old_rows o
        LEFT JOIN LATERAL (SELECT p.id FROM news_post p WHERE p.id = o.id LIMIT 1) r ON true;
    END IF;
    RETURN NULL;
END
$$;

-- The same for comments. `parent_pk` is the post that the comment belongs to now, which a trigger of the owner may have
-- changed since the statement; of a comment that does not exist any more it is the last one that the statement saw.
-- `former_pk` is the one before the statement, if that is another one.

CREATE FUNCTION news_track_comment() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    who CONSTANT text := left(news_actor(), 200);
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO news_modelevent (entity_table, entity_pk, type, actor, doubt, parent_pk)
        SELECT 'news_comment', n.id, CASE WHEN r.id IS NULL THEN 'DELETED' ELSE 'CREATED' END, who,
               CASE WHEN r.id IS NULL THEN true END, CASE WHEN r.id IS NULL THEN n.post_id ELSE r.post_id END
        FROM new_rows n
        LEFT JOIN LATERAL (SELECT c.id, c.post_id FROM news_comment c WHERE c.id = n.id LIMIT 1) r ON true;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO news_modelevent (entity_table, entity_pk, type, actor, doubt, parent_pk, former_pk)
        SELECT 'news_comment', s.id,
               CASE WHEN r.id IS NULL THEN 'DELETED' WHEN s.is_old THEN 'UPDATED' ELSE 'CREATED' END, who,
               CASE WHEN (r.id IS NOT NULL) <> s.is_new THEN true END,
               CASE WHEN r.id IS NULL THEN s.post_id ELSE r.post_id END,
               nullif(s.old_post_id, CASE WHEN r.id IS NULL THEN s.post_id ELSE r.post_id END)
        FROM (SELECT coalesce(n.id, o.id) AS id, o.id IS NOT NULL AS is_old, n.id IS NOT NULL AS is_new,
                     coalesce(n.post_id, o.post_id) AS post_id, o.post_id AS old_post_id
              FROM old_rows o FULL JOIN new_rows n ON n.id = o.id
              WHERE (o.id, o.post_id, o.name::text COLLATE "C", o.email::text COLLATE "C", o.body::text COLLATE "C")
                  IS DISTINCT FROM
                    (n.id, n.post_id, n.name::text COLLATE "C", n.email::text COLLATE "C", n.body::text COLLATE "C")) s
        LEFT JOIN LATERAL (SELECT c.id, c.post_id FROM news_comment c WHERE c.id = s.id LIMIT 1) r ON true;
    ELSE
        INSERT INTO news_modelevent (entity_table, entity_pk, type, actor, doubt, parent_pk, former_pk)
        SELECT 'news_comment', o.id, CASE WHEN r.id IS NULL THEN 'DELETED' ELSE 'UPDATED' END, who,
               CASE WHEN r.id IS NOT NULL THEN true END, CASE WHEN r.id IS NULL THEN o.post_id ELSE r.post_id END,
               CASE WHEN r.id IS NOT NULL THEN nullif(o.post_id, r.post_id) END
        FROM old_rows o
        LEFT JOIN LATERAL (SELECT c.id, c.post_id FROM news_comment c WHERE c.id = o.id LIMIT 1) r ON true;
    END IF;
    RETURN NULL;
END
$$;

-- TRUNCATE has no transition tables. Outside READ COMMITTED it also removes rows that the transaction's snapshot does
-- not show: those would disappear without an event.
CREATE FUNCTION news_track_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    who CONSTANT text := left(news_actor(), 200);
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'TRUNCATE of % is tracked in READ COMMITTED transactions only', TG_TABLE_NAME
            USING ERRCODE = 'feature_not_supported', HINT = 'Use DELETE, or READ COMMITTED.';
    END IF;
    IF TG_TABLE_NAME = 'news_post' THEN
        INSERT INTO news_modelevent (entity_table, entity_pk, type, actor)
        SELECT 'news_post', id, 'DELETED', who FROM news_post;
    ELSE
        INSERT INTO news_modelevent (entity_table, entity_pk, type, actor, parent_pk)
        SELECT 'news_comment', id, 'DELETED', who, post_id FROM news_comment;
    END IF;
    RETURN NULL;
END
$$;

-- The functions run as their owner. So they must not find tables of the caller: the path is fixed, pg_temp is last. And
-- they must see each row: with row_security = off a policy that would hide rows from them raises an error instead.
DO $$
DECLARE
    f text;
BEGIN
    FOREACH f IN ARRAY ARRAY['news_track_post', 'news_track_comment', 'news_track_truncate'] LOOP
        EXECUTE format('ALTER FUNCTION %I() SET search_path = pg_catalog, %I, pg_temp', f, current_schema());
        EXECUTE format('ALTER FUNCTION %I() SET row_security = off', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %I() FROM PUBLIC', f);
    END LOOP;
END
$$;
ALTER FUNCTION news_track_post() SET enable_seqscan = off;
ALTER FUNCTION news_track_comment() SET enable_seqscan = off;

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

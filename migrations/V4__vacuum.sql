-- The log only grows, and each of its rows is changed once, when it is synced: by the
-- defaults (a fifth of the table) a log of ten million events would be vacuumed after two
-- million. Until then their entries in the partial index are dead weight for each look at what is pending.
ALTER TABLE news_modelevent SET (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_analyze_scale_factor = 0.02
);

-- A row here lives as long as a conversation: a second, mostly.
ALTER TABLE news_sync_object SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000);

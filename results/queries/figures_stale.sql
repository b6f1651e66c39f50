-- One row while the stored answers of the public views are out of date, none while they hold. Whatever writes samples takes the row
-- of stored_figures away in its own transaction; the key notices rows of another program too.
CREATE VIEW figures_stale AS
SELECT 1 AS is_stale
 WHERE NOT EXISTS (SELECT 1 FROM stored_figures WHERE facts_key = (SELECT facts_key FROM figures_key));

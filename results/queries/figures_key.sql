-- Numbers of the last run, point, input and sample: what the stored answers of the public views (table stored_figures) belong to.
CREATE VIEW figures_key AS
SELECT (SELECT coalesce(max(id), 0) FROM run) || ' ' || (SELECT coalesce(max(id), 0) FROM point) || ' '
           || (SELECT coalesce(max(id), 0) FROM input) || ' ' || (SELECT coalesce(max(id), 0) FROM sample) AS facts_key;

-- The pairs that the loss of each group of points beside dense is made of, with a key of their rows. n_based of n_parts have dense
-- scores.
CREATE VIEW mean_pair_key AS
WITH keyed AS (
    SELECT group_id, count(*) OVER w AS n_parts, count(base_id) OVER w AS n_based, first_value(base_id) OVER w AS base_id,
           group_concat(point_id || '=' || rows_key, ' ') OVER w AS rows_key, row_number() OVER w AS place
      FROM pair_key
    WINDOW w AS (PARTITION BY group_id ORDER BY point_id, metric ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING))
SELECT group_id, n_parts, n_based, base_id, rows_key FROM keyed WHERE place = 1;

-- A key of the rows that a stored interval comes from: their number and two exact integer sums over (input, value). Beside it what
-- accuracy and its means need of the same rows (mean, sum k, failed ones), so that they are read once.
-- An interval whose rows_key differs from this one is stale. Values are taken in steps of 2^-40.
CREATE VIEW interval_key AS
WITH quantised AS (
    SELECT point_id, metric, is_binary, input_id, status, value, CAST(round(value * 1099511627776.0) AS INTEGER) AS q
      FROM latest_score)
SELECT point_id, metric, min(is_binary) AS is_binary, count(*) AS n,
       count(*) || ':' || sum(q) || ':'
           || sum(((q + 1) % 2147483647 * (input_id % 1048573 + 7) + input_id % 2097143 * 1000003) % 2147483647) AS rows_key,
       sum(status = 'failed') AS n_failed, avg(value) AS score, sum(value) AS k
  FROM quantised
 GROUP BY point_id, metric;

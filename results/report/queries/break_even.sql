-- The shortest length from which a method is faster than dense, linear between neighbouring lengths.
, told AS (
    SELECT 'attention' AS part, attention_x AS x, speed.* FROM speed WHERE attention_x IS NOT NULL AND NOT is_dense
    UNION ALL
    SELECT 'prefill', prefill_x, speed.* FROM speed WHERE prefill_x IS NOT NULL AND NOT is_dense),
step AS (
    SELECT told.*, lag(x) OVER w AS x0, lag(length) OVER w AS l0, lead(length) OVER w IS NULL AS is_last
      FROM told
    WINDOW w AS (PARTITION BY part, model, input, ranks, cell, decode, backend, dtype, seed, method, sharding ORDER BY length)),
found AS (
    SELECT part, model, input, ranks, cell, decode, backend, dtype, seed, method, sharding, count(*) AS n_lengths,
           min(length) AS shortest, max(length) AS longest, min(x) AS least, max(x) AS most,
           max(x) FILTER (WHERE is_last) AS at_longest, total((x0 < 1) <> (x < 1)) AS n_crossings,
           min(l0 + (1 - x0) / (x - x0) * (length - l0)) FILTER (WHERE x0 < 1 AND x >= 1) AS break_even,
           min(l0) FILTER (WHERE x0 < 1 AND x >= 1) AS slower_at, min(length) FILTER (WHERE x0 < 1 AND x >= 1) AS faster_at
      FROM step
     GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
SELECT part, model, input, ranks, cell, decode, backend, dtype, seed, method, sharding, CAST(round(break_even) AS INTEGER) AS break_even,
       CASE WHEN least >= 1 THEN 'faster at every length measured'
            WHEN most < 1 THEN 'slower at every length measured'
            WHEN break_even IS NULL THEN 'faster at short lengths only'
            WHEN n_crossings > 1 THEN 'crosses more than once; the first is given'
            ELSE 'faster from there on' END AS verdict,
       slower_at, faster_at, n_lengths, shortest, longest, at_longest
  FROM found
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, instr(method, 'dense' || char(31)) <> 1, 10, 11;

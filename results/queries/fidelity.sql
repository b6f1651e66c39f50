-- What the selection of every point keeps and loses, and what it costs in FLOP [quality_metrics B]. Summary rows of layers: a
-- sample's figure is the mean over its layers, a point's the mean over its samples (recall_se: standard error between samples,
-- NULL with one). Samples where the method fell back to dense are left out; n_fallback counts them.
--   density: [REAL, 0..1] query-key pairs attended / visible
--   tile_density: [REAL, 0..1] lanes issued by 64 x 64 tiles / those of dense
--   block_density: [REAL, 0..1] the same in blocks of 128
--   recall: [REAL, 0..1] attention mass kept, mean over layers and samples
--   recall_se: [REAL] standard error between samples; NULL with one
--   recall_tail: [REAL, 0..1] of the last 128 rows
--   recall_min: [REAL, 0..1] lowest head of all layers and samples
--   oracle_gap: [REAL, 0..1] mass of the likeliest keys, as many as kept, minus recall
--   rel_l2: [REAL] relative L2 error of the attention output
--   floor: [REAL] the same of our own dense kernel
--   at_floor: [INTEGER] 1: rel_l2 < 2 floor: no error
--   rel_l1: [REAL] relative L1 error
--   rel_l2_p99: [REAL] 99th percentile of rows, worst layer and sample
--   cos_row: [REAL] mean cosine of output rows
--   needle_block_recall: [REAL, 0..1] share of (question row, needle key) pairs in the selection
--   needle_mass_recall: [REAL, 0..1] dense attention mass on needle keys that is kept
--   flop_ratio: [REAL, method / dense] FLOP, estimate included
--   ideal_speedup: [REAL] 1 / flop_ratio
--   estimate_ratio: [REAL, method / dense] FLOP of the estimate alone
--   n_overflow: [INTEGER] layers with a row that keeps more than all: a bug
--   n_unreliable: [INTEGER] layers whose rel_l2 hangs on one sampled row
--   def_version: [INTEGER] of the definitions; NULL: mixed
CREATE VIEW fidelity AS
WITH asked AS MATERIALIZED (
    SELECT sample_id, point_id, fallback
      FROM latest_sample
     WHERE is_anchor = 0 AND status = 'ok'),
of_sample AS (
    SELECT a.point_id, a.sample_id, count(*) AS n_layers, sum(q.rho_num) AS rho_num, sum(q.rho_den) AS rho_den,
           sum(q.tile_lanes) AS tile_lanes, sum(q.tile_lanes_dense) AS tile_lanes_dense,
           sum(q.blocks_exec) AS blocks_exec, sum(q.blocks_dense) AS blocks_dense,
           sum(q.f_exec + q.f_est) AS f_run, sum(q.f_est) AS f_est, sum(q.f_dense) AS f_dense,
           avg(q.recall_mean) AS recall, avg(q.recall_tail) AS recall_tail, min(q.recall_min) AS recall_min,
           avg(q.oracle_gap) AS oracle_gap, avg(q.rel_l2) AS rel_l2, avg(q.rel_l1) AS rel_l1, max(q.rel_l2_p99) AS rel_l2_p99,
           avg(q.cos_row) AS cos_row, avg(q.floor) AS floor, avg(q.needle_block_recall) AS needle_block_recall,
           sum(q.needle_mass) AS needle_mass, sum(q.needle_mass_kept) AS needle_mass_kept,
           total(q.recall_overflow) AS n_overflow, total(q.rel_l2_unreliable) AS n_unreliable,
           min(q.def_version) AS def_version_min, max(q.def_version) AS def_version_max
      FROM asked AS a
      JOIN quality AS q ON q.sample_id = a.sample_id
     WHERE a.fallback = 0 AND q.head_key = -1
     GROUP BY a.sample_id),
of_point AS (
    SELECT point_id, count(*) AS n, CAST(sum(rho_num) AS REAL) / sum(rho_den) AS density,
           CAST(sum(tile_lanes) AS REAL) / sum(tile_lanes_dense) AS tile_density,
           sum(blocks_exec) / sum(blocks_dense) AS block_density,
           CAST(sum(f_run) AS REAL) / sum(f_dense) AS flop_ratio, CAST(sum(f_est) AS REAL) / sum(f_dense) AS estimate_ratio,
           avg(recall) AS recall, count(recall) AS n_recall, sum(recall * recall) AS recall2, avg(recall_tail) AS recall_tail,
           min(recall_min) AS recall_min, avg(oracle_gap) AS oracle_gap, avg(rel_l2) AS rel_l2, avg(rel_l1) AS rel_l1,
           max(rel_l2_p99) AS rel_l2_p99, avg(cos_row) AS cos_row, avg(floor) AS floor,
           avg(needle_block_recall) AS needle_block_recall, sum(needle_mass_kept) / nullif(sum(needle_mass), 0) AS needle_mass_recall,
           CAST(sum(n_overflow) AS INTEGER) AS n_overflow, CAST(sum(n_unreliable) AS INTEGER) AS n_unreliable,
           CASE WHEN min(def_version_min) = max(def_version_max) THEN min(def_version_min) END AS def_version
      FROM of_sample
     GROUP BY point_id),
spread AS ( -- variance of the mean; the sum of squares may lose its digits to rounding
    SELECT o.*, CASE WHEN n_recall > 1
                     THEN max(0.0, recall2 - n_recall * recall * recall) / (n_recall - 1) / n_recall END AS v
      FROM of_point AS o),
rooted AS ( -- Newton's iteration: stock builds of SQLite may lack sqrt()
    SELECT s.*, CASE WHEN v > 0 THEN
               (WITH RECURSIVE root(i, x) AS (
                    SELECT 0, 1.0
                    UNION ALL
                    SELECT i + 1, (x + s.v / x) / 2 FROM root WHERE i < 64)
                SELECT x FROM root WHERE i = 64) ELSE v END AS recall_se
      FROM spread AS s),
cell AS (
    SELECT point_id, count(*) AS n_samples, sum(fallback) AS n_fallback FROM asked GROUP BY point_id)
SELECT p.method, p.method_json AS params, p.model, p.task, p.length_tokens AS length, p.ranks, p.scheme AS sharding, p.backend,
       r.density, r.tile_density, r.block_density, r.recall, r.recall_se, r.recall_tail, r.recall_min, r.oracle_gap,
       r.rel_l2, r.floor, r.rel_l2 < 2 * r.floor AS at_floor, r.rel_l1, r.rel_l2_p99, r.cos_row,
       r.needle_block_recall, r.needle_mass_recall, r.flop_ratio, 1 / nullif(r.flop_ratio, 0) AS ideal_speedup, r.estimate_ratio,
       r.n_overflow, r.n_unreliable, c.n_samples, c.n_fallback, r.def_version,
       p.suite, p.decode, p.layout, p.dtype, CASE WHEN p.seed >= 0 THEN p.seed ELSE printf('%u', p.seed) END AS seed,
       p.model_json AS model_params, p.task_json AS task_params, p.experiment, p.id AS point_id, p.hash AS point_hash
  FROM cell AS c
  JOIN point AS p ON p.id = c.point_id
  LEFT JOIN rooted AS r ON r.point_id = c.point_id;

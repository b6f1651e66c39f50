-- What was taken out of the run's database before it was kept: samples of the tasks that its time limit stopped, and of four methods (for the
-- page's size). Then `spanbench db migrate cpu.db` computes the intervals anew, `spanbench db anonymize cpu.db` takes out names and paths.
--   sqlite3 cpu.db <results/sample/cut.sql
BEGIN;
CREATE TEMP TABLE gone AS SELECT id FROM point WHERE task <> 'niah_single' OR method IN ('a_shape', 'minference', 'flexprefill', 'xattention');
CREATE TEMP TABLE lost AS SELECT id FROM sample WHERE point_id IN gone;
DELETE FROM score WHERE sample_id IN lost;
DELETE FROM hit WHERE sample_id IN lost;
DELETE FROM timing WHERE sample_id IN lost;
DELETE FROM quality WHERE sample_id IN lost;
DELETE FROM needle WHERE sample_id IN lost;
DELETE FROM comm WHERE sample_id IN lost;
DELETE FROM memory WHERE sample_id IN lost;
DELETE FROM device_state WHERE sample_id IN lost;
DELETE FROM sample WHERE id IN lost;
DELETE FROM interval;
DELETE FROM mean_interval;
DELETE FROM comparison;
DELETE FROM point WHERE id IN gone;
DELETE FROM reference WHERE input_id NOT IN (SELECT input_id FROM sample);
DELETE FROM span WHERE input_id NOT IN (SELECT input_id FROM sample);
DELETE FROM input WHERE id NOT IN (SELECT input_id FROM sample);
DELETE FROM dataset WHERE id NOT IN (SELECT dataset_id FROM input);
COMMIT;
VACUUM;

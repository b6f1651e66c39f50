-- Every launch, oldest first, with the number of samples that count today.
SELECT r.started_utc AS started, r.finished_utc AS finished, r.status, r.sweep_name AS sweep, r.version, r.commit_id AS "commit",
       r.backend, coalesce(nullif(r.device, ''), r.cpu) AS device, r.hosts_json AS hosts, r.ranks, r.threads, r.cores, r.comm,
       r.oversubscribed, (SELECT count(*) FROM sample AS s WHERE s.run_id = r.id) AS n_samples,
       (SELECT count(*) FROM latest_sample AS l WHERE l.run_id = r.id) AS n_counting, r.command, r.config_sha256, r.mpi_version,
       r.build_json AS build, r.env_json AS environment, r.uuid
  FROM run AS r
 ORDER BY r.started_utc, r.uuid;

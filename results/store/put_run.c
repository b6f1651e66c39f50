/* Facts of one launch. */
#include <string.h>

#include "results/store/internal.h"

sb_status sb_store_begin_run(sb_store *s, const sb_run_facts *f, int64_t *run_id)
{
    char      uuid[37], now[32];
    sb_status st = sbi_need_writer(s, "begin run");
    if (st != SB_OK || (st = sbi_uuid(uuid)) != SB_OK)
        return st;
    if ((st = sbi_need_json("run.build_json", f->build_json)) != SB_OK ||
        (st = sbi_need_json("run.hosts_json", f->hosts_json)) != SB_OK ||
        (st = sbi_need_json("run.env_json", f->env_json)) != SB_OK)
        return st;
    sbi_utc_now(now);
    const sbi_value v[] = {
        sbi_text(uuid),
        sbi_text(now),
        sbi_text(sbi_or_empty(f->commit_id)),
        sbi_text(sbi_or_empty(f->version)),
        sbi_text(f->build_json),
        sbi_text(sbi_or_empty(f->sweep_name)),
        sbi_text(sbi_or_empty(f->config_text)),
        sbi_text(sbi_or_empty(f->config_sha256)),
        sbi_text(sbi_or_empty(f->command)),
        sbi_text(f->hosts_json),
        sbi_text(sbi_or_empty(f->cpu)),
        sbi_text(sbi_or_empty(f->device)),
        sbi_text(sbi_or_empty(f->backend)),
        sbi_text(sbi_or_empty(f->comm)),
        sbi_text(sbi_or_empty(f->mpi_version)),
        sbi_text(f->env_json),
        sbi_int(f->ranks),
        sbi_int(f->threads),
        sbi_int(f->cores),
        sbi_int(f->oversubscribed != 0),
    };
    if ((st = sbi_run(s, SBI_RUN_INSERT, v, SBI_COUNT(v))) != SB_OK)
        return sb_wrap(st, "run");
    *run_id = sqlite3_last_insert_rowid(s->db);
    return SB_OK;
}

sb_status sb_store_put_ceiling(sb_store *s, int64_t run_id, const sb_ceiling_facts *f)
{
    sb_status st = sbi_need_writer(s, "ceiling");
    if (st != SB_OK)
        return st;
    const sbi_value v[] = {sbi_int(run_id), sbi_text(f->kind), sbi_text(sbi_or_empty(f->dtype)),
                           f->flops_per_s != 0 ? sbi_real(f->flops_per_s) : sbi_null(),
                           f->bytes_per_s != 0 ? sbi_real(f->bytes_per_s) : sbi_null()};
    st = sbi_run(s, SBI_CEILING_INSERT, v, SBI_COUNT(v));
    return st == SB_OK ? st
                       : sb_wrap(st, "ceiling %s %s of run %lld", sbi_or_empty(f->kind),
                                 sbi_or_empty(f->dtype), (long long)run_id);
}

sb_status sb_store_end_run(sb_store *s, int64_t run_id, const char *status)
{
    char      now[32];
    sb_status st = sbi_need_writer(s, "end run");
    if (st != SB_OK)
        return st;
    if (status == NULL || strcmp(status, "running") == 0)
        return sb_fail(SB_ERR_INTERNAL,
                       "end run: found status %s, allowed finished, stopped, failed",
                       status == NULL ? "none" : status);
    sbi_utc_now(now);
    const sbi_value v[] = {sbi_int(run_id), sbi_text(status), sbi_text(now)};
    if ((st = sbi_run(s, SBI_RUN_END, v, SBI_COUNT(v))) != SB_OK)
        return sb_wrap(st, "run %lld", (long long)run_id);
    if (sqlite3_changes(s->db) != 1)
        return sb_fail(SB_ERR_INTERNAL, "%s: end run: no run %lld", s->path, (long long)run_id);
    return SB_OK;
}

/* The points of a sweep and what they would need: the answer of --dry-run. */
#include "harness/run/attention.h"
#include "harness/run/passes.h"
#include "harness/run/run.h"
#include "harness/run/sample.h"
#include "harness/run/source.h"

/* The largest rank's memory as text, "0.512", or with a device's "0.512 + 3.100". */
static sb_status room_text(const sb_run_options *o, const sb_forward_room *room, char *out,
                           size_t out_bytes)
{
    int64_t   max[2] = {(int64_t)room->host_bytes, (int64_t)room->device_bytes};
    sb_status st     = sb_comm_allreduce_i64(o->comm, max, 2, SB_REDUCE_MAX);
    int       n      = snprintf(out, out_bytes, "%.3f", (double)max[0] / 0x1p30);
    if (max[1] > 0)
        (void)snprintf(out + n, out_bytes - (size_t)n, " + %.3f", (double)max[1] / 0x1p30);
    return st;
}

static sb_status list_point(sb_source *source, const sb_run_options *o, const sb_point *p,
                            int64_t number, FILE *out)
{
    sb_input        in    = {0};
    sb_bench        bench = {.comm = o->comm, .threads = o->threads, .backend = sbi_backend_of(p)};
    sb_forward_room room  = {0};
    char            gib[64], label[256];
    sb_status       bs, st = sb_source_input(source, p, o->row >= 0 ? o->row : 0, &in);
    if (st != SB_OK)
        return st;
    if (in.sha256[0] == '\0')
        return sb_fail(SB_ERR_USAGE, "point %lld, --row %lld: there are %lld rows",
                       (long long)number, (long long)o->row, (long long)source->questions.n_rows);
    bench.model = source->model;
    if (bench.backend == NULL)
        bs = sb_fail(SB_ERR_UNSUPPORTED, SBI_NO_CUDA);
    else
        bs = sb_point_asks(p) ? sb_sample_bytes(&bench, p, &in, &room)
                              : sb_attention_bytes(&bench, p, source->operands, &room);
    if (bs == SB_OK)
        bs = sbi_check_room(&bench, room.host_bytes);
    st = room_text(o, &room, gib, sizeof gib);
    if (bs != SB_OK)
        (void)snprintf(gib, sizeof gib, "%s", sb_status_name(bs));
    if (st == SB_OK && o->comm->rank == 0 && (st = sb_point_label(p, label, sizeof label)) == SB_OK)
        (void)fprintf(out, "%-5lld %-12.12s %-16s %9lld %5lld %15s  %s%s%s\n", (long long)number,
                      p->hash, p->task_name, (long long)p->length_tokens, (long long)p->samples,
                      gib, label, bs == SB_OK ? "" : ": ", bs == SB_OK ? "" : sb_error_text());
    sb_input_fini(&in);
    return sb_comm_agree(o->comm, st);
}

sb_status sb_run_list(sb_sweep *s, const sb_run_options *o, FILE *out)
{
    sb_source source = {.comm = o->comm, .threads = o->threads};
    sb_status st     = SB_OK;
    if (o->comm->rank == 0)
        (void)fprintf(out, "%-5s %-12s %-16s %9s %5s %15s  %s\n", "point", "hash", "task", "length",
                      "rows", "GiB a rank", "method");
    for (int64_t i = o->first; st == SB_OK && i <= o->last; i++)
        st = list_point(&source, o, &s->points[i], i, out);
    sb_source_fini(&source);
    return st;
}

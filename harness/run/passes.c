#include "harness/run/passes.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/run/memory.h"
#include "harness/shard/bind.h"

void sb_block_fini(sb_block *b)
{
    if (b->base != NULL)
        sb_backend_cpu.free(b->base);
    *b = (sb_block){0};
}

void sb_result_fini(sb_result *r)
{
    free(r->own.timings);
    free(r->own.quality);
    free(r->own.needles);
    free(r->own.balance);
    free(r->own.anchors);
    free(r->own.hits);
    free(r->own.prediction);
    free(r->own.error);
    free(r->own.graph_reason);
    *r = (sb_result){0};
}

sb_status sb_result_unrun(const char *status, const char *reason, sb_result *out)
{
    *out           = (sb_result){0};
    out->own.error = strdup(reason);
    if (out->own.error == NULL)
        return sb_fail(SB_ERR_NOMEM, "sample: no memory for its reason");
    out->facts.status = status;
    out->facts.error  = out->own.error;
    return SB_OK;
}

int sbi_may_link(const sb_point *p)
{
    return p->heads_at_once > 0 || p->backend != SB_CPU || p->scheme != SB_SCHEME_ALLGATHER;
}

int sbi_is_anchored(const sb_point *p)
{
    return p->anchor != NULL && (p->ranks == 1 || ((p->method->caps & SB_CAP_STATE) == 0 &&
                                                   p->layout == sb_layout_of_dense(p->scheme)));
}

sb_scheme_use sbi_sharding(const sb_bench *b, const sb_point *p, int64_t heads, int64_t kv_heads)
{
    int32_t       asked = p->team > 0 ? p->team : (int32_t)p->heads_at_once;
    sb_scheme_use use   = sb_scheme_used(p->scheme, asked, b->comm->size,
                                       b->host_ranks > 0 ? b->host_ranks : 1, heads, kv_heads);
    return p->backend == SB_CPU ? use
                                : sb_scheme_on_device(use, p->method, b->comm->size, kv_heads);
}

sb_status sbi_check_sharding(const sb_bench *b, const sb_point *p, sb_shape *shape)
{
    int64_t       heads = shape->heads, kv = shape->kv_heads;
    sb_scheme_use use = sbi_sharding(b, p, heads, kv);
    sb_status     st  = sb_scheme_check(p->scheme, use, p->method, b->comm->size, heads, kv);
    if (st == SB_OK && b->backend != NULL)
        st = sb_scheme_check_device(use, p->method, b->backend, b->comm->size, kv);
    if (st != SB_OK || use.team < 2)
        return st;
    shape->model_heads    = heads;
    shape->model_kv_heads = kv;
    shape->heads          = heads / use.team;
    shape->kv_heads       = use.team < kv ? kv / use.team : 1;
    shape->first_head     = b->comm->rank % use.team * shape->heads;
    return SB_OK;
}

const sb_backend *sbi_backend_of(const sb_point *p)
{
    static const sb_backend *const all[SB_BACKEND_COUNT] = {&sb_backend_cpu,
                                                            SB_IF_CUDA(&sb_backend_cuda)};
    return all[p->backend];
}

sb_status sbi_check_room(const sb_bench *b, size_t bytes)
{
    int64_t available = sb_memory_available_bytes() + (int64_t)b->block.bytes * b->comm->local_size;
    int64_t wanted    = (int64_t)bytes * b->comm->local_size;
    int64_t shared    = 0; /* on a device weights are read once, and stay there */
    if (b->model != NULL && b->model->ops->shared_bytes != NULL &&
        (b->backend == NULL || b->backend->id == SB_CPU))
        shared = b->model->ops->shared_bytes(b->model);
    char    files[64] = "";
    if (wanted + shared <= available)
        return SB_OK;
    if (shared > 0)
        (void)snprintf(files, sizeof files, " beside %.2f GiB of the model's files",
                       (double)shared / 0x1p30);
    return sb_fail(SB_ERR_NO_FIT,
                   "needs %.2f GiB a rank, %.2f GiB for the %d ranks of this host%s; %.2f GiB are "
                   "available",
                   (double)bytes / 0x1p30, (double)wanted / 0x1p30, b->comm->local_size, files,
                   (double)available / 0x1p30);
}

sb_status sbi_reserve(sb_bench *b, size_t bytes)
{
    if (b->block.bytes >= bytes)
        return SB_OK;
    sb_status st = sbi_check_room(b, bytes);
    if (st != SB_OK)
        return st;
    sb_block_fini(&b->block);
    st = sb_backend_cpu.alloc(bytes, &b->block.base);
    if (st == SB_OK)
        b->block.bytes = bytes;
    return st;
}

/* ---- facts ---- */

sb_status sbi_timings_room(sb_result *out, int64_t n)
{
    out->own.timings = calloc((size_t)(n + 1), sizeof *out->own.timings);
    return out->own.timings != NULL
               ? SB_OK
               : sb_fail(SB_ERR_NOMEM, "sample: no memory for %lld timings", (long long)n);
}

void sbi_timing_add(sb_result *out, sb_phase phase, int64_t repetition, int64_t is_warmup,
                    int64_t ns)
{
    out->own.timings[out->facts.n_timings++] = (sb_timing_facts){.layer      = -1,
                                                                 .phase      = sb_phase_name(phase),
                                                                 .repetition = (int32_t)repetition,
                                                                 .is_warmup  = (int32_t)is_warmup,
                                                                 .ns         = ns};
}

sb_status sbi_take_comm(sb_bench *b, const char *phase, int64_t exposed_ns, sb_comm_facts *out)
{
    int64_t x[4] = {b->comm->stats.received_bytes, b->comm->stats.sent_bytes, b->comm->stats.calls,
                    exposed_ns};
    sb_status st = sb_comm_allreduce_i64(b->comm, x, 4, SB_REDUCE_MAX);
    *out         = (sb_comm_facts){.phase          = phase,
                                   .received_bytes = x[0],
                                   .sent_bytes     = x[1],
                                   .calls          = x[2],
                                   .exposed_ns     = x[3]};
    b->comm->stats = (sb_comm_stats){0};
    return st;
}

static int by_ns(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int sbi_looks_first(const sb_point *p)
{
    return p->quality != SB_QUALITY_NONE || p->repetitions == 0;
}

int64_t sbi_passes(const sb_point *p) { return sbi_looks_first(p) + p->warmup + p->repetitions; }

double sbi_median_ms(int64_t *ns, int64_t n)
{
    if (n == 0)
        return NAN;
    qsort(ns, (size_t)n, sizeof *ns, by_ns);
    return ((double)ns[(n - 1) / 2] + (double)ns[n / 2]) / 2e6;
}

sb_status sbi_memory_facts(sb_bench *b, const sbi_memory *m, sb_result *out)
{
    enum { N = 5, ALWAYS = 3 };
    static const char *const kinds[N] = {"predicted", "arena_high_water", "rss_high_water",
                                         "device_high_water", "device_predicted"};
    int64_t                  bytes[N] = {(int64_t)m->predicted, (int64_t)m->arena_high_water,
                                         sb_memory_high_water_bytes(), (int64_t)m->device,
                                         (int64_t)m->device_predicted};
    sb_status                st       = sb_comm_allreduce_i64(b->comm, bytes, N, SB_REDUCE_MAX);
    int64_t                  n        = 0;
    for (int i = 0; i < N; i++)
        if (i < ALWAYS || bytes[i] > 0)
            out->own.memory[n++] = (sb_memory_facts){kinds[i], bytes[i]};
    out->facts.n_memory = n;
    return st;
}

void sbi_state_add(const sb_bench *b, const char *place, sb_result *out)
{
    sb_device_state d;
    if (b->backend->state == NULL || b->backend->state(&d) != SB_OK)
        return; /* columns of a row that says nothing: doctor has the reason */
    out->own.states[out->facts.n_states++] =
        (sb_state_facts){.place            = place,
                         .sm_clock_mhz     = d.sm_clock_mhz,
                         .memory_clock_mhz = d.memory_clock_mhz,
                         .temperature_c    = d.temperature_c,
                         .ecc              = d.ecc,
                         .mig              = d.mig,
                         .other_processes  = sb_device_strangers(b->comm, d.other_processes),
                         .power_mw         = d.power_mw,
                         .throttle_reasons = d.throttle_reasons};
}

void sbi_quality_facts(sb_quality *q, sb_result *out)
{
    (void)snprintf(out->own.digest, sizeof out->own.digest, "%016" PRIx64, q->digest);
    out->own.quality     = q->facts;
    out->own.needles     = q->needles;
    q->facts             = NULL;
    q->needles           = NULL;
    out->own.balance     = q->balance;
    q->balance           = NULL;
    out->facts.n_balance = q->n_balance;
    out->facts.n_quality = q->n_facts;
    out->facts.n_needles = q->n_needles;
    out->facts.fallback  = q->fallback;
    out->has_index       = q->has_index;
}

void sbi_own_facts(sb_status st, sb_result *out)
{
    if (st != SB_OK || strcmp(out->facts.status, "ok") != 0)
        return;
    out->facts.plan_digest = out->has_index ? out->own.digest : NULL;
    out->facts.timings     = out->own.timings;
    out->facts.quality     = out->own.quality;
    out->facts.needles     = out->own.needles;
    out->facts.balance     = out->own.balance;
    out->facts.comm        = out->own.comm;
    out->facts.memory      = out->own.memory;
    out->facts.states      = out->own.states;
    out->facts.energy      = out->own.energy;
    out->facts.anchors     = out->own.anchors;
}

/* ---- failures become results ---- */

/* Rank 0 stores the row, so it must know why the first failing rank failed. Collective; returns the
 * status all ranks act on. */
static sb_status share_failure(sb_comm *comm, sb_status st, char *text, size_t text_bytes)
{
    /* A rank that only heard of the failure (PEER) comes after every rank that knows its cause. */
    int64_t   key   = st == SB_OK
                          ? INT64_MAX
                          : ((int64_t)(st == SB_ERR_PEER) * comm->size + comm->rank) * SB_STATUS_COUNT +
                            (int64_t)st;
    int64_t   first = key;
    sb_status cs;
    if (st != SB_OK) /* what went wrong here first: a broken call does not hide it */
        (void)snprintf(text, text_bytes, "%s", sb_error_text());
    if ((cs = comm->ops->allreduce_i64(comm, &first, 1, SB_REDUCE_MIN)) != SB_OK)
        return st == SB_OK ? cs : sb_wrap(cs, "%s; then", text);
    if (first == INT64_MAX)
        return SB_OK;
    int32_t rank = (int32_t)(first / SB_STATUS_COUNT % comm->size);
    if (rank == comm->rank) {
        int n = comm->size > 1 ? snprintf(text, text_bytes, "rank %d: ", rank) : 0;
        (void)snprintf(text + n, text_bytes - (size_t)n, "%s (%s)", sb_error_text(),
                       sb_error_where());
    }
    if ((cs = comm->ops->bcast(comm, text, (int64_t)text_bytes, rank)) != SB_OK)
        return cs;
    return (sb_status)(first % SB_STATUS_COUNT);
}

static const char *result_status(sb_status st)
{
    return st == SB_ERR_UNSUPPORTED ? "unsupported" : st == SB_ERR_NO_FIT ? "no_fit" : "failed";
}

sb_status sbi_failure(sb_comm *comm, sbi_scored_in metric, sb_status st, sb_result *out)
{
    char      text[1024] = "";
    sb_status all        = share_failure(comm, st, text, sizeof text);
    if (all == SB_OK)
        return SB_OK;
    if (all == SB_ERR_STOPPED || all == SB_ERR_COMM)
        return st == all ? st : sb_fail(all, "%s", text);
    sb_result_fini(out);
    /* Where it was found matters to us for failures; users of a method read the reason alone. */
    if (all == SB_ERR_UNSUPPORTED || all == SB_ERR_NO_FIT) {
        char *where = strrchr(text, '(');
        if (where != NULL && where > text)
            where[-1] = '\0';
    }
    if ((st = sb_result_unrun(result_status(all), text, out)) != SB_OK)
        return st;
    if (metric.name != NULL && all != SB_ERR_UNSUPPORTED && all != SB_ERR_NO_FIT) {
        out->facts.metric          = metric.name; /* failed counts, with score 0 */
        out->facts.score_is_binary = metric.is_binary;
    }
    return SB_OK;
}

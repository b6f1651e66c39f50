#include "harness/run/sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/run/memory.h"
#include "harness/run/quality.h"
#include "kernels/registry.h"

/* The phases every prefill stores, zero or not: the number of rows is the same for every run of a
 * point. */
static const sb_phase PREFILL_PHASES[] = {
    SB_PHASE_ESTIMATE,    SB_PHASE_SELECT,    SB_PHASE_PERMUTE, SB_PHASE_COMPUTE,
    SB_PHASE_COMMUNICATE, SB_PHASE_ATTENTION, SB_PHASE_PREFILL};
enum { N_PREFILL_PHASES = sizeof PREFILL_PHASES / sizeof *PREFILL_PHASES };

void sb_block_fini(sb_block *b, const sb_backend *backend)
{
    if (b->base != NULL)
        backend->free(b->base);
    *b = (sb_block){0};
}

void sb_result_fini(sb_result *r)
{
    free(r->own.timings);
    free(r->own.quality);
    free(r->own.needles);
    free(r->own.hits);
    free(r->own.prediction);
    free(r->own.error);
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

/* ---- what runs ---- */

/* Decode is the method again, or dense; a method without a decode of its own always decodes dense.
 */
static sb_status forward_config(const sb_bench *b, const sb_point *p, sb_forward_config *out)
{
    const sb_method *dense = sb_method_find("dense");
    int method = p->decode == SB_DECODE_METHOD && (p->method->caps & SB_CAP_DECODE) != 0;
    *out                    = (sb_forward_config){.model         = b->model,
                                                  .method        = p->method,
                                                  .method_params = p->method_params,
                                                  .decode_method = method ? p->method : dense,
                                                  .decode_params = method ? p->method_params : NULL,
                                                  .backend       = b->backend,
                                                  .comm          = b->comm,
                                                  .layout        = p->layout,
                                                  .threads       = b->threads,
                                                  .compares      = p->quality != SB_QUALITY_NONE,
                                                  .should_stop   = b->should_stop};
    if (dense == NULL)
        return sb_fail(SB_ERR_INTERNAL, "no method dense in the registry");
    return SB_OK;
}

/* A state passes from rank to rank, keys are gathered: a method can do one of the two. */
static sb_status check_sharding(const sb_point *p)
{
    int state = (p->method->caps & SB_CAP_STATE) != 0;
    if (state == (p->scheme == SB_SCHEME_STATE))
        return SB_OK;
    return state
               ? sb_fail(
                     SB_ERR_UNSUPPORTED,
                     "sharding: found %s, allowed state: %s carries a state and gathers no keys",
                     sb_scheme_name(p->scheme), p->method->name)
               : sb_fail(SB_ERR_UNSUPPORTED,
                         "sharding: found state, allowed allgather: %s reads keys and has no state "
                         "to pass on",
                         p->method->name);
}

/* Reasons known before anything runs: shape, parameters, backend. */
static sb_status check_supported(const sb_bench *b, const sb_point *p, const sb_input *in)
{
    sb_model_shape m;
    sb_run         all = {0, in->n_tokens};
    sb_status      st  = b->model->ops->shape(b->model, in, &m);
    if (st != SB_OK)
        return st;
    sb_shape shape = {.q_gid    = {.run = &all, .n_runs = 1, .n_tokens = in->n_tokens},
                      .n_keys   = in->n_tokens,
                      .heads    = m.heads,
                      .kv_heads = m.kv_heads,
                      .head_dim = m.head_dim};
    if (p->method->plan[b->backend->id] == NULL || p->method->attend[b->backend->id] == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s has no %s implementation in this build",
                       p->method->name, b->backend->name);
    if (b->comm->size > 1 && (p->method->caps & SB_CAP_SHARDED) == 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s cannot run on a sharded sequence", p->method->name);
    if ((st = check_sharding(p)) != SB_OK)
        return st;
    return p->method->check(p->method_params, &shape);
}

sb_status sb_sample_bytes(const sb_bench *b, const sb_point *p, const sb_input *in, size_t *bytes)
{
    sb_forward_config cfg;
    sb_status         st = check_supported(b, p, in);
    if (st == SB_OK && (st = forward_config(b, p, &cfg)) == SB_OK)
        st = sb_forward_bytes(&cfg, in, bytes);
    return st;
}

/* Room for `bytes` on every rank of this host, or SB_ERR_NO_FIT with the numbers. Grows the kept
 * block. */
static sb_status reserve(sb_bench *b, size_t bytes)
{
    int64_t available = sb_memory_available_bytes() + (int64_t)b->block.bytes * b->comm->local_size;
    int64_t wanted    = (int64_t)bytes * b->comm->local_size;
    if (b->block.bytes >= bytes)
        return SB_OK;
    if (wanted > available)
        return sb_fail(
            SB_ERR_NO_FIT,
            "needs %.2f GiB a rank, %.2f GiB for the %d ranks of this host; %.2f GiB are available",
            (double)bytes / 0x1p30, (double)wanted / 0x1p30, b->comm->local_size,
            (double)available / 0x1p30);
    sb_block_fini(&b->block, b->backend);
    sb_status st = b->backend->alloc(bytes, &b->block.base);
    if (st == SB_OK)
        b->block.bytes = bytes;
    return st;
}

/* ---- passes ---- */

typedef struct passes {
    sb_forward *f;
    int64_t     done, total;
    sb_quality  quality;
    int64_t     n_timings;
} passes;

static void timing_add(sb_result *out, passes *p, sb_phase phase, int64_t repetition,
                       int64_t is_warmup, int64_t ns)
{
    out->own.timings[p->n_timings++] = (sb_timing_facts){.layer      = -1,
                                                         .phase      = sb_phase_name(phase),
                                                         .repetition = (int32_t)repetition,
                                                         .is_warmup  = (int32_t)is_warmup,
                                                         .ns         = ns};
}

static sb_status one_prefill(sb_bench *b, passes *p, sb_phase_times *times, int look)
{
    *times       = (sb_phase_times){0};
    sb_status st = sb_forward_prefill(p->f, times, look ? sb_quality_look : NULL, &p->quality);
    if (st == SB_OK)
        st = sb_comm_allreduce_i64(b->comm, times->ns, SB_PHASE_COUNT, SB_REDUCE_MAX);
    p->done++;
    if (b->progress != NULL)
        b->progress(b->progress_arg, p->done, p->total);
    return st;
}

/* Bytes and exposed time since the counters were last cleared, maximum over ranks; clears them. */
static sb_status take_comm(sb_bench *b, const char *phase, int64_t exposed_ns, sb_comm_facts *out)
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

static sb_status run_prefills(sb_bench *b, const sb_point *pt, passes *p, sb_result *out)
{
    sb_phase_times t;
    sb_status      st      = SB_OK;
    int            looked  = pt->quality != SB_QUALITY_NONE;
    int64_t       *prefill = malloc((size_t)pt->repetitions * sizeof *prefill);
    if (prefill == NULL)
        return sb_fail(SB_ERR_NOMEM, "sample: no memory for %lld repetitions",
                       (long long)pt->repetitions);
    if (looked)
        st = one_prefill(b, p, &t, 1);
    for (int64_t i = 0; st == SB_OK && i < pt->warmup + pt->repetitions; i++) {
        b->comm->stats = (sb_comm_stats){0};
        /* Without a quality pass the index is still counted once, outside the clock. */
        st       = one_prefill(b, p, &t, !looked);
        looked   = 1;
        int warm = i < pt->warmup;
        for (size_t k = 0; k < N_PREFILL_PHASES; k++)
            timing_add(out, p, PREFILL_PHASES[k], warm ? i : i - pt->warmup, warm,
                       t.ns[PREFILL_PHASES[k]]);
        if (!warm)
            prefill[i - pt->warmup] = t.ns[SB_PHASE_PREFILL];
    }
    if (st == SB_OK) {
        qsort(prefill, (size_t)pt->repetitions, sizeof *prefill, by_ns);
        out->prefill_ms =
            ((double)prefill[(pt->repetitions - 1) / 2] + (double)prefill[pt->repetitions / 2]) /
            2e6;
        st = take_comm(b, "prefill", t.ns[SB_PHASE_COMMUNICATE], &out->own.comm[0]);
    }
    free(prefill);
    return st;
}

static sb_status run_decode(sb_bench *b, const sb_point *pt, const sb_input *in, passes *p,
                            sb_result *out)
{
    sb_score  score   = {0};
    int32_t  *emitted = malloc((size_t)(in->n_emit + 1) * sizeof *emitted);
    int64_t  *step_ns = malloc((size_t)(in->n_feed + 1) * sizeof *step_ns);
    sb_status st      = SB_OK;
    if (emitted == NULL || step_ns == NULL) {
        st =
            sb_fail(SB_ERR_NOMEM, "sample: no memory for %lld decode steps", (long long)in->n_feed);
        goto done;
    }
    if ((st = sb_forward_decode(p->f, emitted, step_ns)) != SB_OK ||
        (st = take_comm(b, "decode", b->comm->stats.ns, &out->own.comm[1])) != SB_OK ||
        (st = sb_comm_allreduce_i64(b->comm, step_ns, in->n_feed, SB_REDUCE_MAX)) != SB_OK)
        goto done;
    for (int64_t i = 0; i < in->n_feed; i++)
        timing_add(out, p, SB_PHASE_DECODE_TOKEN, i, 0, step_ns[i]);
    if ((st = sb_prediction_text(pt->task, in, emitted, in->n_emit, &out->own.prediction)) != SB_OK)
        goto done;
    score.hit = out->own.hits;
    if ((st = pt->task->metric->score(out->own.prediction, in, &score)) != SB_OK)
        goto done;
    out->facts.prediction      = out->own.prediction;
    out->facts.n_gen           = in->n_emit;
    out->facts.metric          = pt->task->metric->name;
    out->facts.score           = score.value;
    out->facts.score_is_binary = score.is_binary;
    out->facts.hits            = out->own.hits;
    out->facts.n_hits          = in->n_refs;
done:
    free(emitted);
    free(step_ns);
    return st;
}

static sb_status measure(sb_bench *b, const sb_point *pt, const sb_input *in, size_t bytes,
                         passes *p, sb_result *out)
{
    int64_t n_timings = (pt->warmup + pt->repetitions) * N_PREFILL_PHASES + in->n_feed;
    out->own.timings  = calloc((size_t)n_timings, sizeof *out->own.timings);
    out->own.hits     = calloc((size_t)(in->n_refs + 1), 1);
    sb_status st      = SB_OK;
    if (out->own.timings == NULL || out->own.hits == NULL)
        st = sb_fail(SB_ERR_NOMEM, "sample: no memory for %lld timings", (long long)n_timings);
    if ((st = sb_comm_agree(b->comm, st)) != SB_OK)
        return st;
    sb_memory_reset_high_water();
    if ((st = run_prefills(b, pt, p, out)) != SB_OK ||
        (st = run_decode(b, pt, in, p, out)) != SB_OK)
        return st;
    int64_t m[3] = {(int64_t)bytes, (int64_t)sb_forward_high_water(p->f),
                    sb_memory_high_water_bytes()};
    if ((st = sb_comm_allreduce_i64(b->comm, m, 3, SB_REDUCE_MAX)) != SB_OK)
        return st;
    static const char *const kinds[] = {"predicted", "arena_high_water", "rss_high_water"};
    for (int i = 0; i < 3; i++)
        out->own.memory[i] = (sb_memory_facts){kinds[i], m[i]};
    (void)snprintf(out->own.digest, sizeof out->own.digest, "%016" PRIx64, p->quality.digest);
    out->own.quality     = p->quality.facts;
    out->own.needles     = p->quality.needles;
    p->quality.facts     = NULL;
    p->quality.needles   = NULL;
    out->facts.quality   = out->own.quality;
    out->facts.n_quality = p->quality.n_facts;
    out->facts.needles   = out->own.needles;
    out->facts.n_needles = p->quality.n_needles;
    out->has_index       = p->quality.has_index;
    out->facts.fallback  = p->quality.fallback;
    out->facts.timings   = out->own.timings;
    out->facts.n_timings = p->n_timings;
    out->facts.n_comm    = 2;
    out->facts.n_memory  = 3;
    out->passes          = p->done;
    return SB_OK;
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
    sb_status cs    = comm->ops->allreduce_i64(comm, &first, 1, SB_REDUCE_MIN);
    if (cs != SB_OK)
        return cs;
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

static sb_status failure(sb_comm *comm, const sb_point *p, sb_status st, sb_result *out)
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
    if (all != SB_ERR_UNSUPPORTED && all != SB_ERR_NO_FIT) { /* failed counts, with score 0 */
        out->facts.metric          = p->task->metric->name;
        out->facts.score_is_binary = p->task->metric->is_binary;
    }
    return SB_OK;
}

sb_status sb_sample_run(sb_bench *b, const sb_point *pt, const sb_input *in, sb_result *out)
{
    sb_forward_config cfg   = {0};
    size_t            bytes = 0;
    passes  p  = {.total = pt->warmup + pt->repetitions + (pt->quality != SB_QUALITY_NONE)};
    int64_t t0 = sb_now_ns();
    *out       = (sb_result){0};
    sb_quality_init(&p.quality, pt->quality, pt->detail, in->sha256, in);
    sb_status st = sb_sample_bytes(b, pt, in, &bytes);
    if (st == SB_OK && (st = reserve(b, bytes)) == SB_OK &&
        (st = forward_config(b, pt, &cfg)) == SB_OK)
        st = sb_forward_create(&cfg, in, b->block.base, b->block.bytes, &p.f);
    if ((st = sb_comm_agree(b->comm, st)) == SB_OK) {
        out->facts.status = "ok";
        st                = measure(b, pt, in, bytes, &p, out);
    }
    sb_status fs = failure(b->comm, pt, st, out);
    if (fs == SB_OK && strcmp(out->facts.status, "ok") == 0) {
        out->facts.plan_digest = out->has_index ? out->own.digest : NULL;
        out->facts.comm        = out->own.comm;
        out->facts.memory      = out->own.memory;
    }
    out->wall_s = (double)(sb_now_ns() - t0) * 1e-9;
    sb_quality_fini(&p.quality);
    sb_forward_destroy(p.f);
    return fs;
}

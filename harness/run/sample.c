#include "harness/run/sample.h"

#include <stdlib.h>
#include <string.h>

#include "harness/run/energy.h"
#include "harness/run/memory.h"
#include "harness/run/passes.h"
#include "harness/run/quality.h"
#include "harness/run/questions.h"
#include "kernels/registry.h"
#include "workloads/metrics/score_row.h"

/* The phases every prefill stores, zero or not: the number of rows is the same for every run of a
 * point. */
static const sb_phase PREFILL_PHASES[] = {
    SB_PHASE_ESTIMATE,    SB_PHASE_SELECT,    SB_PHASE_PERMUTE, SB_PHASE_COMPUTE,
    SB_PHASE_COMMUNICATE, SB_PHASE_ATTENTION, SB_PHASE_PREFILL};
enum { N_PREFILL_PHASES = sizeof PREFILL_PHASES / sizeof *PREFILL_PHASES };

/* ---- what runs ---- */

/* Decode is the method again, or dense; a method without a decode of its own always decodes dense.
 */
static sb_status forward_config(const sb_bench *b, const sb_point *p, const sb_input *in,
                                sb_forward_config *out)
{
    sb_model_shape m;
    sb_status      st = b->model->ops->shape(b->model, in, &m);
    if (st != SB_OK)
        return st;
    sb_scheme_use    use    = sbi_sharding(b, p, m.heads, m.kv_heads);
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
                                                  .use           = use,
                                                  .link          = sb_scheme_links(use) ? b->link : NULL,
                                                  .threads       = b->threads,
                                                  .compares      = p->quality != SB_QUALITY_NONE,
                                                  .look          = sb_quality_look_ops(p->quality, b->backend),
                                                  .graphs        = p->graphs,
                                                  .should_stop   = b->should_stop,
                                                  .stop_arg      = b->stop_arg};
    if (dense == NULL)
        return sb_fail(SB_ERR_INTERNAL, "no method dense in the registry");
    return SB_OK;
}

/* Where a backend has no plan of its own the host's is copied there. */
static int runs_on(const sb_method *m, const sb_backend *b)
{
    return m->attend[b->id] != NULL && (m->plan[b->id] != NULL || m->plan[SB_CPU] != NULL);
}

/* Reasons known before anything runs: shape, parameters, backend. */
static sb_status check_supported(const sb_bench *b, const sb_point *p, const sb_input *in)
{
    if (in->refused != SB_OK)
        return sb_fail(in->refused, "%s", in->refusal);
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
    if (!runs_on(p->method, b->backend))
        return sb_fail(SB_ERR_UNSUPPORTED, "%s has no %s implementation in this build",
                       p->method->name, b->backend->name);
    if (b->comm->size > 1 && (p->method->caps & SB_CAP_SHARDED) == 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s cannot run on a sharded sequence", p->method->name);
    if ((st = sbi_check_sharding(b, p, &shape)) != SB_OK)
        return st;
    return p->method->check(p->method_params, &shape);
}

sb_status sb_sample_bytes(const sb_bench *b, const sb_point *p, const sb_input *in,
                          sb_forward_room *out)
{
    sb_forward_config cfg;
    sb_status         st = check_supported(b, p, in);
    if (st == SB_OK && (st = forward_config(b, p, in, &cfg)) == SB_OK)
        st = sb_forward_bytes(&cfg, in, out);
    return st;
}

/* ---- passes ---- */

typedef struct passes {
    sb_forward *f;
    int64_t     done, total;
    sb_quality  quality;
} passes;

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

static sb_status run_prefills(sb_bench *b, const sb_point *pt, passes *p, sb_result *out)
{
    sb_phase_times t       = {.kernel = NULL};
    sb_status      st      = SB_OK;
    int            looked  = sbi_looks_first(pt);
    sb_energy_meter meter   = {-1, 0};
    int64_t       *prefill = malloc((size_t)(pt->repetitions + 1) * sizeof *prefill);
    if (prefill == NULL)
        st = sb_fail(SB_ERR_NOMEM, "sample: no memory for %lld repetitions",
                     (long long)pt->repetitions);
    if ((st = sb_comm_agree(b->comm, st)) != SB_OK) {
        free(prefill);
        return st;
    }
    if (looked)
        st = one_prefill(b, p, &t, 1);
    sbi_state_add(b, "before", out);
    for (int64_t i = 0; st == SB_OK && i < pt->warmup + pt->repetitions; i++) {
        b->comm->stats = (sb_comm_stats){0};
        if (i == pt->warmup)
            sb_energy_begin(b, &meter);
        /* Without a quality pass the index is still counted once, outside the clock. */
        st       = one_prefill(b, p, &t, !looked);
        looked   = 1;
        int warm = i < pt->warmup;
        for (size_t k = 0; k < N_PREFILL_PHASES; k++)
            sbi_timing_add(out, PREFILL_PHASES[k], warm ? i : i - pt->warmup, warm,
                           t.ns[PREFILL_PHASES[k]]);
        if (!warm)
            prefill[i - pt->warmup] = t.ns[SB_PHASE_PREFILL];
    }
    if (st == SB_OK)
        st = sb_energy_end(b, &meter, "prefill", pt->repetitions, out);
    sbi_state_add(b, "after", out);
    if (st == SB_OK) {
        out->facts.kernel = t.kernel;
        out->median_ms    = sbi_median_ms(prefill, pt->repetitions);
        if (pt->repetitions > 0) /* else the traffic of the look is in it */
            st = sbi_take_comm(b, "prefill", t.ns[SB_PHASE_COMMUNICATE],
                               &out->own.comm[out->facts.n_comm++]);
        b->comm->stats = (sb_comm_stats){0};
    }
    free(prefill);
    return st;
}

/* ---- what is answered ---- */

static sbi_scored_in scored_in(const sb_point *pt, const sb_input *in)
{
    const sb_scorer *s = sb_questions_scorer(in);
    if (pt->task != NULL)
        return (sbi_scored_in){pt->task->metric->name, pt->task->metric->is_binary};
    if (s == NULL) /* the row was refused */
        return (sbi_scored_in){NULL, 0};
    return (sbi_scored_in){s->name, sb_scorer_is_binary(s, in->n_refs)};
}

/* Answers in words, scored as the row says. */
static sb_status score_text(const sb_bench *b, const sb_input *in, const int32_t *emitted,
                            sb_result *out)
{
    const sb_scorer *s     = sb_questions_scorer(in);
    sb_text_score    score = {0};
    if (in->text->drawn_tokens > 0) { /* ids without meaning: times alone */
        out->facts.n_gen = in->n_emit;
        return SB_OK;
    }
    sb_status st =
        b->model->ops->say(b->model, emitted, in->n_emit, &out->own.prediction, &out->facts.n_gen);
    if (st == SB_OK)
        st = sb_score_row(s, in->text, &out->own.prediction, 1, b->jieba, out->own.hits, &score);
    if (st != SB_OK)
        return st;
    out->facts.metric          = s->name;
    out->facts.score           = score.value;
    out->facts.score_is_binary = sb_scorer_is_binary(s, in->n_refs);
    out->facts.hits            = score.n_hits >= 0 ? out->own.hits : NULL;
    out->facts.n_hits          = score.n_hits >= 0 ? in->n_refs : 0;
    return SB_OK;
}

static sb_status score_tokens(const sb_point *pt, const sb_input *in, const int32_t *emitted,
                              sb_result *out)
{
    sb_score  score = {.hit = out->own.hits};
    sb_status st    = sb_prediction_text(pt->task, in, emitted, in->n_emit, &out->own.prediction);
    if (st == SB_OK)
        st = pt->task->metric->score(out->own.prediction, in, &score);
    if (st != SB_OK)
        return st;
    out->facts.n_gen           = in->n_emit;
    out->facts.metric          = pt->task->metric->name;
    out->facts.score           = score.value;
    out->facts.score_is_binary = score.is_binary;
    out->facts.hits            = out->own.hits;
    out->facts.n_hits          = in->n_refs;
    return SB_OK;
}

static sb_status graph_facts(const sb_forward *f, int64_t n_steps, sb_result *out)
{
    const sb_graph_facts *g = sb_forward_graphs(f);
    if (g->reason[0] != '\0' && (out->own.graph_reason = strdup(g->reason)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "sample: no memory for a reason");
    out->facts.n_steps      = n_steps;
    out->facts.graph_steps  = g->steps;
    out->facts.graph_reason = out->own.graph_reason;
    return SB_OK;
}

static sb_status run_decode(sb_bench *b, const sb_point *pt, const sb_input *in, passes *p,
                            sb_result *out)
{
    int32_t  *emitted = malloc((size_t)(in->n_emit + 1) * sizeof *emitted);
    int64_t  *step_ns = malloc((size_t)(in->n_feed + 1) * sizeof *step_ns);
    sb_status st      = SB_OK;
    if (emitted == NULL || step_ns == NULL)
        st =
            sb_fail(SB_ERR_NOMEM, "sample: no memory for %lld decode steps", (long long)in->n_feed);
    if ((st = sb_comm_agree(b->comm, st)) != SB_OK ||
        (st = sb_forward_decode(p->f, emitted, step_ns)) != SB_OK ||
        (st = sbi_take_comm(b, "decode", b->comm->stats.ns, &out->own.comm[out->facts.n_comm++])) !=
            SB_OK ||
        (st = sb_comm_allreduce_i64(b->comm, step_ns, in->n_feed, SB_REDUCE_MAX)) != SB_OK)
        goto done;
    for (int64_t i = 0; i < in->n_feed && step_ns[i] >= 0; i++) /* a stop leaves out the rest */
        sbi_timing_add(out, SB_PHASE_DECODE_TOKEN, i, 0, step_ns[i]);
    if ((st = graph_facts(p->f, in->n_feed, out)) != SB_OK)
        goto done;
    st = in->text != NULL ? score_text(b, in, emitted, out) : score_tokens(pt, in, emitted, out);
    if ((st = sb_comm_agree(b->comm, st)) == SB_OK) /* each rank has scored it itself */
        out->facts.prediction = out->own.prediction;
done:
    free(emitted);
    free(step_ns);
    return st;
}

static sb_status measure(sb_bench *b, const sb_point *pt, const sb_input *in,
                         const sb_forward_room *room, passes *p, sb_result *out)
{
    sb_status st =
        sbi_timings_room(out, (pt->warmup + pt->repetitions) * N_PREFILL_PHASES + in->n_feed);
    out->own.hits = calloc((size_t)(in->n_refs + 1), 1);
    if (st == SB_OK && out->own.hits == NULL)
        st = sb_fail(SB_ERR_NOMEM, "sample: no memory for %lld references", (long long)in->n_refs);
    if ((st = sb_comm_agree(b->comm, st)) != SB_OK)
        return st;
    sb_memory_reset_high_water();
    if ((st = run_prefills(b, pt, p, out)) != SB_OK ||
        (st = run_decode(b, pt, in, p, out)) != SB_OK)
        return st;
    const sbi_memory m = {.predicted        = room->host_bytes,
                          .arena_high_water = sb_forward_high_water(p->f),
                          .device_predicted = room->device_bytes,
                          .device           = sb_forward_device_bytes(p->f)};
    if ((st = sbi_memory_facts(b, &m, out)) != SB_OK)
        return st;
    sbi_quality_facts(&p->quality, out);
    out->passes = p->done;
    return SB_OK;
}

sb_status sb_sample_run(sb_bench *b, const sb_point *pt, const sb_input *in, sb_result *out)
{
    sb_forward_config cfg  = {0};
    sb_forward_room   room = {0};
    passes            p    = {.total = sbi_passes(pt)};
    int64_t           t0   = sb_now_ns();
    *out                   = (sb_result){0};
    sb_quality_init(&p.quality, pt->quality, pt->detail, in->sha256, in);
    sb_status st = sb_sample_bytes(b, pt, in, &room);
    if (st == SB_OK && (st = sbi_reserve(b, room.host_bytes)) == SB_OK &&
        (st = forward_config(b, pt, in, &cfg)) == SB_OK)
        st = sb_forward_create(&cfg, in, b->block.base, b->block.bytes, &p.f);
    if ((st = sb_comm_agree(b->comm, st)) == SB_OK) {
        out->facts.status = "ok";
        st                = measure(b, pt, in, &room, &p, out);
    }
    sb_status fs = sbi_failure(b->comm, scored_in(pt, in), st, out);
    sbi_own_facts(fs, out);
    out->wall_s = (double)(sb_now_ns() - t0) * 1e-9;
    sb_quality_fini(&p.quality);
    sb_forward_destroy(p.f);
    return fs;
}

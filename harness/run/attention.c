#include "harness/run/attention.h"

#include <stdlib.h>
#include <string.h>

#include "harness/run/energy.h"
#include "harness/run/memory.h"
#include "harness/run/operator.h"
#include "harness/run/passes.h"

/* The phases that every repetition stores, zero or not. */
static const sb_phase PHASES[] = {SB_PHASE_ESTIMATE, SB_PHASE_SELECT,      SB_PHASE_PERMUTE,
                                  SB_PHASE_COMPUTE,  SB_PHASE_COMMUNICATE, SB_PHASE_ATTENTION};
enum { N_PHASES = sizeof PHASES / sizeof *PHASES };

/* Reasons known before anything runs: shape, parameters, backend. */
static sb_status check_supported(const sb_bench *b, const sb_point *p, const sb_operands *o)
{
    const sb_operand_shape *s     = &o->shape;
    sb_run                  all   = {s->n_tokens - s->n_queries, s->n_queries};
    sb_shape                shape = {.q_gid  = {.run = &all, .n_runs = 1, .n_tokens = s->n_queries},
                                     .n_keys = s->n_tokens,
                                     .heads  = s->heads,
                                     .kv_heads = s->kv_heads,
                                     .head_dim = s->head_dim};
    if ((p->method->caps & SB_CAP_PREFILL) == 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s has no prefill", p->method->name);
    if (p->method->plan[SB_CPU] == NULL || p->method->attend[b->backend->id] == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s has no %s implementation in this build",
                       p->method->name, b->backend->name);
    if (b->comm->size > 1 && (p->method->caps & SB_CAP_SHARDED) == 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s cannot run on a sharded sequence", p->method->name);
    if ((p->method->caps & SB_CAP_STATE) != 0 && s->n_queries != s->n_tokens)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "%s: found %lld queries over %lld keys, allowed as many: the state of the "
                       "tokens before them is not at hand",
                       p->method->name, (long long)s->n_queries, (long long)s->n_tokens);
    sb_status st = sbi_check_sharding(b, p, &shape);
    if (st != SB_OK)
        return st;
    return p->method->check(p->method_params, &shape);
}

static sb_operator_config config(const sb_bench *b, const sb_point *p, const sb_operands *o)
{
    sb_scheme_use use = sbi_sharding(b, p, o->shape.heads, o->shape.kv_heads);
    return (sb_operator_config){.operands      = o,
                                .method        = p->method,
                                .params        = p->method_params,
                                .anchor        = sbi_is_anchored(p) ? p->anchor : NULL,
                                .anchor_params = p->anchor_params,
                                .backend       = b->backend,
                                .comm          = b->comm,
                                .layout        = p->layout,
                                .use           = use,
                                .link          = sb_scheme_links(use) ? b->link : NULL,
                                .threads       = b->threads,
                                .compares      = p->quality != SB_QUALITY_NONE,
                                .look          = sb_quality_look_ops(p->quality, b->backend)};
}

sb_status sb_attention_bytes(const sb_bench *b, const sb_point *p, const sb_operands *o,
                             sb_forward_room *out)
{
    sb_operator_config cfg = config(b, p, o);
    sb_status          st  = check_supported(b, p, o);
    return st == SB_OK ? sb_operator_bytes(&cfg, out) : st;
}

typedef struct passes {
    sb_operator *op;
    int64_t      done, total;
    sb_quality   quality;
} passes;

/* A pass cannot be left half-way; between two of them all ranks agree to go on. */
static sb_status stop_asked(const sb_bench *b)
{
    sb_status st = SB_OK;
    if (b->should_stop != NULL && b->should_stop(b->stop_arg))
        st = sb_fail(SB_ERR_STOPPED, "stopped inside a sample");
    return sb_comm_agree(b->comm, st);
}

static sb_status one_pass(sb_bench *b, passes *p, sb_phase_times *times, int look)
{
    *times       = (sb_phase_times){0};
    sb_status st = stop_asked(b);
    if (st == SB_OK)
        st = sb_operator_pass(p->op, times);
    if (st == SB_OK && look)
        st = sb_operator_look(p->op, sb_quality_look, &p->quality);
    if (st == SB_OK)
        st = sb_comm_allreduce_i64(b->comm, times->ns, SB_PHASE_COUNT, SB_REDUCE_MAX);
    p->done++;
    if (st == SB_OK && b->progress != NULL)
        b->progress(b->progress_arg, p->done, p->total);
    return st;
}

/* Dense attention over the same operands: *ns, and the kernel that ran it. */
static sb_status anchor_pass(sb_bench *b, passes *p, int64_t *ns, const char **kernel)
{
    sb_phase_times t  = {.kernel = NULL};
    sb_status      st = stop_asked(b);
    if (st == SB_OK)
        st = sb_operator_anchor(p->op, &t);
    if (st == SB_OK)
        st = sb_comm_allreduce_i64(b->comm, &t.ns[SB_PHASE_ATTENTION], 1, SB_REDUCE_MAX);
    *ns     = t.ns[SB_PHASE_ATTENTION];
    *kernel = t.kernel;
    return st;
}

/* A pass, between two of the anchor where the point has one. */
static sb_status one_repetition(sb_bench *b, const sb_point *pt, passes *p, sb_phase_times *times,
                                int look, sb_anchor_facts *beside)
{
    sb_comm_stats own;
    *beside = (sb_anchor_facts){0};
    if (!sbi_is_anchored(pt))
        return one_pass(b, p, times, look);
    sb_status st   = anchor_pass(b, p, &beside->before_ns, &beside->kernel);
    b->comm->stats = (sb_comm_stats){0};
    if (st == SB_OK)
        st = one_pass(b, p, times, look);
    own = b->comm->stats;
    if (st == SB_OK)
        st = anchor_pass(b, p, &beside->after_ns, &beside->kernel);
    b->comm->stats = own;
    return st;
}

static sb_status run_passes(sb_bench *b, const sb_point *pt, passes *p, sb_result *out)
{
    sb_anchor_facts beside;
    sb_phase_times t         = {.kernel = NULL};
    sb_status      st        = SB_OK;
    int            looked    = sbi_looks_first(pt);
    sb_energy_meter meter     = {-1, 0};
    int64_t       *attention = malloc((size_t)(pt->repetitions + 1) * sizeof *attention);
    out->own.anchors          = calloc((size_t)(pt->repetitions + 1), sizeof *out->own.anchors);
    if (attention == NULL || out->own.anchors == NULL)
        st = sb_fail(SB_ERR_NOMEM, "sample: no memory for %lld repetitions",
                     (long long)pt->repetitions);
    if ((st = sb_comm_agree(b->comm, st)) == SB_OK && looked)
        st = one_pass(b, p, &t, 1);
    sbi_state_add(b, "before", out);
    for (int64_t i = 0; st == SB_OK && i < pt->warmup + pt->repetitions; i++) {
        int warm       = i < pt->warmup;
        b->comm->stats = (sb_comm_stats){0};
        if (i == pt->warmup && !sbi_is_anchored(pt)) /* their energy would count as the method's */
            sb_energy_begin(b, &meter);
        /* Without a quality pass the index is still counted once, outside the clock. */
        st     = one_repetition(b, pt, p, &t, !looked, &beside);
        looked = 1;
        for (size_t k = 0; k < N_PHASES; k++)
            sbi_timing_add(out, PHASES[k], warm ? i : i - pt->warmup, warm, t.ns[PHASES[k]]);
        if (!warm)
            attention[i - pt->warmup] = t.ns[SB_PHASE_ATTENTION];
        if (!warm && st == SB_OK && sbi_is_anchored(pt))
            out->own.anchors[out->facts.n_anchors++] = beside;
    }
    if (st == SB_OK)
        st = sb_energy_end(b, &meter, "prefill", pt->repetitions, out);
    sbi_state_add(b, "after", out);
    if (st == SB_OK) {
        out->facts.kernel = t.kernel;
        out->median_ms    = sbi_median_ms(attention, pt->repetitions);
        if (pt->repetitions > 0) /* else the traffic of the look is in it */
            st = sbi_take_comm(b, "prefill", t.ns[SB_PHASE_COMMUNICATE],
                               &out->own.comm[out->facts.n_comm++]);
        b->comm->stats = (sb_comm_stats){0};
    }
    free(attention);
    return st;
}

static sb_status measure(sb_bench *b, const sb_point *pt, const sb_forward_room *room, passes *p,
                         sb_result *out)
{
    sb_status st = sbi_timings_room(out, (pt->warmup + pt->repetitions) * N_PHASES);
    if ((st = sb_comm_agree(b->comm, st)) != SB_OK)
        return st;
    sb_memory_reset_high_water();
    if ((st = run_passes(b, pt, p, out)) != SB_OK)
        return st;
    const sbi_memory m = {.predicted        = room->host_bytes,
                          .arena_high_water = sb_operator_high_water(p->op),
                          .device_predicted = room->device_bytes,
                          .device           = sb_operator_device_bytes(p->op)};
    if ((st = sbi_memory_facts(b, &m, out)) != SB_OK)
        return st;
    sbi_quality_facts(&p->quality, out);
    out->passes = p->done;
    return SB_OK;
}

sb_status sb_attention_run(sb_bench *b, const sb_point *pt, const sb_operands *o,
                           const sb_input *in, const sb_dump *dump, sb_result *out)
{
    sb_operator_config cfg   = config(b, pt, o);
    sb_forward_room    room  = {0};
    passes             p     = {.total = sbi_passes(pt)};
    int64_t            t0    = sb_now_ns();
    *out                     = (sb_result){0};
    sb_quality_init(&p.quality, pt->quality, pt->detail, o->sha256, in);
    sb_status st = sb_attention_bytes(b, pt, o, &room);
    if (st == SB_OK && (st = sbi_reserve(b, room.host_bytes)) == SB_OK)
        st = sb_operator_create(&cfg, b->block.base, b->block.bytes, &p.op);
    if ((st = sb_comm_agree(b->comm, st)) == SB_OK) {
        out->facts.status = "ok";
        st                = measure(b, pt, &room, &p, out);
    }
    sb_status fs = sbi_failure(b->comm, (sbi_scored_in){NULL, 0}, st, out);
    sbi_own_facts(fs, out);
    /* A file that cannot be written ends the run, as a database does: it says nothing of the
     * method. */
    if (fs == SB_OK && dump != NULL && strcmp(out->facts.status, "ok") == 0 && sbi_is_anchored(pt))
        fs = sb_operator_pass(p.op, NULL); /* the anchor's results stand there */
    if (fs == SB_OK && dump != NULL && strcmp(out->facts.status, "ok") == 0)
        fs = sb_operator_look(p.op, sb_dump_look, (void *)(uintptr_t)dump);
    out->wall_s = (double)(sb_now_ns() - t0) * 1e-9;
    sb_quality_fini(&p.quality);
    sb_operator_destroy(p.op);
    return fs;
}

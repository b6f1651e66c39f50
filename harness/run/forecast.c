#include "harness/run/forecast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/run/attention.h"
#include "harness/run/passes.h"
#include "harness/run/sample.h"
#include "kernels/registry.h"

enum {
    ALL_RANKS    = 16,
    LOOK_ROWS    = 2 * 64 * 7 + 128, /* rows.h, drawn twice at most */
    REASON_BYTES = sizeof((sb_prediction *)0)->note
};

/* seconds of the comparison of all rows over dense attention: 1.8 s over 1.2 s at 4096 tokens of
 * the probe, one thread */
static const double LOOK_TIMES_DENSE = 1.5;

/* ---- a rank that is not there ---- */

static sb_status nothing_gathers(sb_comm *c, const void *send, void *recv, const int64_t *count,
                                 const int64_t *displ)
{
    (void)send, (void)recv, (void)count, (void)displ;
    return sb_fail(SB_ERR_INTERNAL, "forecast: rank %d of %d is imagined", c->rank, c->size);
}

static sb_status nothing_bcasts(sb_comm *c, void *data, int64_t bytes, int32_t root)
{
    (void)data, (void)bytes, (void)root;
    if (c->size == 1)
        return SB_OK;
    return sb_fail(SB_ERR_INTERNAL, "forecast: rank %d of %d is imagined", c->rank, c->size);
}

static sb_status nothing_reduces(sb_comm *c, int64_t *data, int64_t count, sb_reduce_op op)
{
    (void)data, (void)count, (void)op;
    return sb_fail(SB_ERR_INTERNAL, "forecast: rank %d of %d is imagined", c->rank, c->size);
}

static sb_status nothing_waits(sb_comm *c)
{
    return sb_fail(SB_ERR_INTERNAL, "forecast: rank %d of %d is imagined", c->rank, c->size);
}

static void nothing_ends(sb_comm *c) { (void)c; }

static const sb_comm_ops imagined_ops = {.name          = "imagined",
                                         .allgatherv    = nothing_gathers,
                                         .bcast         = nothing_bcasts,
                                         .allreduce_i64 = nothing_reduces,
                                         .barrier       = nothing_waits,
                                         .destroy       = nothing_ends};

/* ---- memory ---- */

static sb_status rank_room_on(const sb_source *s, const sb_point *p, const sb_input *in,
                              sb_bench *b, sb_forward_room *out)
{
    return sb_point_asks(p) ? sb_sample_bytes(b, p, in, out)
                            : sb_attention_bytes(b, p, s->operands, out);
}

static size_t kept_bytes(const sb_model *m)
{
    return m->ops->kept_bytes != NULL ? (size_t)m->ops->kept_bytes(m) : 0;
}

/* What run finds when it lays the point out, its refusals too; by the same code. A device that this
 * build does not serve holds what the host would: rows, gathered keys, index; and so does, where
 * the options ask for that, one whose ranks are refused (why: the reason). */
static sb_status rank_room(const sb_source *s, const sb_point *p, const sb_input *in, int32_t rank,
                           int32_t local_size, const sb_forecast_options *o, sb_forward_room *out,
                           char why[REASON_BYTES])
{
    const sb_backend *there = sbi_backend_of(p);
    sb_comm           comm  = {.ops        = &imagined_ops,
                               .rank       = rank,
                               .size       = p->ranks,
                               .local_rank = rank % local_size,
                               .local_size = local_size};
    sb_bench          b     = {.comm       = &comm,
                               .backend    = there,
                               .model      = s->model,
                               .threads    = o->threads,
                               .host_ranks = local_size};
    sb_status         st    = there != NULL ? rank_room_on(s, p, in, &b, out) : SB_OK;
    int               model = o->refused_too && st == SB_ERR_UNSUPPORTED && p->backend != SB_CPU;
    why[0]                  = '\0';
    if (there == NULL)
        (void)snprintf(why, REASON_BYTES, "what run refuses is not known: no cuda in this build");
    else if (model)
        (void)snprintf(why, REASON_BYTES, "run refuses: %s", sb_error_text());
    if (there == NULL || model) {
        b.backend = &sb_backend_cpu;
        st        = rank_room_on(s, p, in, &b, out);
        if (st == SB_OK)
            out->device_bytes = out->host_bytes + (sb_point_asks(p) ? kept_bytes(s->model) : 0);
    }
    /* files that the ranks of a host share: each answers for its part */
    if (st == SB_OK && p->backend == SB_CPU && sb_point_asks(p) &&
        s->model->ops->shared_bytes != NULL)
        out->host_bytes += (size_t)(s->model->ops->shared_bytes(s->model) / local_size + 1);
    return st;
}

/* The rank that has most tokens. Of lpt it may be any. */
static sb_status fullest(const sb_plan_case *c, int32_t *rank)
{
    sb_map    map;
    sb_status st = sb_plan_map(c, &map);
    if (st != SB_OK)
        return st;
    *rank = 0;
    for (int32_t r = 1; r < map.ranks; r++)
        *rank = map.rank_tokens[r] > map.rank_tokens[*rank] ? r : *rank;
    sb_map_fini(&map);
    return SB_OK;
}

/* The most of any rank: of all while they are few, else of the first, the middle, the last and the
 * one with most tokens. */
static sb_status room_of(const sb_source *s, const sb_machine *m, const sb_forecast_options *o,
                         const sb_point *p, const sb_plan_case *c, const sb_input *in,
                         sb_forward_room *out, char why[REASON_BYTES])
{
    int32_t   local = p->ranks < m->ranks_per_host ? p->ranks : (int32_t)m->ranks_per_host;
    int32_t   n = p->ranks <= ALL_RANKS ? p->ranks : 4, full = 0;
    sb_status st = fullest(c, &full);
    *out         = (sb_forward_room){0};
    for (int32_t i = 0; st == SB_OK && i < n; i++) {
        int32_t         rank = n == p->ranks ? i : i == 3 ? full : i * ((p->ranks - 1) / 2);
        sb_forward_room room = {0};
        if ((st = rank_room(s, p, in, rank, local, o, &room, why)) != SB_OK || o->no_memory)
            break; /* one rank tells of refusals */
        out->host_bytes = room.host_bytes > out->host_bytes ? room.host_bytes : out->host_bytes;
        out->device_bytes =
            room.device_bytes > out->device_bytes ? room.device_bytes : out->device_bytes;
    }
    return st;
}

/* ---- time ---- */

/* Windowed layers of a model attend by a method of its own: their work counts as the model's, and
 * the point's method has the others. Over ranks they also move keys, as all layers do: there they
 * count like the others, which is more than they take. */
static void set_windows_apart(const sb_source *s, const sb_point *p, sb_plan_case *out)
{
    const sb_model_ops *ops   = s->model->ops;
    int32_t             all   = out->n_layers;
    sb_shape            shape = {.n_keys   = out->n_tokens,
                                 .heads    = out->heads,
                                 .kv_heads = out->kv_heads,
                                 .head_dim = out->head_dim};
    for (int32_t l = 0; ops->layer != NULL && p->ranks == 1 && l < all; l++) {
        sb_model_layer c = {.method = p->method, .params = p->method_params};
        if (ops->layer(s->model, l, &c) != SB_OK)
            return; /* the room says why */
        if (!c.own || c.method->row_lanes == NULL || out->n_layers == 1)
            continue;
        out->token_flops += 4 * (double)out->head_dim *
                            (double)c.method->row_lanes(c.params, &shape, out->n_tokens / 2);
        out->n_layers--;
    }
}

static sb_status case_of(const sb_source *s, const sb_forecast_options *o, const sb_point *p,
                         const sb_input *in, sb_plan_case *out)
{
    sb_model_shape m;
    *out = (sb_plan_case){.method   = p->method,
                          .params   = p->method_params,
                          .task     = p->task_name,
                          .n_layers = 1,
                          .scheme   = p->scheme,
                          .layout   = p->layout,
                          .asked    = p->team > 0 ? p->team : (int32_t)p->heads_at_once,
                          .ranks    = p->ranks,
                          .threads  = o->threads};
    if (!sb_point_asks(p)) {
        const sb_operand_shape *f = &s->operands->shape;
        out->n_tokens             = f->n_tokens;
        out->n_queries            = f->n_queries;
        out->heads                = f->heads;
        out->kv_heads             = f->kv_heads;
        out->head_dim             = f->head_dim;
        return SB_OK;
    }
    sb_status st = s->model->ops->shape(s->model, in, &m);
    if (st != SB_OK)
        return st;
    out->n_tokens = out->n_queries = in->n_tokens;
    out->heads                     = m.heads;
    out->kv_heads                  = m.kv_heads;
    out->head_dim                  = m.head_dim;
    out->n_layers                  = m.n_layers;
    out->is_model                  = 1;
    out->decode_tokens             = in->n_feed;
    out->token_flops =
        s->model->ops->token_flops != NULL ? s->model->ops->token_flops(s->model) : 0;
    out->head_flops = s->model->ops->head_flops != NULL ? s->model->ops->head_flops(s->model) : 0;
    set_windows_apart(s, p, out);
    return SB_OK;
}

/* Dense attention twice a repetition and warm-up. */
static sb_status anchors_s(const sb_machine *m, const sb_plan_case *c, const sb_point *p,
                           double *out)
{
    sb_prediction a;
    sb_plan_case  d  = *c;
    sb_status     st = SB_OK;
    *out             = 0;
    if (!sbi_is_anchored(p))
        return SB_OK;
    d.method = p->anchor;
    d.params = p->anchor_params;
    if ((st = sb_plan_predict(m, &d, &a)) == SB_OK)
        *out = 2 * (double)(p->warmup + p->repetitions) * sb_plan_repetition_s(&d, &a);
    return st;
}

/* The comparison of a look with dense attention, on the host: all rows up to 8192 tokens or in mode
 * exact, else those that rows.h draws. Of a device and its host nothing is known yet. */
static sb_status look_s(const sb_machine *m, const sb_plan_case *c, const sb_point *p, double *out)
{
    sb_prediction a;
    sb_plan_case  d  = *c;
    double        n  = (double)c->n_queries;
    sb_status     st = SB_OK;
    *out             = 0;
    if (p->quality == SB_QUALITY_NONE || m->backend != SB_CPU)
        return SB_OK;
    d.method = sb_method_find("dense");
    d.params = NULL;
    d.scheme = SB_SCHEME_ALLGATHER;
    d.asked  = 0;
    if (d.method == NULL)
        return sb_fail(SB_ERR_INTERNAL, "no method dense in the registry");
    void *params = calloc(1, d.method->params_bytes + 1);
    if (params == NULL)
        return sb_fail(SB_ERR_NOMEM, "forecast: no memory for parameters");
    d.params = params;
    if ((st = sb_params_default(d.method->params, params)) == SB_OK &&
        (st = sb_plan_predict(m, &d, &a)) == SB_OK)
        *out = LOOK_TIMES_DENSE * a.seconds[SB_PHASE_ATTENTION] *
               (p->quality == SB_QUALITY_EXACT || n <= 8192 ? 1 : LOOK_ROWS / n);
    free(params);
    return st;
}

static sb_status time_of(const sb_machine *m, const sb_plan_case *c, const sb_point *p,
                         sb_forecast *f)
{
    double    anchors, look, passes = (double)sbi_passes(p);
    sb_status st = sb_plan_predict(m, c, &f->p);
    if (st != SB_OK || (st = anchors_s(m, c, p, &anchors)) != SB_OK ||
        (st = look_s(m, c, p, &look)) != SB_OK)
        return st;
    f->repetition_s = sb_plan_repetition_s(c, &f->p);
    f->sample_s     = f->p.seconds[SB_PHASE_LOAD] + passes * f->repetition_s + anchors + look +
                  (double)c->decode_tokens * f->p.seconds[SB_PHASE_DECODE_TOKEN];
    f->total_s = f->sample_s * (double)p->samples;
    f->limit_s = sb_plan_time_limit_s(f->total_s);
    return SB_OK;
}

static sb_status forecast(sb_source *s, const sb_machine *m, const sb_forecast_options *o,
                          const sb_point *p, const sb_input *in, sb_forecast *out)
{
    sb_plan_case    c;
    sb_forward_room room              = {0};
    char            why[REASON_BYTES] = "";
    sb_status       st =
        in->refused != SB_OK ? sb_fail(in->refused, "%s", in->refusal) : case_of(s, o, p, in, &c);
    if (st == SB_OK)
        st = room_of(s, m, o, p, &c, in, &room, why);
    if (st == SB_OK)
        st = time_of(m, &c, p, out);
    if (st == SB_OK) {
        size_t at = strlen(out->p.note);
        if (why[0] != '\0')
            (void)snprintf(out->p.note + at, sizeof out->p.note - at, "%s%s", at > 0 ? "; " : "",
                           why);
        sb_plan_fit_memory(m, p->ranks, (int64_t)room.host_bytes, (int64_t)room.device_bytes,
                           &out->p, out->why, sizeof out->why);
    } else if (st == SB_ERR_UNSUPPORTED || in->refused != SB_OK) {
        *out = (sb_forecast){.status = SB_ERR_UNSUPPORTED, .p.fits = 1};
        (void)snprintf(out->why, sizeof out->why, "%s", sb_error_text());
        st = SB_OK;
    }
    return st;
}

sb_status sb_forecast_point(sb_source *s, const sb_machine *m, const sb_forecast_options *o,
                            const sb_point *p, sb_forecast *out)
{
    sb_input    in = {0};
    sb_forecast f  = {.status = SB_OK};
    sb_status   st = sb_source_input(s, p, 0, &in);
    if (st == SB_OK)
        st = forecast(s, m, o, p, &in, &f);
    if (p->text != NULL && s->questions.n_rows > 0 && s->questions.n_rows < p->samples) {
        f.total_s = f.sample_s * (double)s->questions.n_rows; /* a file has no more */
        f.limit_s = sb_plan_time_limit_s(f.total_s);
    }
    sb_input_fini(&in);
    if (st == SB_OK)
        *out = f;
    return st;
}

sb_status sb_forecast_times(const sb_source *s, const sb_machine *m, int32_t threads,
                            const sb_point *p, const sb_input *in, double *repetition_s,
                            double *sample_s)
{
    const sb_forecast_options o = {.threads = threads, .no_memory = 1};
    sb_forecast               f = {.status = SB_OK};
    sb_plan_case              c;
    sb_status                 st = case_of(s, &o, p, in, &c);
    if (st == SB_OK && (st = time_of(m, &c, p, &f)) == SB_OK) {
        *repetition_s = f.repetition_s;
        *sample_s     = f.sample_s;
    }
    return st;
}

sb_status sb_forecast_points(const sb_sweep *s, int64_t first, int64_t last,
                             const sb_machine *const    machines[SB_BACKEND_COUNT],
                             const sb_forecast_options *o, sb_forecast *out)
{
    sb_comm   alone  = {.ops = &imagined_ops, .size = 1, .local_size = 1};
    sb_source source = {.comm = &alone, .threads = o->threads};
    sb_status st     = SB_OK;
    for (int64_t i = first; st == SB_OK && i <= last; i++) {
        const sb_machine *m = machines[s->points[i].backend];
        if (m == NULL)
            st = sb_fail(SB_ERR_INTERNAL, "forecast: no machine for backend %d",
                         (int)s->points[i].backend);
        else
            st = sb_forecast_point(&source, m, o, &s->points[i], &out[i - first]);
    }
    sb_source_fini(&source);
    return st;
}

sb_forecast_total sb_forecast_sum(const sb_forecast *f, int64_t n)
{
    sb_forecast_total t = {.points = n};
    for (int64_t i = 0; i < n; i++) {
        t.seconds += f[i].total_s;
        t.no_fit += f[i].status == SB_OK && !f[i].p.fits;
        t.unsupported += f[i].status != SB_OK;
        t.host_bytes = f[i].p.host_bytes > t.host_bytes ? f[i].p.host_bytes : t.host_bytes;
        t.device_bytes =
            f[i].p.device_bytes > t.device_bytes ? f[i].p.device_bytes : t.device_bytes;
    }
    t.limit_s = sb_plan_time_limit_s(t.seconds);
    return t;
}

void sb_forecast_processor(char *buf, size_t bytes)
{
    char  line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    buf[0]  = '\0';
    while (f != NULL && buf[0] == '\0' && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':') != NULL)
            (void)snprintf(buf, bytes, "%.*s", (int)strcspn(strchr(line, ':') + 2, "\n"),
                           strchr(line, ':') + 2);
    if (f != NULL)
        (void)fclose(f);
}

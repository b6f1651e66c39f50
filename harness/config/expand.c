/* Nested loops over the axes of a sweep, a hash for each point, and a look for points that are
 * asked for twice. */
#include "harness/config/expand.h"
#include "harness/config/identity.h"
#include "kernels/registry.h"
#include "workloads/registry.h"

#include <stdlib.h>
#include <string.h>

/* a * b, but never more than one above the limit. */
static int64_t times(int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return 0;
    return a > SBI_MAX_POINTS / b ? SBI_MAX_POINTS + 1 : a * b;
}

static int64_t plus(int64_t a, int64_t b)
{
    return a + b > SBI_MAX_POINTS ? SBI_MAX_POINTS + 1 : a + b;
}

static int64_t count_input(const sbi_input_axis *a)
{
    int64_t kinds = 0;
    for (int64_t i = 0; i < a->distributions.n; i++)
        kinds = plus(kinds, a->params[i].n);
    kinds = times(times(kinds, a->heads.n), times(a->kv_heads.n, a->head_dims.n));
    return plus(a->n_files, times(kinds, times(a->lengths.n, a->seeds.n)));
}

static int carries_state(const sbi_method_axis *m) { return (m->method->caps & SB_CAP_STATE) != 0; }

static int64_t count_points(const sbi_spec *s)
{
    int64_t work = 0, layouts = 0, variants[2] = {0, 0}; /* [1]: of methods that carry a state */
    for (int64_t i = 0; i < s->n_inputs; i++)
        work = plus(work, count_input(&s->inputs[i]));
    for (int64_t i = 0; i < s->n_workloads; i++) {
        const sbi_workload *w = &s->workloads[i];
        work = plus(work, times(times(w->params.n, w->tasks.n), times(w->lengths.n, w->seeds.n)));
    }
    for (int64_t i = 0; i < s->n_shardings; i++)
        layouts = plus(layouts, times(s->shardings[i].layouts.n, s->shardings[i].counts.n));
    for (int64_t i = 0; i < s->n_methods; i++) {
        int64_t *n = &variants[carries_state(&s->methods[i])];
        *n         = plus(*n, s->methods[i].params.n);
    }
    int64_t points = plus(times(layouts, variants[0]), s->n_shardings > 0 ? variants[1] : 0);
    return times(times(s->attention ? 1 : s->model_params.n, work), times(s->decodes.n, points));
}

typedef struct expansion {
    sbi_ctx        *c;
    const sbi_spec *s;
    sbi_excludes   *ex;
    sbi_points     *out;
    int32_t         cell;
} expansion;

static int add_point(expansion *e, const sb_point *cell, const sbi_method_axis *m, int64_t variant,
                     const sbi_origin *from)
{
    sb_point *p      = &e->out->v[e->out->n];
    *p               = *cell;
    p->method        = m->method;
    p->method_params = m->params.v[variant].params;
    p->method_json   = m->params.v[variant].json;
    if (p->method == p->anchor ||
        (e->s->anchor_up_to > 0 && p->length_tokens > e->s->anchor_up_to)) {
        p->anchor        = NULL;
        p->anchor_params = NULL;
    }
    if (sbi_excludes_hit(e->ex, p))
        return 1;
    if (sbi_point_identify(e->c->keep, p) != SB_OK) {
        sbi_internal(e->c);
        return 0;
    }
    p->cell                            = e->cell;
    e->out->origin[e->out->n]          = *from;
    e->out->origin[e->out->n++].method = m->node;
    return 1;
}

/* The methods that carry a state, or all others. */
static int add_cell(expansion *e, const sb_point *cell, int state, const sbi_origin *from)
{
    int64_t before = e->out->n;
    for (int others = 0; others < 2; others++)
        for (int64_t i = 0; i < e->s->n_methods; i++) {
            const sbi_method_axis *m = &e->s->methods[i];
            if ((strcmp(m->method->name, "dense") != 0) != others || carries_state(m) != state)
                continue;
            for (int64_t j = 0; j < m->params.n; j++)
                if (!add_point(e, cell, m, j, from))
                    return 0;
        }
    e->cell += e->out->n > before;
    return 1;
}

/* All layouts and counts of one scheme. */
static int add_sharding(expansion *e, sb_point *p, const sbi_sharding *x, sbi_origin *from)
{
    p->scheme      = x->scheme;
    from->sharding = x->node;
    for (int64_t t = 0; t < x->counts.n; t++)
        for (int64_t j = 0; j < x->layouts.n; j++)
            for (int64_t k = 0; k < e->s->decodes.n; k++) {
                p->team          = x->scheme == SB_SCHEME_USP ? (int32_t)x->counts.v[t] : 0;
                p->heads_at_once = x->scheme == SB_SCHEME_ALLGATHER ? x->counts.v[t] : 0;
                p->layout        = (sb_layout_kind)x->layouts.v[j];
                p->decode        = (sb_decode_kind)e->s->decodes.v[k];
                if (!add_cell(e, p, 0, from))
                    return 0;
            }
    return 1;
}

static int add_shardings(expansion *e, sb_point *p, sbi_origin *from)
{
    const sbi_spec *s = e->s;
    for (int64_t i = 0; i < s->n_shardings; i++)
        if (!add_sharding(e, p, &s->shardings[i], from))
            return 0;
    for (int64_t k = 0; s->n_shardings > 0 && k < s->decodes.n; k++) {
        p->scheme      = SB_SCHEME_STATE;
        p->team          = 0;
        p->heads_at_once = 0;
        p->layout      = SB_LAYOUT_CONTIGUOUS;
        p->decode      = (sb_decode_kind)s->decodes.v[k];
        from->sharding = s->shardings[0].node;
        if (!add_cell(e, p, 1, from))
            return 0;
    }
    return 1;
}

/* Task t of the workload with its parameters v. */
static int set_task(expansion *e, sb_point *p, const sbi_workload *w, int64_t v, int64_t t)
{
    p->task_params = w->params.v[v].params;
    p->task_json   = w->params.v[v].json;
    if (w->text == NULL) {
        p->task      = sb_tasks[t];
        p->suite     = p->task->suite;
        p->task_name = p->task->name;
        return 1;
    }
    sb_point_text *text = sbi_pool_alloc(e->c->keep, 1, sizeof *text);
    if (text == NULL)
        return 0;
    *text        = (sb_point_text){.suite  = w->text,
                                   .task   = &w->text->tasks[t],
                                   .params = w->params.v[v].params,
                                   .paths  = w->paths};
    p->text      = text;
    p->suite     = w->text->name;
    p->task_name = text->task->name;
    return 1;
}

static int add_workload(expansion *e, sb_point *p, const sbi_workload *w)
{
    sbi_origin from = {.workload = w->node};
    p->samples      = w->samples;
    p->corpus       = w->corpus;
    for (int64_t v = 0; v < w->params.n; v++)
        for (int64_t t = 0; t < w->tasks.n; t++)
            for (int64_t l = 0; l < w->lengths.n; l++)
                for (int64_t d = 0; d < w->seeds.n; d++) {
                    p->length_tokens = w->lengths.v[l];
                    p->seed          = (uint64_t)w->seeds.v[d];
                    if (!set_task(e, p, w, v, w->tasks.v[t]) || !add_shardings(e, p, &from))
                        return 0;
                }
    return 1;
}

/* One input, its shape in place of a model's. The text goes into the identity and must not depend
 * on where the file lies. */
static int add_input(expansion *e, sb_point *p, const sb_point_input *in, const sbi_node *node)
{
    sbi_origin from = {.workload = node};
    p->input        = in;
    p->model        = (char *)"none";
    p->model_json   = sbi_input_json(e->c->keep, in);
    return p->model_json != NULL && p->task_json != NULL && add_shardings(e, p, &from);
}

static int add_files(expansion *e, sb_point *p, const sbi_input_axis *a)
{
    for (int64_t i = 0; i < a->n_files; i++) {
        const sb_point_input *in    = &a->files[i];
        const char           *slash = strrchr(in->path, '/');
        p->suite                    = "tensors";
        p->task_name                = slash != NULL ? slash + 1 : in->path;
        p->task_json                = sbi_capture_json(e->c->keep, in, p->task_name);
        p->length_tokens            = in->seen.shape.n_tokens;
        p->seed                     = 0;
        if (!add_input(e, p, in, a->node))
            return 0;
    }
    return 1;
}

/* heads, kv_heads, head_dim, length, seed: the last varies fastest. */
static int add_shapes(expansion *e, sb_point *p, const sbi_input_axis *a, sb_point_input kind)
{
    const sbi_values *const axes[] = {&a->heads, &a->kv_heads, &a->head_dims, &a->lengths,
                                      &a->seeds};
    enum { N_AXES = sizeof axes / sizeof *axes };
    int64_t total = 1;
    for (int i = 0; i < N_AXES; i++)
        total *= axes[i]->n; /* counted before: at most SBI_MAX_POINTS */
    for (int64_t k = 0; k < total; k++) {
        int64_t         v[N_AXES], rest = k;
        sb_point_input *in = sbi_pool_alloc(e->c->keep, 1, sizeof *in);
        if (in == NULL)
            return 0;
        for (int i = N_AXES - 1; i >= 0; i--) {
            v[i] = axes[i]->v[rest % axes[i]->n];
            rest /= axes[i]->n;
        }
        *in           = kind;
        in->heads     = v[0];
        in->kv_heads  = v[1];
        in->head_dim  = v[2];
        in->n_queries = p->length_tokens = v[3];
        p->seed                          = (uint64_t)v[4];
        if (!add_input(e, p, in, a->node))
            return 0;
    }
    return 1;
}

static int add_inputs(expansion *e, sb_point *p, const sbi_input_axis *a)
{
    p->samples = a->samples;
    for (int64_t d = 0; d < a->distributions.n; d++)
        for (int64_t v = 0; v < a->params[d].n; v++) {
            sb_point_input kind = {.distribution = sb_distributions[a->distributions.v[d]],
                                   .params       = a->params[d].v[v].params};
            p->suite            = "synthetic";
            p->task_name        = kind.distribution->name;
            p->task_json        = a->params[d].v[v].json;
            if (!add_shapes(e, p, a, kind))
                return 0;
        }
    return add_files(e, p, a);
}

/* dense by the kernel that the sweep names, for all points. */
static int add_anchor(expansion *e, sb_point *p)
{
    static const char *const impls[] = {"auto", "native", "cudnn"};
    const sb_method         *dense   = sb_method_find("dense");
    if (e->s->anchor == 0)
        return 1;
    void *params = dense == NULL ? NULL : sbi_pool_alloc(e->c->keep, 1, dense->params_bytes);
    if (params == NULL)
        return 0;
    const sb_param *impl = sb_params_find(dense->params, "impl");
    if (sb_params_default(dense->params, params) != SB_OK ||
        (impl != NULL && sb_param_set(impl, params, impls[e->s->anchor - 1]) != SB_OK)) {
        sbi_internal(e->c);
        return 0;
    }
    p->anchor        = dense;
    p->anchor_params = params;
    return 1;
}

static int add_all(expansion *e)
{
    const sbi_spec *s = e->s;
    sb_point        p = {.experiment  = s->attention ? "attention" : "task",
                         .backend     = s->backend,
                         .ranks       = e->c->env->ranks,
                         .warmup      = s->warmup,
                         .repetitions = s->repetitions,
                         .quality     = s->quality,
                         .detail      = s->detail,
                         .graphs      = s->graphs,
                         .dense_none  = s->dense_none};
    if (!add_anchor(e, &p))
        return 0;
    for (int64_t i = 0; i < s->n_inputs; i++)
        if (!add_inputs(e, &p, &s->inputs[i]))
            return 0;
    for (int64_t m = 0; m < s->model_params.n; m++)
        for (int64_t w = 0; w < s->n_workloads; w++) {
            p.model        = s->model_names[m];
            p.model_kind   = s->model->name;
            p.model_params = s->model_params.v[m].params;
            p.model_json   = s->model_params.v[m].json;
            if (p.model == NULL || !add_workload(e, &p, &s->workloads[w]))
                return 0;
        }
    return 1;
}

typedef struct by_hash_key {
    const char *hash;
    int64_t     place;
} by_hash_key;

static int by_hash(const void *pa, const void *pb)
{
    const by_hash_key *a = pa, *b = pb;
    int                d = strcmp(a->hash, b->hash);
    return d != 0 ? d : (a->place > b->place) - (a->place < b->place);
}

/* Tell the pair at the later of the two entries that made it. */
static void twice(sbi_ctx *c, const sbi_origin *a, const sbi_origin *b)
{
    const sbi_node *x = a->method, *y = b->method;
    if (x == y) {
        x = a->workload;
        y = b->workload;
    }
    if (x == y) {
        x = a->sharding;
        y = b->sharding;
    }
    sbi_error_add(c, y->pos, sbi_node_path(c, y),
                  "found a point that `%s` %s already has, allowed each point once",
                  sbi_node_path(c, x), sbi_where(c, x->pos));
}

static void check_twice(sbi_ctx *c, const sbi_points *p)
{
    by_hash_key *keys = sbi_pool_alloc(&c->temp, p->n, sizeof *keys);
    if (keys == NULL)
        return;
    for (int64_t i = 0; i < p->n; i++)
        keys[i] = (by_hash_key){p->v[i].hash, i};
    qsort(keys, (size_t)p->n, sizeof *keys, by_hash);
    for (int64_t i = 1, first = 0; i < p->n; i++) {
        if (strcmp(keys[i].hash, keys[first].hash) == 0)
            twice(c, &p->origin[keys[first].place], &p->origin[keys[i].place]);
        else
            first = i;
    }
}

void sbi_expand(sbi_ctx *c, const sbi_spec *s, sbi_points *out)
{
    sbi_excludes ex    = {0};
    int64_t      total = count_points(s);
    *out               = (sbi_points){0};
    sbi_excludes_read(c, s, &ex);
    if (total > SBI_MAX_POINTS) {
        sbi_error_add(c, s->root->pos, "", "found more than %d points, allowed at most %d",
                      SBI_MAX_POINTS, SBI_MAX_POINTS);
        return;
    }
    out->v      = sbi_pool_alloc(&c->temp, total + 1, sizeof *out->v);
    out->origin = sbi_pool_alloc(&c->temp, total + 1, sizeof *out->origin);
    expansion e = {c, s, &ex, out, 0};
    if (out->v == NULL || out->origin == NULL || !add_all(&e))
        return;
    check_twice(c, out);
    if (!s->complete)
        return; /* an entry may match what an error took away */
    sbi_excludes_check(c, &ex);
    if (out->n == 0 && total > 0)
        sbi_error_add(c, s->exclude->pos, "exclude",
                      "found entries that match every point, allowed entries that leave one");
}

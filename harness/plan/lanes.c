/* How dense a method will be. Of static patterns that follows from their parameters; of methods
 * that look at the data it is what stored runs had, by length, from the machine file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/plan/parts.h"
#include "kernels/power_attention/power_attention.h"

enum { TILE = 64, SAMPLED_ROWS = 128 };

static const sb_origin given      = {SB_SOURCE_MEASURED, "the caller", 0, 0};
static const sb_origin by_formula = {SB_SOURCE_MEASURED, "the pattern's own rule", 0, 0};

int sbi_wanted_match(const sb_wanted *w, const void *params)
{
    for (int64_t i = 0; i < w->n; i++) {
        char json[SB_PARAM_JSON_BYTES];
        if (sb_param_json(w->param[i], params, json, sizeof json) != SB_OK ||
            strcmp(json, w->json[i]) != 0)
            return 0;
    }
    return 1;
}

static const char *wanted_value(const sb_wanted *w, const sb_param *p)
{
    for (int64_t i = 0; i < w->n; i++)
        if (w->param[i] == p)
            return w->json[i];
    return NULL;
}

int sbi_wanted_exact(const sb_wanted *w, const sb_method *m, const void *params)
{
    char  json[SB_PARAM_JSON_BYTES], def[SB_PARAM_JSON_BYTES];
    void *defaults = calloc(1, m->params_bytes + 1);
    int   same     = defaults != NULL && sb_params_default(m->params, defaults) == SB_OK;
    for (const sb_param *p = m->params; same && p != NULL && p->name != NULL; p++) {
        const char *want = wanted_value(w, p);
        same             = sb_param_json(p, params, json, sizeof json) == SB_OK &&
               (want != NULL || sb_param_json(p, defaults, def, sizeof def) == SB_OK) &&
               strcmp(json, want != NULL ? want : def) == 0;
    }
    free(defaults);
    return same;
}

/* Sinks and a window, in tiles of 64 x 64: those that any row of a block of rows sees. */
static sbi_lanes window(const sb_plan_case *c, const char *window_key)
{
    double sink = sbi_param_value(c->method, c->params, "sink_tokens", 0);
    double near = sbi_param_value(c->method, c->params, window_key, 1);
    sb_run rows = {c->n_tokens - c->n_queries, c->n_queries};
    double keys = TILE * (ceil(sink / TILE) + ceil((near - 1) / TILE) + 1);
    return (sbi_lanes){.share         = fmin(sbi_pairs(rows, keys) / sbi_pairs(rows, INFINITY), 1),
                       .keys          = keys,
                       .window        = 1,
                       .sink_tokens   = (int64_t)fmin(sink, (double)c->n_tokens),
                       .window_tokens = (int64_t)fmin(near, (double)c->n_tokens),
                       .known         = 1,
                       .origin        = by_formula};
}

/* Blocks of a row as the method itself lists them, of rows spread over the sequence. */
static sbi_lanes power(const sb_plan_case *c)
{
    const sb_power_attention_params *p = c->params;
    int64_t  n_blocks = (c->n_tokens + p->block_tokens - 1) / p->block_tokens, n = 0;
    int64_t  step = n_blocks / SAMPLED_ROWS + 1;
    double   kept = 0, all = 0;
    int32_t *ids = malloc((size_t)(n_blocks + 1) * sizeof *ids);
    if (ids == NULL)
        return (sbi_lanes){.share = 1, .keys = INFINITY, .note = "no memory to list its blocks"};
    for (int64_t row = step / 2; row < n_blocks; row += step) {
        sb_power_attention_row(p, row, ids, &n);
        kept += (double)n - 0.5;
        all += (double)row + 0.5;
    }
    free(ids);
    double share = all > 0 ? fmin(kept / all, 1) : 1;
    return (sbi_lanes){.share  = share,
                       .keys   = sbi_pairs_keys(c->n_tokens - c->n_queries, c->n_tokens, share),
                       .known  = 1,
                       .origin = by_formula};
}

/* ---- the machine's table ---- */

static double at_length(const sb_density *d, int64_t n_tokens)
{
    int64_t i = 0;
    double  n = (double)n_tokens;
    if (n_tokens <= d->tokens[0])
        return d->beyond == SB_BEYOND_KEYS
                   ? fmax(d->share[0], fmin(1, d->share[0] * (double)d->tokens[0] / n))
                   : d->share[0];
    if (n_tokens >= d->tokens[d->n - 1])
        return d->share[d->n - 1] *
               (d->beyond == SB_BEYOND_KEYS ? (double)d->tokens[d->n - 1] / n : 1);
    while (d->tokens[i + 1] < n_tokens)
        i++;
    double x = log(n / (double)d->tokens[i]) / log((double)d->tokens[i + 1] / (double)d->tokens[i]);
    return exp((1 - x) * log(d->share[i]) + x * log(d->share[i + 1]));
}

/* The entry for this case: of the same parameters rather than of others, of the same task rather
 * than of another, with more of the parameters rather than fewer. */
static const sb_density *find(const sb_machine *m, const sb_plan_case *c, int *score)
{
    const sb_density *best = NULL;
    *score                 = -1;
    for (int64_t i = 0; i < m->n_densities; i++) {
        const sb_density *d = &m->densities[i];
        if (d->method != c->method || d->n == 0)
            continue;
        int same_task = d->task == NULL || (c->task != NULL && strcmp(d->task, c->task) == 0);
        int s = 1000 * sbi_wanted_exact(&d->params, c->method, c->params) + 100 * same_task +
                10 * sbi_wanted_match(&d->params, c->params) * (int)d->params.n;
        if (s > *score) {
            best   = d;
            *score = s;
        }
    }
    return best;
}

static sbi_lanes from_table(const sb_machine *m, const sb_plan_case *c)
{
    int               score;
    const sb_density *d = find(m, c, &score);
    if (d == NULL)
        return (sbi_lanes){.share         = 1,
                           .keys          = INFINITY,
                           .origin.source = SB_SOURCE_SEED,
                           .note          = "no density of this method is known: taken for dense"};
    double    share = at_length(d, c->n_tokens);
    sbi_lanes l     = {.share = share, .keys = INFINITY, .known = 1, .origin = d->origin};
    if (d->beyond == SB_BEYOND_KEYS)
        l.keys = sbi_pairs_keys(c->n_tokens - c->n_queries, c->n_tokens, share);
    if (score < 1000)
        l.note = "density of other parameters of the method";
    else if (score % 1000 < 100)
        l.note = "density of another task";
    else if (c->n_tokens > 2 * d->tokens[d->n - 1])
        l.note = "density of a shorter length";
    return l;
}

static sbi_lanes by_rule(const sb_machine *m, const sb_plan_case *c)
{
    const char *name = c->method->name;
    if (strcmp(name, "dense") == 0)
        return (sbi_lanes){.share = 1, .keys = INFINITY, .known = 1, .origin = by_formula};
    if (strcmp(name, "streaming_llm") == 0 || strcmp(name, "a_shape") == 0)
        return window(c, "window_tokens");
    if (strcmp(name, "power_attention") == 0 &&
        ((const sb_power_attention_params *)c->params)->pattern < SB_POWER_BLOCK_PATTERNS)
        return power(c);
    if (strcmp(name, "random_blocks") == 0)
        return (sbi_lanes){.share  = sbi_param_value(c->method, c->params, "density", 1),
                           .keys   = INFINITY,
                           .known  = 1,
                           .origin = by_formula};
    return from_table(m, c);
}

int sbi_lanes_follow(const sb_plan_case *c)
{
    const sb_machine none = {.n_densities = 0};
    return by_rule(&none, c).known;
}

sbi_lanes sbi_lanes_of(const sb_machine *m, const sb_plan_case *c)
{
    sbi_lanes l = by_rule(m, c);
    if (c->density > 0) {
        l.share  = c->density;
        l.origin = given;
        l.note   = NULL;
    }
    return l;
}

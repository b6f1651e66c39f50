/* Patterns that are windows: one rule a head, a unit or a stretch of the sequence, no lists
 * [other_seed_methods: MoA, Neighborhood attention, BlockRank]. Nothing here reads q or k, and a
 * row's window depends on its place alone, so any shard may hold any rows. */
#include <math.h>
#include <string.h>

#include "kernels/exec/window_plan.h"
#include "kernels/power_attention/patterns.h"

enum { MOA_UNIT = 64, MOA_LEAST_SPAN = 128 };

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

int sbi_power_is_window(const sb_power_attention_params *p)
{
    return p->pattern >= SB_POWER_BLOCK_PATTERNS;
}

void sb_moa_window(double alpha, double beta, int64_t n_tokens, sb_head_window *out)
{
    double  span       = fmin(alpha + beta * (double)n_tokens, (double)n_tokens);
    int64_t cache      = (int64_t)ceil(fmax(span, MOA_LEAST_SPAN) / MOA_UNIT) * MOA_UNIT;
    out->sink_tokens   = min_i64(cache, MOA_UNIT);
    out->window_tokens = cache - out->sink_tokens;
}

static sb_status check_moa(const sb_power_attention_params *p, const sb_shape *shape)
{
    const sbi_moa_file *f = p->plan_file.content;
    if (p->plan_file.path[0] == '\0')
        return SB_OK;
    if (f == NULL)
        return sb_fail(SB_ERR_INTERNAL, "plan_file: %.200s has not been read", p->plan_file.path);
    if (f->n_heads != sb_shape_model_heads(shape))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "plan_file: found %lld heads in each layer, allowed the model's %lld",
                       (long long)f->n_heads, (long long)sb_shape_model_heads(shape));
    return SB_OK;
}

sb_status sbi_power_windows_check(const sb_power_attention_params *p, const sb_shape *shape)
{
    if (p->pattern == SB_POWER_MOA)
        return check_moa(p, shape);
    if (p->pattern == SB_POWER_NEIGHBORHOOD && p->stride_tokens > p->window_tokens)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "stride_tokens: found %lld, allowed up to window_tokens %lld",
                       (long long)p->stride_tokens, (long long)p->window_tokens);
    return SB_OK;
}

/* ---- blockrank ---- */

/* Where the documents lie: [begin, end), `each` tokens but for a shorter last one. */
typedef struct documents {
    int64_t begin, end, each, n;
} documents;

static documents documents_of(const sb_power_attention_params *p, int64_t n_tokens)
{
    documents d = {.begin = min_i64(p->instruction_tokens, n_tokens)};
    d.end       = max_i64(n_tokens - p->query_tokens, d.begin);
    d.each =
        p->documents > 0 ? (d.end - d.begin + p->documents - 1) / p->documents : p->document_tokens;
    d.each = max_i64(d.each, 1);
    d.n    = (d.end - d.begin + d.each - 1) / d.each;
    return d;
}

/* Instruction, documents, query: the query block sees everything, and so does every decode step,
 * which goes on with it. */
static void plan_blockrank(const sb_power_attention_params *p, const sb_shape *shape, sb_plan *plan)
{
    documents       d   = documents_of(p, shape->n_keys);
    sb_window_span *s   = plan->form.span;
    int64_t         n   = 0;
    plan->sink_tokens   = p->instruction_tokens;
    plan->window_tokens = SB_WINDOW_ALL;
    plan->fallback      = d.n == 0;
    plan->form.n_spans  = 0;
    if (shape->is_decode)
        return;
    s[n++] = (sb_window_span){0, 0};
    for (int64_t i = 0; i < d.n; i++)
        s[n++] = (sb_window_span){d.begin + i * d.each, d.begin + i * d.each};
    s[n++]             = (sb_window_span){d.end, 0};
    plan->form.n_spans = n;
}

/* ---- moa ---- */

/* N' counts the prompt, which a decode step knows from the cache [MoA]; a method that did not see
 * the prefill takes what there is. */
static int64_t prompt_tokens(const sb_shape *shape, sb_cache *cache)
{
    int64_t n = 0;
    if (cache == NULL || cache->state_bytes < (int64_t)sizeof n || cache->state == NULL)
        return shape->n_keys;
    if (!shape->is_decode)
        memcpy(cache->state, &shape->n_keys, sizeof n);
    memcpy(&n, cache->state, sizeof n);
    return n > 0 ? n : shape->n_keys;
}

/* Of one layer's head, where prompt and new tokens are `total`. */
static sb_head_window moa_window(const sb_power_attention_params *p, const sb_shape *shape,
                                 int64_t layer, int64_t head, int64_t total)
{
    const sbi_moa_file *f  = p->plan_file.content;
    int64_t             at = f != NULL ? layer * f->n_heads + shape->first_head + head : 0;
    sb_head_window      w;
    if (f != NULL && f->has_windows)
        w = (sb_head_window){(int64_t)f->a[at], (int64_t)f->b[at]};
    else
        sb_moa_window(f != NULL ? f->a[at] : p->alpha_tokens, f != NULL ? f->b[at] : p->beta, total,
                      &w);
    /* whole units: each query sees its own one, itself included */
    w.window_tokens = round_up(w.window_tokens, p->granularity_tokens);
    return w;
}

static void plan_moa(const sb_ctx *ctx, const sb_power_attention_params *p, const sb_shape *shape,
                     sb_cache *cache, sb_plan *plan)
{
    int64_t total          = prompt_tokens(shape, cache) + p->max_new_tokens;
    plan->form.unit_tokens = p->granularity_tokens;
    for (int64_t h = 0; h < shape->heads; h++)
        plan->form.head[h] = moa_window(p, shape, ctx->layer, h, total);
}

/* ---- all three ---- */

static int64_t moa_row_lanes(const sb_power_attention_params *p, const sb_shape *shape, int64_t row)
{
    int64_t lanes = 0, layers = 1;
    if (p->plan_file.content != NULL)
        layers = ((const sbi_moa_file *)p->plan_file.content)->n_layers;
    for (int64_t l = 0; l < layers; l++)
        for (int64_t h = 0; h < shape->heads; h++) {
            sb_head_window w = moa_window(p, shape, l, h, shape->n_keys + p->max_new_tokens);
            lanes += sb_window_row_keys(w.sink_tokens, w.window_tokens, row);
        }
    return lanes;
}

static int64_t blockrank_row_keys(const sb_power_attention_params *p, int64_t n_tokens, int64_t row)
{
    documents d = documents_of(p, n_tokens);
    if (row < d.begin || row >= d.end)
        return row + 1;
    return d.begin + (row - d.begin) % d.each + 1;
}

int64_t sbi_power_windows_row_lanes(const sb_power_attention_params *p, const sb_shape *shape,
                                    int64_t row)
{
    if (p->pattern == SB_POWER_MOA)
        return moa_row_lanes(p, shape, row);
    if (p->pattern == SB_POWER_BLOCKRANK)
        return shape->heads * blockrank_row_keys(p, shape->n_keys, row);
    /* what lies between the keys of a dilated window is computed and masked */
    return shape->heads * (row / p->dilation_tokens < p->window_tokens
                               ? row + 1
                               : p->window_tokens * p->dilation_tokens);
}

sb_status sbi_power_windows_layout(sb_ctx *ctx, const sb_power_attention_params *p,
                                   const sb_shape *shape, sb_plan *plan)
{
    const sbi_moa_file *f    = p->plan_file.content;
    sb_plan             made = {.row_tokens = 1};
    sb_status           st   = SB_OK;
    if (p->pattern == SB_POWER_MOA) {
        if (f != NULL && ctx->layer >= f->n_layers)
            return sb_fail(SB_ERR_UNSUPPORTED,
                           "plan_file: found %lld layers, the model has a layer %d",
                           (long long)f->n_layers, (int)ctx->layer);
        made.form.n_heads = shape->heads;
        st = sb_arena_alloc(ctx->arena, shape->heads, sizeof *made.form.head, "moa windows",
                            (void **)&made.form.head);
    } else if (p->pattern == SB_POWER_BLOCKRANK && !shape->is_decode) {
        st = sb_arena_alloc(ctx->arena, documents_of(p, shape->n_keys).n + 2,
                            sizeof *made.form.span, "blockrank spans", (void **)&made.form.span);
    }
    if (st == SB_OK)
        *plan = made;
    return st;
}

sb_status sbi_power_windows_plan(sb_ctx *ctx, const sb_power_attention_params *p,
                                 const sb_shape *shape, sb_cache *cache, sb_plan *plan)
{
    int64_t t0 = sb_now_ns();
    if (p->pattern == SB_POWER_MOA) {
        plan_moa(ctx, p, shape, cache, plan);
    } else if (p->pattern == SB_POWER_NEIGHBORHOOD) {
        plan->window_tokens        = p->window_tokens;
        plan->form.unit_tokens     = p->stride_tokens;
        plan->form.dilation_tokens = p->dilation_tokens;
        plan->form.n_tokens        = shape->n_keys;
    } else {
        plan_blockrank(p, shape, plan);
    }
    plan->parts = SB_PART_WINDOW;
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return SB_OK;
}

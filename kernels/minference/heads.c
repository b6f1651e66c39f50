/* What each head of a layer does: one line of the configuration file, or the parameters [3.1]. */
#include "kernels/exec/window_plan.h"
#include "kernels/minference/config_file.h"
#include "kernels/minference/work.h"

int64_t sbi_minference_scaled(int64_t value, double ratio)
{
    double x = (double)value * ratio;
    return ratio == 1.0 ? value : x < 0x1p61 ? (int64_t)x : INT64_C(1) << 61;
}

/* k = min(N, max(k, least)) [3.3] */
static int64_t budget(int64_t tokens, double ratio, int64_t least, int64_t n_keys)
{
    int64_t k = sbi_minference_scaled(tokens, ratio);
    k         = k > least ? k : least;
    return k < n_keys ? k : n_keys;
}

sbi_minference_head sbi_minference_head_of(const sb_minference_params *p, int64_t layer,
                                           int64_t head, const sb_shape *shape)
{
    int64_t                      n_keys = shape->n_keys, own = shape->first_head + head;
    const sbi_minference_config *f       = p->config_file.content;
    sbi_minference_head          h       = {.pattern = p->pattern};
    int                          a_shape = p->pattern == SB_MINFERENCE_A_SHAPE;
    int64_t                      a       = a_shape ? p->sink_tokens : p->vertical_tokens;
    int64_t                      b       = a_shape ? p->window_tokens : p->slash_tokens;
    if (f != NULL && layer < f->n_layers && own < f->n_heads &&
        f->entry[layer * f->n_heads + own].pattern != SBI_MINFERENCE_NO_ENTRY) {
        const sbi_minference_entry *e = &f->entry[layer * f->n_heads + own];
        h.pattern                     = e->pattern;
        a                             = e->a;
        b                             = e->b;
    }
    if (h.pattern == SB_MINFERENCE_VERTICAL_SLASH) {
        h.n_vertical = budget(a, p->ratio, SBI_MINFERENCE_SINK, n_keys);
        h.n_slash    = budget(b, p->ratio, SBI_MINFERENCE_SLASH, n_keys);
    } else if (h.pattern == SB_MINFERENCE_A_SHAPE) {
        h.window.sink_tokens   = sbi_minference_scaled(a, p->ratio);
        h.window.window_tokens = sbi_minference_scaled(b, p->ratio);
    }
    return h;
}

static int64_t head_keys(const sb_minference_params *p, const sbi_minference_head *h,
                         const sb_shape *shape, int64_t row)
{
    int64_t block = SBI_MINFERENCE_BLOCK, most = sbi_minference_blocks(shape->n_keys);
    switch (h->pattern) {
    case SB_MINFERENCE_VERTICAL_SLASH: /* a diagonal is a block wide */
        return sb_window_row_keys(h->n_vertical, block * h->n_slash, row);
    case SB_MINFERENCE_BLOCK_SPARSE:
        return sb_window_row_keys(0, block * (p->top_k_blocks < most ? p->top_k_blocks : most),
                                  row);
    default:
        return sb_window_row_keys(h->window.sink_tokens, h->window.window_tokens, row);
    }
}

int64_t sbi_minference_row_lanes(const void *params, const sb_shape *shape, int64_t row)
{
    const sb_minference_params  *p      = params;
    const sbi_minference_config *f      = p->config_file.content;
    int64_t                      layers = f != NULL && f->n_layers > 0 ? f->n_layers : 1, n = 0;
    for (int64_t l = 0; l < layers; l++)
        for (int64_t i = 0; i < (f != NULL ? shape->heads : 1); i++) {
            sbi_minference_head h = sbi_minference_head_of(p, l, i, shape);
            n += head_keys(p, &h, shape, row) * (f != NULL ? 1 : shape->heads);
        }
    return n;
}

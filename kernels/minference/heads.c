/* What each head of a layer does: one line of the configuration file, or the parameters [3.1]. */
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

/* What has no noise worth a test: memory and density, over inputs that both sides have. */
#include <math.h>
#include <string.h>

#include "results/gate/internal.h"

static const int64_t *bytes_of(const sbi_gate_sample *s, const char *kind)
{
    for (int64_t i = 0; i < s->n_memory; i++)
        if (strcmp(s->memory[i].kind, kind) == 0)
            return &s->memory[i].bytes;
    return NULL;
}

static sb_status bound(sbi_gate *g, const sbi_gate_pair *pair, sb_gate_check check,
                       const char *what, double was, double is, double ratio, int64_t n)
{
    int              bytes = check == SB_GATE_MEMORY;
    double           unit  = bytes ? 1048576 : 1;
    const char      *name  = bytes ? " MiB" : "";
    sb_gate_finding *f     = NULL;
    /* of nothing, nothing is as much */
    double    x  = was > 0 ? is / was : is > 0 ? INFINITY : 1;
    sb_status st = sbi_gate_add(g, pair, check, what, x <= ratio ? SB_GATE_PASS : SB_GATE_FAIL, &f,
                                "%.6g%s -> %.6g%s, ratio %.4f, at most %.4g, %lld inputs",
                                was / unit, name, is / unit, name, x, ratio, (long long)n);
    if (st == SB_OK) {
        f->estimate = x;
        f->bound    = ratio;
        f->n_base = f->n_new = n;
    }
    return st;
}

sb_status sbi_gate_memory(sbi_gate *g, const sbi_gate_pair *pair)
{
    sb_status st = SB_OK;
    for (int64_t k = 0; st == SB_OK && k < g->rules->kinds.n; k++) {
        const char *kind = g->rules->kinds.v[k];
        double      was = 0, is = 0;
        int64_t     n = 0;
        for (int64_t i = 0; i < pair->base->n_samples; i++) {
            const sbi_gate_sample *a = &pair->base->samples[i];
            const sbi_gate_sample *b = sbi_gate_sample_find(pair->new, a->sha);
            const int64_t         *x = bytes_of(a, kind), *y = b == NULL ? NULL : bytes_of(b, kind);
            if (x == NULL || y == NULL)
                continue;
            was = fmax(was, (double)*x);
            is  = fmax(is, (double)*y);
            n++;
        }
        if (n > 0)
            st = bound(g, pair, SB_GATE_MEMORY, kind, was, is, pair->bounds.memory_ratio, n);
    }
    return st;
}

sb_status sbi_gate_density(sbi_gate *g, const sbi_gate_pair *pair)
{
    double  was_num = 0, was_den = 0, is_num = 0, is_den = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < pair->base->n_samples; i++) {
        const sbi_gate_sample *a = &pair->base->samples[i];
        const sbi_gate_sample *b = sbi_gate_sample_find(pair->new, a->sha);
        if (a->rho_den == 0 || b == NULL || b->rho_den == 0)
            continue;
        was_num += (double)a->rho_num;
        was_den += (double)a->rho_den;
        is_num += (double)b->rho_num;
        is_den += (double)b->rho_den;
        n++;
    }
    return n == 0 ? SB_OK
                  : bound(g, pair, SB_GATE_DENSITY, "", was_num / was_den, is_num / is_den,
                          pair->bounds.density_ratio, n);
}

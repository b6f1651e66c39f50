/* Readout: logit(x) = c(x) . OUT / 128, or AGR for counted words; greedy choice inside an answer
 * class [probe_model 5]. */
#include <string.h>

#include "harness/model/probe/state.h"
#include "workloads/probe/vocab.h"

static void add_row(const sb_bf16 *row, float *out)
{
    for (int32_t j = 0; row != NULL && j < SB_PROBE_DIM; j++)
        out[j] += sb_bf16_to_f32(row[j]);
}

void sb_probe_row_sum(const sb_bf16 *ngram, const sb_bf16 *var, const sb_bf16 *agr, float *out)
{
    memset(out, 0, SB_PROBE_ROW_VALUES * sizeof *out);
    add_row(ngram, out);
    add_row(var, out);
    add_row(agr, out + SB_PROBE_DIM);
}

static const sb_bf16 *row_of(const sb_bf16 *space, int64_t row)
{
    return space == NULL ? NULL : space + row * SB_PROBE_DIM;
}

sb_status sb_probe_row(const sb_model *m, int64_t row, float *out)
{
    const sb_probe          *p  = m->impl;
    const sb_probe_residual *r  = &p->res;
    int64_t                  at = row < 0 ? r->rows : row;
    sb_probe_row_sum(row_of(r->out_ngram, at), row_of(r->out_var, at), row_of(r->agr, at), out);
    return SB_OK;
}

/* Codes are +-1, so in double the sum of 128 bf16-born numbers is exact and equal logits compare
 * equal. */
static double logit(const sb_bf16 *code, const float *out)
{
    double sum = 0.0;
    for (int32_t j = 0; j < SB_PROBE_DIM; j++)
        sum += (double)sb_bf16_to_f32(code[j]) * (double)out[j];
    return sum / SB_PROBE_DIM;
}

static int is_excluded(int32_t id, const int32_t *exclude, int64_t n_exclude)
{
    for (int64_t i = 0; i < n_exclude; i++)
        if (exclude[i] == id)
            return 1;
    return 0;
}

int32_t sb_probe_argmax(const sb_model *m, const float *row, int32_t lo, int32_t hi,
                        const int32_t *exclude, int64_t n_exclude)
{
    const sb_probe *p     = m->impl;
    const sb_bf16  *codes = p->other.content != NULL ? p->other.content : p->codes.content;
    int32_t         best  = -1;
    double          top   = 0.0;
    for (int32_t id = lo < 0 ? 0 : lo; id < hi && id < SB_TOK_VOCAB; id++) {
        int    is_agg = id >= SB_TOK_AGG && id < SB_TOK_AGG + SB_TOK_AGG_N;
        double x;
        if (is_excluded(id, exclude, n_exclude))
            continue;
        x = logit(codes + (size_t)id * SB_PROBE_DIM, is_agg ? row + SB_PROBE_DIM : row);
        if (best < 0 || x > top) {
            best = id;
            top  = x;
        }
    }
    return best;
}

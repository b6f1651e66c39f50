#include "tests/oracle/judge.h"

#include <math.h>
#include <stdlib.h>

int64_t judge_gid(const sb_gid *gid, int64_t local)
{
    for (int32_t r = 0; r < gid->n_runs; r++) {
        if (local < gid->run[r].len)
            return gid->run[r].start + local;
        local -= gid->run[r].len;
    }
    abort(); /* a test asked for a token that is not there */
}

void judge_row(const sb_tensor *q, const sb_tensor *k, const sb_tensor *v, float scale,
               judge_visible visible, const void *state, int64_t head, int64_t row, double *o,
               double *lse)
{
    int64_t kv = head / (q->heads / k->heads), me = judge_gid(&q->gid, row), n = k->tokens,
            local    = 0;
    const sb_bf16 *a = sb_tensor_bf16(q, head, row);
    double        *s = malloc((size_t)(n > 0 ? n : 1) * sizeof *s), top = -INFINITY, sum = 0;
    for (int32_t r = 0; r < k->gid.n_runs; r++)
        for (int64_t i = 0; i < k->gid.run[r].len; i++, local++) {
            s[local] = -INFINITY;
            if (!visible(me, k->gid.run[r].start + i, state))
                continue;
            const sb_bf16 *b = sb_tensor_bf16(k, kv, local);
            s[local]         = 0;
            for (int64_t x = 0; x < q->dim; x++)
                s[local] += (double)sb_bf16_to_f32(a[x]) * (double)sb_bf16_to_f32(b[x]);
            s[local] *= (double)scale;
            top = fmax(top, s[local]);
        }
    for (int64_t x = 0; x < q->dim; x++)
        o[x] = 0;
    for (int64_t j = 0; j < n; j++) {
        if (isinf(s[j]))
            continue;
        double p = exp(s[j] - top);
        sum += p;
        for (int64_t x = 0; x < q->dim; x++)
            o[x] += p * (double)sb_bf16_to_f32(sb_tensor_bf16(v, kv, j)[x]);
    }
    for (int64_t x = 0; x < q->dim && sum > 0; x++)
        o[x] /= sum;
    *lse = sum > 0 ? top + log(sum) : -INFINITY;
    free(s);
}

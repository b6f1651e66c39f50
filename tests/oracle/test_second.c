/* hip, pbs_attn, lightning and linear against references that another hand wrote from the specs
 * alone (tests/oracle/second/). A selection may differ from them only where a decision was nearer
 * than fp32 can tell. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/registry.h"
#include "tests/oracle/case.h"
#include "tests/oracle/second/hip_second.h"
#include "tests/oracle/second/linear_second.h"
#include "tests/oracle/second/pbs_second.h"

/* Relative distance of a decision that fp32 sums over at most 256 products cannot turn. */
static const double NEAR = 1e-5;

static void attend(sb_case *c, const char *method, const char *params)
{
    ck_assert_msg(sb_case_attend(c, sb_method_find(method), params, SB_F32) == SB_OK, "%s",
                  sb_error_text());
}

/* ---- hip ---- */

typedef struct hip_row {
    sb_case_shape shape;
    const char   *params;
    hsecond_rule  rule;
} hip_row;

static const hip_row hips[] = {
    {{700, 700, 2, 1, 32},
     "top_k_tokens: 32, block_q_tokens: 32, window_tokens: 32, sink_tokens: 8",
     {32, 2, 2, 1, 32, 32, 8, 1}},
    {{901, 901, 4, 2, 16},
     "top_k_tokens: 64, block_q_tokens: 64, stride_q_tokens: 4, block_k_tokens: 4, "
     "stride_k_tokens: "
     "2, window_tokens: 64, sink_tokens: 0, align: 0",
     {64, 4, 4, 2, 64, 64, 0, 0}},
    {{128, 640, 2, 2, 64},
     "top_k_tokens: 32, block_q_tokens: 64, window_tokens: 64, sink_tokens: 16",
     {64, 2, 2, 1, 32, 64, 16, 1}},
};

START_TEST(hip_lists_are_the_references)
{
    const hip_row *t    = &hips[_i];
    sb_case       *c    = sb_case_random(t->shape, 100 + (uint64_t)_i);
    int64_t       *want = malloc((size_t)t->shape.n_k * sizeof *want), n_compared = 0, n_near = 0;
    attend(c, "hip", t->params);
    const sb_plan *p = &c->plan;
    for (int64_t h = 0; h < t->shape.heads; h++)
        for (int64_t r = 0; r < p->n_rows; r++) {
            int64_t first_row = p->row_id[0]; /* the reference counts query blocks from the first */
            double  margin;
            int64_t n = hsecond_search(&c->q, &c->k, &t->rule, h, p->row_id[r] - first_row, NULL,
                                       NULL, want, &margin);
            if (margin < NEAR) {
                n_near++;
                continue;
            }
            const int64_t *ptr = p->tiles.row_ptr + h * p->n_rows + r;
            ck_assert_msg(ptr[1] - ptr[0] == n, "head %lld row %lld: %lld ids, not %lld",
                          (long long)h, (long long)r, (long long)(ptr[1] - ptr[0]), (long long)n);
            for (int64_t i = 0; i < n; i++)
                if (p->tiles.id[ptr[0] + i] * p->tiles.unit_tokens != want[i])
                    ck_abort_msg("head %lld row %lld: key %lld, not %lld", (long long)h,
                                 (long long)r,
                                 (long long)(p->tiles.id[ptr[0] + i] * p->tiles.unit_tokens),
                                 (long long)want[i]);
            n_compared++;
        }
    ck_assert_int_gt(n_compared, 4 * n_near);
    free(want);
    sb_case_destroy(c);
}
END_TEST

/* ---- pbs_attn ---- */

typedef struct pbs_row {
    sb_case_shape shape;
    const char   *params;
    psecond_rule  rule;
} pbs_row;

static const pbs_row pbss[] = {
    {{640, 640, 2, 1, 32}, "block_tokens: 32, segment_tokens: 64, tau: 0.7", {32, 64, 0.7}},
    {{901, 901, 4, 2, 16}, "block_tokens: 16, segment_tokens: 64, tau: 0.5", {16, 64, 0.5}},
    {{777, 777, 2, 2, 64}, "block_tokens: 64, segment_tokens: 128, tau: 0.9", {64, 128, 0.9}},
};

/* s falls along every complete segment as far as fp32 can tell, and pi permutes it; the tail stays.
 */
static void check_order(const sb_case *c, const psecond_rule *r, int64_t head, const int64_t *pi)
{
    int64_t  n = c->shape.n_k, complete = n / r->segment * r->segment;
    double  *s    = calloc((size_t)n, sizeof *s);
    uint8_t *seen = calloc((size_t)n, 1);
    psecond_importance(&c->q, &c->k, r, head, s);
    for (int64_t slot = 0; slot < n; slot++) {
        ck_assert_int_eq(pi[slot] / r->segment, slot / r->segment);
        ck_assert_int_eq(seen[pi[slot]], 0);
        seen[pi[slot]] = 1;
        if (slot >= complete)
            ck_assert_int_eq(pi[slot], slot);
        else if (slot % r->segment > 0 && s[pi[slot]] > s[pi[slot - 1]] * (1 + NEAR))
            ck_abort_msg("head %lld slot %lld: %.9g after %.9g", (long long)head, (long long)slot,
                         s[pi[slot]], s[pi[slot - 1]]);
    }
    free(s);
    free(seen);
}

START_TEST(pbs_masks_are_the_references)
{
    const pbs_row *t = &pbss[_i];
    sb_case       *c = sb_case_random(t->shape, 200 + (uint64_t)_i);
    int64_t        n = t->shape.n_k, T = (n + t->rule.block - 1) / t->rule.block, near = 0;
    int64_t       *pi   = malloc((size_t)n * sizeof *pi);
    uint8_t       *want = malloc((size_t)(T * T)), *got = malloc((size_t)(T * T));
    attend(c, "pbs_attn", t->params);
    const sb_plan *p = &c->plan;
    ck_assert_int_eq(p->n_rows, T);
    for (int64_t h = 0; h < t->shape.heads; h++) {
        for (int64_t s = 0; s < n; s++)
            pi[s] = s - s % p->slots.segment_tokens +
                    p->slots.offset[(p->slots.n_heads == 1 ? 0 : h) * n + s];
        check_order(c, &t->rule, h, pi);
        double margin = psecond_mask(&c->q, &c->k, &t->rule, h, pi, want);
        memset(got, 0, (size_t)(T * T));
        for (int64_t r = 0; r < T; r++)
            for (int64_t i = p->tiles.row_ptr[h * T + r]; i < p->tiles.row_ptr[h * T + r + 1]; i++)
                got[r * T + p->tiles.id[i]] = 1;
        if (margin < NEAR)
            near++;
        else
            ck_assert_int_eq(memcmp(got, want, (size_t)(T * T)), 0);
    }
    ck_assert_int_lt(2 * near, t->shape.heads);
    free(pi), free(want), free(got);
    sb_case_destroy(c);
}
END_TEST

/* ---- lightning, linear ---- */

static double *widened(const sb_tensor *t, int64_t head)
{
    double *x = malloc((size_t)(t->tokens * t->dim) * sizeof *x);
    for (int64_t i = 0; i < t->tokens; i++)
        for (int64_t e = 0; e < t->dim; e++)
            x[i * t->dim + e] = (double)sb_bf16_to_f32(sb_tensor_bf16(t, head, i)[e]);
    return x;
}

static void silu(double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] /= 1 + exp(-x[i]);
}

static void to_unit(double *x, int64_t rows, int64_t d)
{
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0;
        for (int64_t e = 0; e < d; e++)
            sum += x[i * d + e] * x[i * d + e];
        for (int64_t e = 0; e < d; e++)
            x[i * d + e] /= sqrt(sum);
    }
}

typedef enum rule { LIGHTNING, RETNET, ELU1, GLA, DELTA, AAREN } rule;

typedef struct linear_row {
    const char *method, *params;
    rule        rule;
} linear_row;

/* gates of gla and gated_delta: the methods' parameter for tokens that come without */
static const double GATE = -0.03, BETA = 0.75;

static const linear_row linears[] = {
    {"lightning", "", LIGHTNING},
    {"linear", "kind: retnet, force_mode: chunked", RETNET},
    {"linear", "kind: elu1, force_mode: chunked", ELU1},
    {"linear", "kind: gla, gate: -0.03, force_mode: chunked", GLA},
    {"linear", "kind: gated_delta, gate: -0.03, beta: 0.75, force_mode: chunked", DELTA},
    {"linear", "kind: gated_delta, gate: -0.03, beta: 0.75, force_mode: recurrent", DELTA},
    {"linear", "kind: aaren", AAREN},
};

static void reference(const linear_row *t, const lsecond_head *h, int64_t heads, int64_t head)
{
    switch (t->rule) {
    case LIGHTNING: /* layer 0 of one: factor 1 + 1e-5 [lightning 3.1] */
        lsecond_decay(h, lsecond_alibi_slope(heads, head) * (1 + 1e-5));
        break;
    case RETNET:
        lsecond_decay(h, -log(lsecond_retention_gamma(head)));
        break;
    case ELU1:
        lsecond_elu1(h);
        break;
    case GLA:
        lsecond_gla(h);
        break;
    case DELTA:
        lsecond_gated_delta(h);
        break;
    default:
        lsecond_aaren(h);
    }
}

START_TEST(linear_outputs_are_the_references)
{
    const linear_row *t = &linears[_i];
    sb_case_shape     s = {301, 301, 6, 2, 32};
    sb_case          *c = sb_case_random(s, 300 + (uint64_t)_i);
    double           *o = calloc((size_t)(s.n_k * s.dim), sizeof *o),
           *gate        = malloc((size_t)(s.n_k * s.dim) * sizeof *gate),
           *beta        = malloc((size_t)s.n_k * sizeof *beta);
    for (int64_t i = 0; i < s.n_k * s.dim; i++)
        gate[i] = GATE;
    for (int64_t i = 0; i < s.n_k; i++)
        beta[i] = BETA;
    attend(c, t->method, t->params);
    for (int64_t h = 0; h < s.heads; h++) {
        double *q = widened(&c->q, h), *k = widened(&c->k, h / 3), *v = widened(&c->v, h / 3),
               wrong = 0, size = 0;
        if (t->rule == LIGHTNING) {
            silu(q, s.n_k * s.dim);
            silu(k, s.n_k * s.dim);
        } else if (t->rule == DELTA) {
            to_unit(q, s.n_k, s.dim);
            to_unit(k, s.n_k, s.dim);
        }
        lsecond_head head = {.n     = s.n_k,
                             .dk    = s.dim,
                             .dv    = s.dim,
                             .q     = q,
                             .k     = k,
                             .v     = v,
                             .gate  = gate,
                             .beta  = beta,
                             .scale = t->rule == LIGHTNING ? 1 : 1 / sqrt((double)s.dim),
                             .o     = o};
        reference(t, &head, s.heads, h);
        for (int64_t i = 0; i < s.n_k; i++)
            for (int64_t e = 0; e < s.dim; e++) {
                double want = o[i * s.dim + e], got = (double)sb_tensor_f32(&c->o, h, i)[e];
                wrong += (got - want) * (got - want);
                size += want * want;
            }
        ck_assert_double_le(sqrt(wrong / size), 1e-5); /* [lightning 8]: fp32 against fp64 */
        free(q), free(k), free(v);
    }
    free(o), free(gate), free(beta);
    sb_case_destroy(c);
}
END_TEST

#define COUNT(x) (int)(sizeof(x) / sizeof *(x))

int main(void)
{
    Suite *s = suite_create("second");
    TCase *t = tcase_create("references by another hand");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, hip_lists_are_the_references, 0, COUNT(hips));
    tcase_add_loop_test(t, pbs_masks_are_the_references, 0, COUNT(pbss));
    tcase_add_loop_test(t, linear_outputs_are_the_references, 0, COUNT(linears));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

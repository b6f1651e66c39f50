/* Where the dense attention mass of the synthetic distributions lies: sampled rows in plain C. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "tests/unit/workloads/synthetic/operands.h"

enum { MAX_DIM = 128, N_SHARES = 5, OFFSETS = 3 };

/* Keys of one head as floats, and the logits of one row over them. */
typedef struct head_keys {
    float  *k;
    double *mass; /* of the last row, summing to 1 over keys 0..row */
} head_keys;

static head_keys read_keys(const sb_operands *o, int64_t h)
{
    int64_t   n = o->shape.n_tokens, d = o->shape.head_dim;
    sb_tensor t = {.heads = o->shape.kv_heads, .tokens = n, .dim = d}; /* heads all at one place */
    head_keys keys = {malloc((size_t)(n * d) * sizeof(float)), malloc((size_t)n * sizeof(double))};
    t.data         = malloc((size_t)(n * d) * sizeof(sb_bf16));
    ck_assert(t.data != NULL && keys.k != NULL && keys.mass != NULL);
    ck_assert_int_eq(o->ops->fill(o, SB_OPERAND_K, h, 0, n, 0, &t), SB_OK);
    for (int64_t i = 0; i < n * d; i++)
        keys.k[i] = sb_bf16_to_f32(((sb_bf16 *)t.data)[i]);
    free(t.data);
    return keys;
}

static void free_keys(head_keys *keys)
{
    free(keys->k);
    free(keys->mass);
}

/* Query row `row` of the last query head of KV head h against all keys it sees. */
static void attend(const sb_operands *o, int64_t h, int64_t row, head_keys *keys)
{
    int64_t   d = o->shape.head_dim;
    sb_bf16   room[MAX_DIM];
    float     q[MAX_DIM];
    double    top = -INFINITY, sum = 0;
    sb_tensor t = {.data = room, .heads = o->shape.heads, .tokens = 1, .dim = d};
    ck_assert_int_eq(o->ops->fill(o, SB_OPERAND_Q, h, row, 1, 0, &t), SB_OK);
    for (int64_t j = 0; j < d; j++)
        q[j] = sb_bf16_to_f32(room[j]);
    for (int64_t i = 0; i <= row; i++) {
        const float *k    = keys->k + i * d;
        float        s[4] = {0};
        for (int64_t j = 0; j < d; j += 4)
            for (int64_t x = 0; x < 4; x++)
                s[x] += q[j + x] * k[j + x];
        keys->mass[i] = (double)((s[0] + s[1] + s[2] + s[3]) * o->scale);
        top           = fmax(top, keys->mass[i]);
    }
    for (int64_t i = 0; i <= row; i++)
        sum += keys->mass[i] = exp(keys->mass[i] - top);
    for (int64_t i = 0; i <= row; i++)
        keys->mass[i] /= sum;
}

/* A head's slashes, from the data: distances whose logits stand out in most rows. */
static void find_offsets(const sb_operands *o, int64_t h, head_keys *keys, int64_t out[OFFSETS])
{
    enum { ROWS = 8 };
    int64_t n = o->shape.n_tokens, found = 0;
    double *sum = calloc((size_t)(n / 2), sizeof *sum);
    ck_assert_ptr_nonnull(sum);
    for (int64_t r = 0; r < ROWS; r++) {
        int64_t row = n - 1 - 97 * r;
        attend(o, h, row, keys);
        for (int64_t s = 512; s < n / 2; s++)
            sum[s] += log(keys->mass[row - s]) / ROWS;
    }
    for (; found < OFFSETS; found++) {
        int64_t best = 512;
        for (int64_t s = 512; s < n / 2; s++)
            best = sum[s] > sum[best] ? s : best;
        out[found] = best;
        sum[best]  = -INFINITY;
    }
    free(sum);
}

/* sink | columns | slashes | last 256 | rest */
static void add_shares(const sb_operands *o, int64_t row, const head_keys *keys,
                       const int64_t offset[OFFSETS], double share[N_SHARES])
{
    int64_t d = o->shape.head_dim, level = 3 * d / 4;
    for (int64_t i = 0; i <= row; i++) {
        int64_t away = row - i;
        int     kind = away < 256 ? 3 : 4;
        if (away == offset[0] || away == offset[1] || away == offset[2])
            kind = 2;
        if (keys->k[i * d + level] != 0)
            kind = i < 4 ? 0 : 1;
        share[kind] += keys->mass[i];
    }
}

/* The table of [gpu_targets 4] at 32K, within .06. It does not say which rows it is the mean of;
 * the first eighth has few columns behind it and hence sinks of twice the share, so rows from
 * there on are meant. Four heads, one of them with many columns, stand for eight. */
START_TEST(structured_has_the_mass_shares_of_its_spec)
{
    enum { N = 32768, HEADS = 4, ROWS = 14, SEEDS = 2 };
    static const double want[N_SHARES] = {.24, .44, .13, .09, .10};
    double              got[N_SHARES]  = {0};
    for (int seed = 2; seed < 2 + SEEDS; seed++) {
        sb_operands *o = operands_make("structured", "",
                                       (sb_draw){.heads         = HEADS,
                                                 .kv_heads      = HEADS,
                                                 .head_dim      = 128,
                                                 .length_tokens = N,
                                                 .seed          = (uint64_t)seed});
        for (int64_t h = 0; h < HEADS; h++) {
            head_keys keys = read_keys(o, h);
            int64_t   offset[OFFSETS];
            find_offsets(o, h, &keys, offset);
            for (int64_t r = 0; r < ROWS; r++) {
                int64_t row = N / 8 + (2 * r + 1) * (N - N / 8) / (2 * ROWS);
                attend(o, h, row, &keys);
                add_shares(o, row, &keys, offset, got);
            }
            free_keys(&keys);
        }
        sb_operands_destroy(o);
    }
    for (int i = 0; i < N_SHARES; i++) {
        got[i] /= SEEDS * HEADS * ROWS;
        ck_assert_msg(fabs(got[i] - want[i]) <= .06, "share %d: found %.3f, wanted %.2f +- .06", i,
                      got[i], want[i]);
    }
}
END_TEST

static int by_mass(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Mean mass of the heaviest 1/32 of a row's keys, and of the needles. */
static void heaviest(const char *name, int64_t n, double *top, double *needles)
{
    enum { ROWS = 32 };
    sb_operands *o = operands_make(
        name, "",
        (sb_draw){.heads = 2, .kv_heads = 1, .head_dim = 64, .length_tokens = n, .seed = 4});
    head_keys keys = read_keys(o, 0);
    *top = *needles = 0;
    for (int64_t r = 0; r < ROWS; r++) {
        int64_t row = n / 8 + (2 * r + 1) * (n - n / 8) / (2 * ROWS);
        attend(o, 0, row, &keys);
        for (int64_t s = 0; s < o->n_spans; s++)
            if (o->spans[s].kind == SB_SPAN_NEEDLE && o->spans[s].tok_begin <= row)
                *needles += keys.mass[o->spans[s].tok_begin] / ROWS;
        qsort(keys.mass, (size_t)row + 1, sizeof *keys.mass, by_mass);
        for (int64_t i = 0; i <= row / 32; i++)
            *top += keys.mass[i] / ROWS;
    }
    free_keys(&keys);
    sb_operands_destroy(o);
}

START_TEST(clusters_hold_most_of_the_mass_and_random_spreads_it)
{
    double clustered, random, needle, unused, needles;
    heaviest("clustered", 16384, &clustered, &unused);
    heaviest("random", 16384, &random, &unused);
    heaviest("needle", 16384, &needle, &needles);
    ck_assert_double_gt(clustered, 0.7);
    ck_assert_double_lt(clustered, 0.98);
    ck_assert_double_lt(random, 0.25);
    ck_assert_double_gt(needles, 0.99);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("synthetic mass");
    TCase *t = tcase_create("mass");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, structured_has_the_mass_shares_of_its_spec);
    tcase_add_test(t, clusters_hold_most_of_the_mass_and_random_spreads_it);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}

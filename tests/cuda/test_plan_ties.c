/* Plans over few different keys and small whole numbers: every product is exact and most scores are
 * equal, so that the device's lists must be the CPU's to the last id, by the rules for ties alone
 * [hip 3.1; pbs_attn 3, steps 2 and 4]. Without a device: skipped (77). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/shard/device.h"
#include "kernels/base/rng.h"
#include "kernels/registry.h"
#include "tests/cuda/device_main.h"
#include "tests/oracle/case.h"

typedef struct ties {
    const char   *method, *params;
    sb_case_shape shape;
    int           kinds; /* of keys */
} ties;

static const ties cases[] = {
    {"hip", "top_k_tokens: 64, window_tokens: 32", {1500, 1500, 4, 2, 128}, 5},
    {"hip", "top_k_tokens: 64, window_tokens: 32", {1500, 1500, 4, 2, 64}, 1},
    {"hip", "top_k_tokens: 66, window_tokens: 32, align: 0", {777, 1500, 8, 1, 128}, 3},
    {"hip", "top_k_tokens: 512", {3000, 3000, 4, 1, 128}, 40},
    {"pbs_attn", "tau: 0.5", {1500, 1500, 4, 2, 128}, 5},
    {"pbs_attn", "block_tokens: 64, segment_tokens: 64, tau: 0.45", {1900, 1900, 4, 2, 64}, 2},
    {"pbs_attn", "block_tokens: 32, segment_tokens: 256, tau: 0.3", {1333, 1333, 4, 4, 128}, 1},
};

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

/* Rows of whole numbers from -2 to 2, `kinds` different ones (0: all) in any order. */
static void whole_numbers(sb_tensor *t, int kinds, uint64_t seed)
{
    sb_rng r = {seed};
    for (int64_t h = 0; h < t->heads; h++)
        for (int64_t i = 0; i < t->tokens; i++) {
            sb_bf16 *row = sb_tensor_bf16(t, h, i);
            if (kinds > 0 && i >= kinds)
                memcpy(row, sb_tensor_bf16(t, h, (int64_t)sb_rng_below(&r, (uint64_t)kinds)),
                       (size_t)t->dim * sizeof *row);
            else
                for (int64_t x = 0; x < t->dim; x++)
                    row[x] = sb_bf16_from_f32((float)sb_rng_below(&r, 5) - 2.0f);
        }
}

static void lists_are_equal(const sb_plan *a, const sb_plan *b, const sb_slots *slots)
{
    int64_t lists = a->tiles.n_heads * a->n_rows;
    ck_assert_int_eq(a->n_rows, b->n_rows);
    for (int64_t i = 0; i <= lists; i++)
        ck_assert_msg(a->tiles.row_ptr[i] == b->tiles.row_ptr[i], "list %lld ends at %lld and %lld",
                      (long long)i - 1, (long long)a->tiles.row_ptr[i],
                      (long long)b->tiles.row_ptr[i]);
    for (int64_t i = 0; i < a->tiles.row_ptr[lists]; i++)
        ck_assert_msg(a->tiles.id[i] == b->tiles.id[i], "id %lld is %d and %d", (long long)i,
                      a->tiles.id[i], b->tiles.id[i]);
    for (int64_t i = 0; i < slots->n_heads * slots->n_slots; i++)
        ck_assert_msg(slots->offset[i] == b->slots.offset[i], "slot %lld has %d and %d",
                      (long long)i, slots->offset[i], b->slots.offset[i]);
}

START_TEST(ties_go_by_the_rules)
{
    const ties      *t    = &cases[_i];
    const sb_method *m    = sb_method_find(t->method);
    sb_case         *c    = sb_case_random(t->shape, 3);
    sb_device_call  *call = NULL;
    sb_plan          plan = {0};
    const sb_plan   *got  = NULL;
    whole_numbers(&c->q, 0, 5 + (uint64_t)_i);
    whole_numbers(&c->k, t->kinds, 6 + (uint64_t)_i);
    must(sb_case_attend(c, m, t->params, SB_F32));
    sb_ctx      ctx = {.backend = &sb_backend_cuda, .threads = 1, .n_layers = 1};
    sb_tensor   q, k, v, o;
    sb_attn_in  in  = {.q = &q, .k = &k, .v = &v, .scale = c->scale};
    sb_attn_out out = {.o = &o, .mode = SB_OUT_SET};
    must(sb_device_call_open(&sb_backend_cuda, &call));
    must(sb_device_call_upload(call, &c->q, &q));
    must(sb_device_call_upload(call, &c->k, &k));
    must(sb_device_call_upload(call, &c->v, &v));
    o = q;
    must(sb_device_call_take(call, (size_t)(q.heads * q.head_stride) * sizeof(sb_bf16), &o.data));
    must(sb_device_call_attend(call, &ctx, m, c->params, &in, &c->seen, &plan, NULL, &out));
    must(sb_device_call_fetch_plan(call, &plan, &got));
    ck_assert_int_eq(got->fallback, 0);
    lists_are_equal(&c->plan, got, &c->plan.slots);
    ck_assert_int_eq(c->plan.estimate_flops, got->estimate_flops);
    sb_device_call_close(call);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("plan ties");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, ties_go_by_the_rules, 0, sizeof cases / sizeof *cases);
    suite_add_tcase(s, t);
    return device_run(s);
}

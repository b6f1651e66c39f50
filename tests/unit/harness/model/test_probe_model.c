/* The probe's record: storage, embedding, shards, decode rows, readout and the errors of bad input.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/harness/model/probe_rig.h"

#define D SB_PROBE_DIM
#define N 300

static const sb_model_ops *const ops = &sb_model_probe;

typedef struct store { /* storage of one layout */
    sb_arena arena;
    void    *block;
} store;

static void lay_out(store *s, sb_model *m, const sb_input *in, int64_t rows)
{
    sb_arena count;
    size_t   bytes;
    sb_arena_init_count(&count);
    ck_assert_int_eq(ops->layout(m, in, rows, &count), SB_OK);
    bytes    = (count.high_water_bytes + SB_ARENA_ALIGN - 1) / SB_ARENA_ALIGN * SB_ARENA_ALIGN;
    s->block = aligned_alloc(SB_ARENA_ALIGN, bytes);
    ck_assert_ptr_nonnull(s->block);
    sb_arena_init(&s->arena, s->block, bytes, SB_ARENA_PLAIN);
    memset(s->block, 0xFF, bytes);
    ck_assert_int_eq(ops->layout(m, in, rows, &s->arena), SB_OK);
    ck_assert_uint_eq(s->arena.high_water_bytes, count.high_water_bytes);
}

/* q, k, v of every layer for the tokens of gid; attention output is a function of (layer, head,
 * global id). Rows are written to their global place in q[layer], k[layer], v[layer] of N rows. */
static void all_layers(const char *const *settings, int32_t threads, const sb_input *in,
                       const sb_gid *gid, sb_bf16 *out)
{
    enum { HEADS = SB_PROBE_HEADS + 2 * SB_PROBE_KV_HEADS };
    sb_model      *m    = rig_model(settings, threads);
    int64_t        rows = gid->n_tokens;
    store          s;
    sb_model_shape shape;
    sb_bf16       *qkv = malloc((size_t)HEADS * (size_t)rows * D * sizeof *qkv);
    sb_bf16       *o   = malloc((size_t)SB_PROBE_HEADS * (size_t)rows * D * sizeof *o);
    ck_assert(qkv != NULL && o != NULL);
    lay_out(&s, m, in, rows);
    ck_assert_int_eq(ops->shape(m, in, &shape), SB_OK);
    ck_assert_int_eq(ops->embed(m, in, gid), SB_OK);
    for (int32_t l = 0; l < shape.n_layers; l++) {
        sb_tensor t[4]  = {{.data = qkv, .heads = SB_PROBE_HEADS},
                           {.data = qkv + SB_PROBE_HEADS * rows * D, .heads = SB_PROBE_KV_HEADS},
                           {.data  = qkv + (SB_PROBE_HEADS + SB_PROBE_KV_HEADS) * rows * D,
                            .heads = SB_PROBE_KV_HEADS},
                           {.data = o, .heads = SB_PROBE_HEADS}};
        int64_t   local = 0;
        for (int i = 0; i < 4; i++) {
            t[i].dtype       = SB_BF16;
            t[i].tokens      = rows;
            t[i].dim         = D;
            t[i].head_stride = rows * D;
        }
        ck_assert_int_eq(ops->qkv(m, l, 0, &t[0], &t[1], &t[2]), SB_OK);
        for (int32_t r = 0; r < gid->n_runs; r++)
            for (int64_t i = 0; i < gid->run[r].len; i++, local++)
                for (int64_t h = 0; h < HEADS; h++) {
                    int64_t id = gid->run[r].start + i;
                    memcpy(out + (((int64_t)l * HEADS + h) * N + id) * D,
                           qkv + (h * rows + local) * D, D * sizeof *out);
                    for (int64_t j = 0; h < SB_PROBE_HEADS && j < D; j++)
                        o[(h * rows + local) * D + j] =
                            sb_bf16_from_f32((float)((id * 7 + j * 5 + h * 3 + l) % 17 - 8) / 8.0f);
                }
        ck_assert_int_eq(ops->absorb(m, l, 0, &t[3]), SB_OK);
    }
    free(qkv);
    free(o);
    free(s.block);
    ops->destroy(m);
}

static const sb_profile profiles[] = {SB_PROFILE_AGG, SB_PROFILE_RET, SB_PROFILE_VT};

START_TEST(two_shards_equal_the_whole) /* and threads do not matter; bit for bit */
{
    static const sb_run whole[] = {{0, N}}, first[] = {{0, 70}, {233, 67}}, second[] = {{70, 163}};
    enum { HEADS = SB_PROBE_HEADS + 2 * SB_PROBE_KV_HEADS };
    int32_t  ids[N];
    sb_input in  = rig_input(ids, N, profiles[_i], 3, 11);
    size_t bytes = (size_t)sb_probe_n_layers(in.profile, in.hops) * HEADS * N * D * sizeof(sb_bf16);
    sb_bf16 *want = malloc(bytes), *got = malloc(bytes);
    ck_assert(want != NULL && got != NULL);
    for (int32_t t = 0; t < 40; t++) /* every class of token */
        ids[7 * t + 5] = (int32_t)((int64_t)t * SB_TOK_VOCAB / 40);
    all_layers(NULL, 1, &in, &(sb_gid){whole, 1, N}, want);
    memset(got, 0x55, bytes);
    all_layers(NULL, 3, &in, &(sb_gid){first, 2, 137}, got);
    all_layers(NULL, 2, &in, &(sb_gid){second, 1, 163}, got);
    ck_assert_int_eq(memcmp(want, got, bytes), 0);
    free(want);
    free(got);
}
END_TEST

START_TEST(embed_one_equals_the_row_of_embed) /* all that is a function of token and position */
{
    static const int64_t at[] = {
        0, 1, 100, N - SB_PROBE_QUESTION_TOKENS - 1, N - SB_PROBE_QUESTION_TOKENS, N - 1};
    static const sb_run run = {0, N};
    int32_t             ids[N];
    sb_input            in = rig_input(ids, N, SB_PROFILE_RET, 0, 5);
    sb_model           *m  = rig_model(NULL, 1);
    const sb_probe     *p  = m->impl;
    store               s;
    ids[100]   = SB_TOK_VAL + 3;
    ids[N - 1] = SB_TOK_LEAD;
    lay_out(&s, m, &in, N);
    ck_assert_int_eq(ops->embed(m, &in, &(sb_gid){&run, 1, N}), SB_OK);
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        const sb_probe_residual *r = &p->res;
        ck_assert_int_eq(ops->embed_one(m, &in, ids[at[i]], at[i]), SB_OK);
        ck_assert_int_eq(r->id[N], r->id[at[i]]);
        ck_assert_int_eq(r->value_id[N], r->value_id[at[i]]);
        ck_assert_int_eq(r->agg_id[N], r->agg_id[at[i]]);
        ck_assert_int_eq(r->salient[N], r->salient[at[i]]);
        ck_assert_int_eq(r->bos[N], r->bos[at[i]]);
        ck_assert_mem_eq(r->phi + N * D, r->phi + at[i] * D, D * sizeof(sb_bf16));
        ck_assert_mem_eq(r->topic + N * SB_PROBE_TOPIC, r->topic + at[i] * SB_PROBE_TOPIC,
                         SB_PROBE_TOPIC * sizeof(sb_bf16));
    }
    free(s.block);
    ops->destroy(m);
}
END_TEST

START_TEST(a_decoded_token_equals_the_same_token_in_a_prompt)
{
    int32_t  ids[N + 3];
    sb_input longer = rig_input(ids, N + 3, SB_PROFILE_VT, 2, 21);
    sb_input in;
    float    want[SB_PROBE_ROW_VALUES], got[SB_PROBE_ROW_VALUES];
    rig      a, b;
    ids[90]          = SB_TOK_VAL + 1;
    ids[91]          = SB_TOK_VAR;
    ids[N]           = SB_TOK_NAME + 4;
    in               = longer;
    in.n_tokens      = N;
    longer.n_context = in.n_context = N - SB_PROBE_QUESTION_TOKENS;
    rig_open(&a, NULL, &longer, 0);
    rig_prefill(&a, 0);
    rig_open(&b, NULL, &in, 3);
    rig_prefill(&b, 0);
    for (int64_t t = N; t < N + 3; t++) {
        rig_feed(&b, ids[t]);
        ops->row(a.model, t, want);
        ops->row(b.model, -1, got);
        ck_assert_mem_eq(want, got, sizeof want);
    }
    rig_close(&a);
    rig_close(&b);
}
END_TEST

START_TEST(layers_follow_the_profile)
{
    static const int32_t want[] = {1, 2, 6};
    sb_input             in     = {.profile = profiles[_i], .hops = 4};
    sb_model            *m      = rig_model(NULL, 1);
    sb_model_shape       shape;
    ck_assert_int_eq(ops->shape(m, &in, &shape), SB_OK);
    ck_assert_int_eq(shape.n_layers, want[_i]);
    ck_assert(shape.heads == 8 && shape.kv_heads == 4 && shape.head_dim == 128);
    ck_assert_float_eq_tol(shape.scale, 0.08838835f, 1e-8f);
    ops->destroy(m);
}
END_TEST

START_TEST(presets_fill_only_what_was_not_given)
{
    static const struct {
        const char *settings[4];
        double      g, halo, sigma_c;
    } cases[] = {
        {{NULL}, 10, 1, 0.5},
        {{"preset=easy", NULL}, 14, 1, 0.1},
        {{"preset=hard", NULL}, 10, 0.5, 1},
        {{"preset=hard", "halo=0", "g=4", NULL}, 4, 0, 1},
        {{"sigma_c=0", NULL}, 10, 1, 0},
    };
    sb_model       *m = rig_model(cases[_i].settings, 1);
    const sb_probe *p = m->impl;
    ck_assert_double_eq(p->par.g, cases[_i].g);
    ck_assert_double_eq(p->par.halo, cases[_i].halo);
    ck_assert_double_eq(p->par.sigma_c, cases[_i].sigma_c);
    ops->destroy(m);
}
END_TEST

START_TEST(topic_maps_do_not_change_with_the_number_of_hops)
{
    sb_model *a = rig_model(NULL, 1), *b = rig_model(NULL, 1);
    sb_probe *p = a->impl, *q = b->impl;
    double    sum = 0.0, squares = 0.0;
    int64_t   n = (int64_t)4 * SB_PROBE_HEADS * D * SB_PROBE_TOPIC;
    ck_assert_int_eq(sb_probe_topics_grow(p, 3), SB_OK);
    ck_assert_int_eq(sb_probe_topics_grow(p, 4), SB_OK);
    ck_assert_int_eq(sb_probe_topics_grow(q, 4), SB_OK);
    for (int32_t l = 0; l < 4; l++)
        for (int32_t h = 0; h < SB_PROBE_HEADS; h++) {
            const float *x = sb_probe_topic_map(p, l, h);
            ck_assert_mem_eq(x, sb_probe_topic_map(q, l, h),
                             D * SB_PROBE_TOPIC_PAD * sizeof(float));
            for (int i = 0; i < D * SB_PROBE_TOPIC_PAD; i++) {
                sum += (double)x[i];
                squares += (double)(x[i] * x[i]);
            }
        }
    ck_assert_double_eq_tol(sum / (double)n, 0.0, 0.02); /* 57344 draws: 5 standard errors */
    ck_assert_double_eq_tol(squares / (double)n, 1.0, 0.03);
    ops->destroy(a);
    ops->destroy(b);
}
END_TEST

START_TEST(argmax_reads_the_class_and_breaks_ties_downwards)
{
    sb_model       *m                        = rig_model(NULL, 1);
    const sb_probe *p                        = m->impl;
    float           row[SB_PROBE_ROW_VALUES] = {0};
    int32_t         exclude[2];
    for (int j = 0; j < D; j++) {
        row[j]     = sb_bf16_to_f32(p->codes.content[(SB_TOK_LEAD + 9) * D + j]);
        row[D + j] = sb_bf16_to_f32(p->codes.content[(SB_TOK_AGG + 77) * D + j]);
    }
    ck_assert_int_eq(ops->argmax(m, row, SB_TOK_LEAD, SB_TOK_LEAD + 128, NULL, 0), SB_TOK_LEAD + 9);
    ck_assert_int_eq(ops->argmax(m, row, SB_TOK_AGG, SB_TOK_AGG + 128, NULL, 0), SB_TOK_AGG + 77);
    exclude[0] = SB_TOK_LEAD + 9; /* the others are orthogonal to the row: all tie at 0 */
    exclude[1] = SB_TOK_LEAD;
    ck_assert_int_eq(ops->argmax(m, row, SB_TOK_LEAD, SB_TOK_LEAD + 128, exclude, 1), SB_TOK_LEAD);
    ck_assert_int_eq(ops->argmax(m, row, SB_TOK_LEAD, SB_TOK_LEAD + 128, exclude, 2),
                     SB_TOK_LEAD + 1);
    ck_assert_int_eq(ops->argmax(m, row, SB_TOK_LEAD, SB_TOK_LEAD, NULL, 0), -1);
    ops->destroy(m);
}
END_TEST

START_TEST(bad_input_is_refused)
{
    static const sb_run run = {0, N}, late = {1, N};
    int32_t             ids[N];
    sb_input            in = rig_input(ids, N, SB_PROFILE_VT, 0, 3);
    sb_model           *m  = rig_model(NULL, 1);
    sb_arena            count;
    store               s;
    sb_tensor           t = {.dtype = SB_F32, .heads = 8, .tokens = N, .dim = D};
    sb_arena_init_count(&count);
    ck_assert_int_eq(ops->layout(m, &in, N, &count), SB_ERR_USAGE);
    ck_assert_str_eq(sb_error_text(), "probe: a vt input of 0 hops, allowed 1 to 127");
    in.hops = 1;
    lay_out(&s, m, &in, N);
    ids[17] = SB_TOK_VOCAB;
    ck_assert_int_eq(ops->embed(m, &in, &(sb_gid){&run, 1, N}), SB_ERR_USAGE);
    ck_assert_str_eq(sb_error_text(), "probe: token id 33280 at position 17, allowed 0 to 33279");
    ck_assert_int_eq(ops->embed_one(m, &in, -1, N), SB_ERR_USAGE);
    ck_assert_int_eq(ops->embed(m, &in, &(sb_gid){&late, 1, N}), SB_ERR_INTERNAL);
    ck_assert_int_eq(ops->embed(m, &in, &(sb_gid){&run, 1, N - 1}), SB_ERR_INTERNAL);
    ck_assert_int_eq(ops->absorb(m, 0, 0, &t), SB_ERR_INTERNAL);
    ck_assert_int_eq(ops->qkv(m, 3, 0, &t, &t, &t), SB_ERR_INTERNAL);
    free(s.block);
    ops->destroy(m);
}
END_TEST

START_TEST(an_arena_too_small_is_an_error_and_leaves_the_model_as_it_was)
{
    static unsigned char block[4096] __attribute__((aligned(SB_ARENA_ALIGN)));
    int32_t              ids[N];
    sb_input             in = rig_input(ids, N, SB_PROFILE_RET, 0, 3);
    sb_model            *m  = rig_model(NULL, 1);
    const sb_probe      *p  = m->impl;
    sb_arena             a;
    sb_arena_init(&a, block, sizeof block, SB_ARENA_PLAIN);
    ck_assert_int_eq(ops->layout(m, &in, N, &a), SB_ERR_NOMEM);
    ck_assert_ptr_null(p->res.id);
    ops->destroy(m);
}
END_TEST

START_TEST(a_rank_may_own_no_token)
{
    int32_t   ids[N];
    sb_input  in = rig_input(ids, N, SB_PROFILE_RET, 0, 3);
    sb_model *m  = rig_model(NULL, 2);
    store     s;
    sb_tensor t  = {.dtype = SB_BF16, .heads = 8, .dim = D},
              kv = {.dtype = SB_BF16, .heads = 4, .dim = D};
    lay_out(&s, m, &in, 0);
    ck_assert_int_eq(ops->embed(m, &in, &(sb_gid){NULL, 0, 0}), SB_OK);
    for (int32_t l = 0; l < 2; l++) {
        ck_assert_int_eq(ops->qkv(m, l, 0, &t, &kv, &kv), SB_OK);
        ck_assert_int_eq(ops->absorb(m, l, 0, &t), SB_OK);
    }
    free(s.block);
    ops->destroy(m);
}
END_TEST

START_TEST(models_are_found_by_name)
{
    ck_assert_ptr_eq(sb_model_find("probe"), &sb_model_probe);
    ck_assert_ptr_null(sb_model_find("prob"));
    ck_assert_str_eq(sb_model_probe.suites[0], "probe");
}
END_TEST

int main(void)
{
    Suite   *s  = suite_create("probe model");
    TCase   *tc = tcase_create("record");
    SRunner *sr;
    int      failed;
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, two_shards_equal_the_whole, 0, 3);
    tcase_add_test(tc, embed_one_equals_the_row_of_embed);
    tcase_add_test(tc, a_decoded_token_equals_the_same_token_in_a_prompt);
    tcase_add_loop_test(tc, layers_follow_the_profile, 0, 3);
    tcase_add_loop_test(tc, presets_fill_only_what_was_not_given, 0, 5);
    tcase_add_test(tc, topic_maps_do_not_change_with_the_number_of_hops);
    tcase_add_test(tc, argmax_reads_the_class_and_breaks_ties_downwards);
    tcase_add_test(tc, bad_input_is_refused);
    tcase_add_test(tc, an_arena_too_small_is_an_error_and_leaves_the_model_as_it_was);
    tcase_add_test(tc, a_rank_may_own_no_token);
    tcase_add_test(tc, models_are_found_by_name);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}

/* The model against the figures of sharding.md, brute force, and itself. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/plan/parts.h"
#include "kernels/registry.h"
#include "tests/unit/harness/plan/rig.h"

#define M (INT64_C(1) << 20)

/* ---- closed forms ---- */

static double count(sb_run q, sb_run k, double keys)
{
    double n = 0;
    for (int64_t t = q.start; t < q.start + q.len; t++)
        for (int64_t j = k.start; j < k.start + k.len; j++)
            n += j <= t && (double)(t - j) < keys;
    return n;
}

START_TEST(pairs_are_those_that_counting_finds)
{
    static const sb_run runs[] = {{0, 1}, {0, 7}, {3, 5}, {10, 20}, {29, 4}, {50, 13}};
    static const double keys[] = {1, 3, 8, 40, INFINITY};
    for (size_t a = 0; a < sizeof runs / sizeof *runs; a++)
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            sb_run all = {0, 100};
            ck_assert_double_eq(sbi_pairs(runs[a], keys[i]), count(runs[a], all, keys[i]));
            for (size_t b = 0; b < sizeof runs / sizeof *runs; b++)
                ck_assert_double_eq(sbi_pairs_between(runs[a], runs[b], keys[i]),
                                    count(runs[a], runs[b], keys[i]));
        }
    double keys_seen = sbi_pairs_keys(0, 1000, 0.25);
    ck_assert_double_eq_tol(sbi_pairs((sb_run){0, 1000}, keys_seen), 0.25 * 500500, 1);
}
END_TEST

/* ---- sharding.md 2: imbalance ---- */

START_TEST(imbalance_is_that_of_the_layouts)
{
    sb_machine  *m = rig_machine("45e9");
    sb_plan_case c = rig_case("dense", "", 0, M, 8, SB_SCHEME_ALLGATHER, SB_LAYOUT_CONTIGUOUS, 1);
    ck_assert_double_eq_tol(rig_predict(m, &c).imbalance, 1.875, 1e-4);
    c.layout = SB_LAYOUT_ZIGZAG;
    ck_assert_double_eq_tol(rig_predict(m, &c).imbalance, 1, 1e-4);
    c.layout = SB_LAYOUT_BLOCK_STRIPED;
    ck_assert_double_eq_tol(rig_predict(m, &c).imbalance, 1 + 7.0 / 8192, 1e-4);
    /* every query sees as many keys: flat */
    c = rig_case("streaming_llm", "window_tokens=4096", 0, M, 8, SB_SCHEME_ALLGATHER,
                 SB_LAYOUT_CONTIGUOUS, 1);
    ck_assert_double_le(rig_predict(m, &c).imbalance, 1.003);
    sb_machine_free(m);
}
END_TEST

START_TEST(ring_loses_what_its_steps_wait)
{
    sb_machine *m = rig_machine("45e9");
    for (int32_t R = 8; R <= 64; R *= 8) {
        sb_plan_case  c = rig_case("dense", "", 0, M, R, SB_SCHEME_RING, SB_LAYOUT_CONTIGUOUS, 1);
        sb_prediction p = rig_predict(m, &c);
        double        even = p.compute_flops / p.imbalance / 500e12;
        ck_assert_double_eq_tol(even / p.seconds[SB_PHASE_COMPUTE], R == 8 ? 0.533 : 0.504, 1e-3);
        c.layout = SB_LAYOUT_ZIGZAG;
        p        = rig_predict(m, &c);
        ck_assert_double_eq_tol(even / p.seconds[SB_PHASE_COMPUTE], 1, 1e-3);
    }
    sb_machine_free(m);
}
END_TEST

/* A row of 128 numbers: fp32 in place of bf16 first, 256 bytes; o and lse read and written by every
 * later step, 1032; read, and rounded to bf16, at the end, 772. */
START_TEST(ring_merges_partial_outputs)
{
    static const struct {
        sb_scheme scheme;
        int32_t   ranks, asked;
        double    bytes; /* of a row */
    } cases[]     = {{SB_SCHEME_RING, 4, 0, 256 + 3 * 1032 + 772},
                     {SB_SCHEME_RING, 2, 0, 256 + 1032 + 772},
                     {SB_SCHEME_USP, 8, 2, 256 + 3 * 1032 + 772}, /* teams of two, a ring of four */
                     {SB_SCHEME_USP, 8, 8, 0},                    /* one team: no ring */
                     {SB_SCHEME_PASS_Q, 4, 0, 4 * 256 + 4 * 516 + 260}, /* read at the end alone */
                     {SB_SCHEME_ALLGATHER, 4, 0, 0},
                     {SB_SCHEME_RING, 1, 0, 0}};
    sb_machine *m = rig_machine("45e9");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sb_plan_case c =
            rig_case("dense", "", 0, M, cases[i].ranks, cases[i].scheme, SB_LAYOUT_ZIGZAG, 2);
        double rows          = (double)M / cases[i].ranks * 32;
        c.asked              = cases[i].asked;
        m->merge             = (sb_merge_cost){0, {SB_SOURCE_SEED, "test", 0, 0}};
        double without       = rig_predict(m, &c).seconds[SB_PHASE_COMPUTE];
        m->merge.bytes_per_s = 1e12;
        double with          = rig_predict(m, &c).seconds[SB_PHASE_COMPUTE];
        ck_assert_double_eq_tol(with - without, 2 * rows * cases[i].bytes / 1e12, 1e-9);
    }
    /* passes of keys hide behind merges, too */
    sb_plan_case c       = rig_case("streaming_llm", "window_tokens=128", 0, M, 8, SB_SCHEME_RING,
                                    SB_LAYOUT_ZIGZAG, 1);
    double       hidden  = rig_predict(m, &c).hidden_s, shown;
    m->merge.bytes_per_s = 0;
    shown                = rig_predict(m, &c).seconds[SB_PHASE_COMMUNICATE];
    ck_assert_double_lt(rig_predict(m, &c).hidden_s, 0.5 * hidden);
    ck_assert_double_gt(shown, 0.5 * hidden);
    sb_machine_free(m);
}
END_TEST

/* On devices under allgather every rank probes with the last queries, which come along. */
START_TEST(every_device_probes_with_the_last_queries)
{
    static const struct {
        const char *method, *params;
        int64_t     rows;    /* that the first rank receives of them */
        int         repeats; /* 1: the estimate is not shared out */
    } cases[]     = {{"minference", "", 64, 1},
                     {"minference", "pattern=block_sparse", 0, 0},
                     {"pbs_attn", "", 128, 1},
                     {"flexprefill", "tau=0", 128, 1},
                     {"flexprefill", "", 3 * (131072 / 4), 1},
                     {"hip", "", 0, 0}};
    sb_machine *m = rig_machine("45e9");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sb_plan_case  one = rig_case(cases[i].method, cases[i].params, 0, 131072, 1,
                                     SB_SCHEME_ALLGATHER, SB_LAYOUT_CONTIGUOUS, 1);
        sb_plan_case  c   = one;
        sb_prediction p, alone = rig_predict(m, &one);
        c.ranks      = 4;
        p            = rig_predict(m, &c);
        int64_t keys = 3 * (INT64_C(131072) / 4) * 8 * 128 * 4;
        ck_assert_int_eq(p.received_bytes, keys + cases[i].rows * 32 * 128 * 2);
        if (cases[i].repeats)
            ck_assert_double_eq_tol(p.estimate_flops, alone.estimate_flops, 1);
        else
            ck_assert_double_lt(p.estimate_flops, 0.5 * alone.estimate_flops);
    }
    sb_machine_free(m);
}
END_TEST

/* ---- sharding.md 5: volumes ---- */

START_TEST(volumes_are_those_of_the_table)
{
    sb_machine  *m = rig_machine("45e9");
    double       G = 0x1p30;
    sb_plan_case c = rig_case("dense", "", 0, M, 8, SB_SCHEME_ALLGATHER, SB_LAYOUT_CONTIGUOUS, 1);
    ck_assert_int_eq(rig_predict(m, &c).received_bytes, (int64_t)(3.5 * G));
    c.scheme = SB_SCHEME_RING;
    ck_assert_int_eq(rig_predict(m, &c).received_bytes, (int64_t)(3.5 * G));
    c.scheme = SB_SCHEME_ULYSSES;
    ck_assert_double_eq_tol((double)rig_predict(m, &c).received_bytes, 2.1875 * G, 1);
    c = rig_case("lightning", "", 0, M, 8, SB_SCHEME_STATE, SB_LAYOUT_CONTIGUOUS, 1);
    ck_assert_int_eq(rig_predict(m, &c).received_bytes, 14 << 20);
    static const struct {
        const char *params;
        int64_t     floats; /* of a head's record, and how many of them */
        int64_t     heads;
    } said[] = {{"kind=retnet", 128 * 128, 32},
                {"kind=elu1", 128 * 129, 8},
                {"kind=gla", 128 * 130, 8}, /* sums of gates in fp64 */
                {"kind=gated_delta", 128 * 256, 8},
                {"kind=aaren", 130, 32}};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        c = rig_case("linear", said[i].params, 0, M, 8, SB_SCHEME_STATE, SB_LAYOUT_CONTIGUOUS, 1);
        ck_assert_int_eq(rig_predict(m, &c).received_bytes,
                         7 * said[i].heads * said[i].floats * (int64_t)sizeof(float));
    }
    sb_machine_free(m);
}
END_TEST

START_TEST(schemes_refuse_what_they_cannot_share_out)
{
    sb_machine   *m = rig_machine("45e9");
    sb_prediction p;
    sb_plan_case  c = rig_case("dense", "", 0, M, 64, SB_SCHEME_ULYSSES, SB_LAYOUT_CONTIGUOUS, 1);
    ck_assert_int_eq(sb_plan_predict(m, &c, &p), SB_ERR_UNSUPPORTED);
    c.ranks = 32;
    ck_assert_int_eq(sb_plan_predict(m, &c, &p), SB_OK);
    c = rig_case("xattention", "", 0, M, 8, SB_SCHEME_RING, SB_LAYOUT_ZIGZAG, 1);
    ck_assert_int_eq(sb_plan_predict(m, &c, &p), SB_ERR_UNSUPPORTED);
    sb_machine_free(m);
}
END_TEST

START_TEST(schemes_differ_as_they_should)
{
    sb_machine   *m = rig_machine("45e9");
    sb_plan_case  c = rig_case("dense", "", 0, M, 64, SB_SCHEME_ALLGATHER, SB_LAYOUT_ZIGZAG, 1);
    sb_prediction gathered = rig_predict(m, &c), p;
    c.asked                = 1; /* a head at a time: the first shows, the others travel meanwhile */
    p                      = rig_predict(m, &c);
    ck_assert_int_eq(p.received_bytes, gathered.received_bytes);
    ck_assert_double_lt(p.seconds[SB_PHASE_COMMUNICATE],
                        0.2 * gathered.seconds[SB_PHASE_COMMUNICATE]);
    c.scheme = SB_SCHEME_USP; /* 8 ranks a team: heads of one KV head, 8 steps of larger shards */
    c.asked  = 8;
    p        = rig_predict(m, &c);
    ck_assert_int_eq(p.rounds, 2 * 7 + 7);
    ck_assert_double_lt((double)p.received_bytes, 0.5 * (double)gathered.received_bytes);
    c = rig_case("streaming_llm", "window_tokens=4096", 0, M, 64, SB_SCHEME_FETCH,
                 SB_LAYOUT_CONTIGUOUS, 1);
    ck_assert_int_eq(rig_predict(m, &c).received_bytes, (4095 + 4) * 4096);
    c.layout = SB_LAYOUT_BLOCK_STRIPED; /* of the 63 stripes before each of its 128 nearly 32 */
    ck_assert_int_eq(rig_predict(m, &c).received_bytes, (128 * 4095 + 4) * 4096);
    c = rig_case("streaming_llm", "window_tokens=5120", 0, M, 64, SB_SCHEME_FETCH,
                 SB_LAYOUT_BLOCK_STRIPED, 1); /* 40 of 63 are too many */
    ck_assert_int_eq(rig_predict(m, &c).received_bytes, gathered.received_bytes);
    /* queries of all ranks meet the sinks on the first one: a tile of each row, and windows */
    c = rig_case("streaming_llm", "window_tokens=65", 0, M, 8, SB_SCHEME_PASS_Q,
                 SB_LAYOUT_CONTIGUOUS, 1);
    ck_assert_double_eq_tol(rig_predict(m, &c).imbalance, 8 * (64 + 128 / 8.0) / (64 + 128), 1e-2);
    c.layout = SB_LAYOUT_BLOCK_STRIPED;
    ck_assert_double_eq_tol(rig_predict(m, &c).imbalance, 8 * (64 + 128 / 8.0) / (64 + 128), 1e-2);
    /* table 5: 7.0 + 14.1 GiB, each rank's own partials stay */
    c = rig_case("dense", "", 0, M, 8, SB_SCHEME_PASS_Q, SB_LAYOUT_CONTIGUOUS, 1);
    ck_assert_double_eq_tol((double)rig_predict(m, &c).received_bytes / 0x1p30, 7.0 + 14.1, 0.05);
    c.n_queries = 1000; /* all of the last rank, which gets seven partials of each */
    ck_assert_int_eq(rig_predict(m, &c).received_bytes, 7LL * 1000 * 32 * (128 + 1) * 4);
    sb_machine_free(m);
}
END_TEST

/* ---- sharding.md 10: predictions, 32 layers at 500e12 ---- */

START_TEST(dense_takes_what_the_spec_says)
{
    static const struct {
        int64_t n;
        int32_t ranks;
        double  s;
    } said[]      = {{M, 8, 72},       {M, 64, 9.0},      {4 * M, 8, 1153},
                     {4 * M, 64, 144}, {10 * M, 8, 7206}, {10 * M, 64, 901}};
    sb_machine *m = rig_machine("45e9");
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        sb_plan_case  c = rig_case("dense", "", 0, said[i].n, said[i].ranks, SB_SCHEME_RING,
                                   SB_LAYOUT_ZIGZAG, 32);
        sb_prediction p = rig_predict(m, &c);
        ck_assert_double_eq_tol(p.seconds[SB_PHASE_COMPUTE] / said[i].s, 1, 0.01);
        ck_assert_double_lt(p.seconds[SB_PHASE_COMMUNICATE], 0.01 * said[i].s);
    }
    /* its traffic, hidden: 0.33 s by NVLink, 2.7 s between hosts */
    sb_plan_case  c = rig_case("dense", "", 0, M, 8, SB_SCHEME_RING, SB_LAYOUT_ZIGZAG, 32);
    sb_prediction p = rig_predict(m, &c);
    ck_assert_double_eq_tol(p.hidden_s, 0.335, 0.01);
    c.ranks = 9;
    ck_assert_double_eq_tol(rig_predict(m, &c).hidden_s, 2.7, 0.1);
    sb_machine_free(m);
}
END_TEST

/* ---- shapes of the answer ---- */

START_TEST(plan_is_monotone_in_tokens_and_ranks)
{
    static const char *const methods[] = {
        "dense",    "streaming_llm", "power_attention",  "flexprefill",   "hip",       "xattention",
        "pbs_attn", "minference",    "anchor_attention", "random_blocks", "lightning", "linear"};
    sb_machine *m = rig_machine("45e9");
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        int       state  = (sb_method_find(methods[i])->caps & SB_CAP_STATE) != 0;
        sb_scheme scheme = state ? SB_SCHEME_STATE : SB_SCHEME_ALLGATHER;
        for (int32_t R = 1; R <= 8; R *= 2) {
            double before = 0;
            for (int64_t n = 32768; n <= 16 * M; n *= 2) {
                sb_plan_case c =
                    rig_case(methods[i], "", 0, n, R, scheme,
                             state ? SB_LAYOUT_CONTIGUOUS : SB_LAYOUT_BLOCK_STRIPED, 1);
                sb_prediction p = rig_predict(m, &c);
                ck_assert_msg(p.seconds[SB_PHASE_ATTENTION] > before, "%s %lld R %d", methods[i],
                              (long long)n, R);
                before = p.seconds[SB_PHASE_ATTENTION];
                /* work, not waiting, is shared out: half of it with twice the ranks, but for what
                 * layouts leave uneven */
                sb_plan_case twice = c;
                twice.ranks        = 2 * R;
                sb_prediction q    = rig_predict(m, &twice);
                ck_assert_double_lt(q.compute_flops, p.compute_flops);
                ck_assert_double_le(q.estimate_flops, p.estimate_flops);
                ck_assert_double_lt(q.seconds[SB_PHASE_COMPUTE], p.seconds[SB_PHASE_COMPUTE]);
            }
        }
    }
    sb_machine_free(m);
}
END_TEST

/* Ranks scan at once; what they do besides is for the rows that decays do not yet hide from the
 * ranks before. */
START_TEST(states_over_ranks)
{
    static const struct {
        const char *method, *params;
        double      least, most; /* work of two ranks together, of one rank's */
    } said[] = {
        {"lightning", "", 1.001, 1.003},                /* 32 heads, 2100 rows on average */
        {"lightning", "slope_rule=paper", 1.005, 1.02}, /* one head of 32 does not decay */
        {"linear", "kind=retnet", 1.25, 1.35},          /* most heads hardly do */
        {"linear", "", 1.39, 1.41},                     /* no decay */
        {"linear", "kind=gla", 1.39, 1.41},
    };
    sb_machine *m = rig_machine("45e9");
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        sb_plan_case  c   = rig_case(said[i].method, said[i].params, 0, M, 1, SB_SCHEME_STATE,
                                     SB_LAYOUT_CONTIGUOUS, 1);
        sb_prediction one = rig_predict(m, &c), two;
        c.ranks           = 2;
        two               = rig_predict(m, &c);
        double more       = 2 * two.compute_flops / one.compute_flops;
        ck_assert_msg(more > said[i].least && more < said[i].most, "%s %s: %g", said[i].method,
                      said[i].params, more);
    }
    /* the last rank's: 7 states of 2 MiB in one group, 31 in four, 24 of them between hosts */
    sb_plan_case  c = rig_case("lightning", "", 0, M, 8, SB_SCHEME_STATE, SB_LAYOUT_CONTIGUOUS, 1);
    sb_prediction p = rig_predict(m, &c);
    double        state = 32 * 128 * 128 * 4;
    ck_assert_int_eq(p.received_bytes, 7 * (int64_t)state);
    ck_assert_int_eq(p.rounds, 1);
    ck_assert_double_eq_tol(p.seconds[SB_PHASE_COMMUNICATE], 12e-6 + 7 * state / 360e9, 1e-9);
    c.ranks = 32;
    p       = rig_predict(m, &c);
    ck_assert_int_eq(p.received_bytes, 31 * (int64_t)state);
    ck_assert_int_eq(p.rounds, 4);
    ck_assert_double_eq_tol(p.seconds[SB_PHASE_COMMUNICATE], 4 * 25e-6 + 24 * state / 45e9, 1e-9);
    sb_machine_free(m);
}
END_TEST

START_TEST(densities_come_from_the_table)
{
    sb_machine  *m = rig_machine("45e9");
    sb_plan_case c =
        rig_case("flexprefill", "", 0, 32768, 1, SB_SCHEME_ALLGATHER, SB_LAYOUT_CONTIGUOUS, 1);
    ck_assert_double_eq_tol(rig_predict(m, &c).density, 0.2, 1e-9); /* geometric mean: half way */
    c.n_tokens = c.n_queries = M;
    ck_assert_double_eq_tol(rig_predict(m, &c).density, 0.1, 1e-9);
    ck_assert_str_eq(rig_predict(m, &c).note, "density of a shorter length");
    c = rig_case("flexprefill", "gamma=0.5", 0, 32768, 1, SB_SCHEME_ALLGATHER, SB_LAYOUT_CONTIGUOUS,
                 1);
    ck_assert_str_eq(rig_predict(m, &c).note, "density of other parameters of the method");
    c = rig_case("hip", "", 0, 32768, 1, SB_SCHEME_ALLGATHER, SB_LAYOUT_CONTIGUOUS, 1);
    ck_assert_double_eq_tol(rig_predict(m, &c).density, 0.05, 1e-9);
    c = rig_case("xattention", "", 0, 32768, 1, SB_SCHEME_ALLGATHER, SB_LAYOUT_CONTIGUOUS, 1);
    ck_assert_double_eq(rig_predict(m, &c).density, 1);
    ck_assert_str_eq(rig_predict(m, &c).note,
                     "no density of this method is known: taken for dense");
    c.density = 0.3;
    ck_assert_double_eq(rig_predict(m, &c).density, 0.3);
    c = rig_case("streaming_llm", "sink_tokens=128 window_tokens=3968", 0, 131072, 1,
                 SB_SCHEME_ALLGATHER, SB_LAYOUT_CONTIGUOUS, 1);
    ck_assert_double_eq_tol(rig_predict(m, &c).density, 0.0625, 0.001); /* results/baselines */
    sb_machine_free(m);
}
END_TEST

START_TEST(sparse_attention_over_slow_links_waits_for_them)
{
    sb_machine   *m = rig_machine("5e9");
    sb_plan_case  c = rig_case("streaming_llm", "window_tokens=4096", 0, 4 * M, 64,
                               SB_SCHEME_ALLGATHER, SB_LAYOUT_BLOCK_STRIPED, 1);
    sb_prediction p = rig_predict(m, &c);
    ck_assert_double_gt(p.seconds[SB_PHASE_COMMUNICATE], 10 * p.seconds[SB_PHASE_COMPUTE]);
    sb_machine_free(m);
}
END_TEST

/* Gemma 3's vocabulary of 262144 beside the layers of its smallest: once in a prefill by its
 * products, in every token decoded by its bytes (bf16), and on every rank. */
START_TEST(a_head_is_read_for_every_next_token)
{
    sb_machine  *m    = rig_machine("45e9");
    const double head = 2.0 * 262144 * 640, rate = 500e12, bytes = 1e12;
    for (int32_t R = 1; R <= 4; R *= 4) {
        sb_plan_case c =
            rig_case("dense", "", 0, 4096, R, SB_SCHEME_ALLGATHER, SB_LAYOUT_ZIGZAG, 2);
        c.is_model            = 1;
        c.decode_tokens       = 8;
        c.token_flops         = 2e8;
        sb_prediction without = rig_predict(m, &c), with;
        c.head_flops          = head;
        with                  = rig_predict(m, &c);
        for (int ph = 0; ph < SB_PHASE_COUNT; ph++) {
            double want = ph == SB_PHASE_PREFILL        ? head / rate
                          : ph == SB_PHASE_DECODE_TOKEN ? head / bytes
                                                        : 0;
            ck_assert_double_eq_tol(with.seconds[ph] - without.seconds[ph], want, 1e-12);
        }
    }
    sb_machine_free(m);
}
END_TEST

START_TEST(limits_and_deadlines)
{
    sb_machine   *m = rig_machine("45e9");
    sb_prediction p = {.seconds = {[SB_PHASE_PREFILL] = 100, [SB_PHASE_DECODE_TOKEN] = 0.01}};
    char          why[256];
    ck_assert_double_eq(sb_plan_time_limit_s(1000), 1620);
    ck_assert_double_eq(sb_plan_deadline_s(&p, SB_PHASE_PREFILL), 500);
    ck_assert_double_eq(sb_plan_deadline_s(&p, SB_PHASE_DECODE_TOKEN), 60);
    sb_plan_fit_memory(m, 4, INT64_C(25) << 30, INT64_C(78) << 30, &p, why, sizeof why);
    ck_assert_int_eq(p.fits, 1);
    sb_plan_fit_memory(m, 5, INT64_C(25) << 30, INT64_C(78) << 30, &p, why, sizeof why);
    ck_assert_int_eq(p.fits, 0);
    ck_assert_str_eq(why, "needs 125.00 GiB for the 5 ranks of a host, rig has 100");
    sb_plan_fit_memory(m, 4, 1, INT64_C(79) << 30, &p, why, sizeof why);
    ck_assert_int_eq(p.fits, 0);
    ck_assert_str_eq(why, "needs 79.00 GiB on the device, rig has 78");
    sb_plan_fit_memory(m, 64, INT64_C(12) << 30, 0, &p, why, sizeof why); /* 8 share a host */
    ck_assert_int_eq(p.fits, 1);
    sb_machine_free(m);
}
END_TEST

START_TEST(a_machine_without_the_cost_says_so)
{
    sb_machine *m = rig_parse(
        "machine: bare\nbackend: cpu\nprocessor: none\nranks_per_host: 1\n"
        "memory: {host_gib: 1, source: seed, from: test}\n"
        "links:\n  - {name: inside, latency_s: 0, bytes_per_s: 1, source: seed, from: test}\n"
        "  - {name: between, latency_s: 0, bytes_per_s: 1, source: seed, from: test}\n"
        "costs:\n  - {phase: compute, method: hip, rate: 1, start_s: 0, source: seed, from: "
        "test}\n");
    sb_prediction p;
    sb_plan_case  c =
        rig_case("dense", "", 0, 4096, 1, SB_SCHEME_ALLGATHER, SB_LAYOUT_CONTIGUOUS, 1);
    ck_assert_int_eq(sb_plan_predict(m, &c, &p), SB_ERR_USAGE);
    ck_assert_str_eq(sb_error_text(),
                     "machine bare: found no cost of phase compute for method dense or any");
    sb_machine_free(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan");
    TCase *t = tcase_create("predict");
    tcase_add_test(t, pairs_are_those_that_counting_finds);
    tcase_add_test(t, imbalance_is_that_of_the_layouts);
    tcase_add_test(t, ring_loses_what_its_steps_wait);
    tcase_add_test(t, ring_merges_partial_outputs);
    tcase_add_test(t, every_device_probes_with_the_last_queries);
    tcase_add_test(t, volumes_are_those_of_the_table);
    tcase_add_test(t, schemes_refuse_what_they_cannot_share_out);
    tcase_add_test(t, schemes_differ_as_they_should);
    tcase_add_test(t, dense_takes_what_the_spec_says);
    tcase_add_test(t, plan_is_monotone_in_tokens_and_ranks);
    tcase_add_test(t, states_over_ranks);
    tcase_add_test(t, densities_come_from_the_table);
    tcase_add_test(t, sparse_attention_over_slow_links_waits_for_them);
    tcase_add_test(t, a_head_is_read_for_every_next_token);
    tcase_add_test(t, limits_and_deadlines);
    tcase_add_test(t, a_machine_without_the_cost_says_so);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}

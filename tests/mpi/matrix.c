/* Every method under every scheme and layout, on 1, 2, 3, 4 and 8 ranks (threads), against one
 * rank: prefill and decode select the same, and give the same outputs but for the order of sums
 * [sharding 1, 12]. Prints a table and the reasons of what cannot be:
 *
 *   =   the bits of one rank        ~   within the bounds        a, b, ...   unsupported, as told
 * below
 *
 * test_matrix         a part of it, for every build
 * test_matrix --all   all of it */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "kernels/exec/merge_lse.h"
#include "kernels/exec/row_support.h"
#include "kernels/registry.h"
#include "tests/mpi/ranks.h"
#include "tests/mpi/shard_case.h"
#include "tests/tolerance.h"

enum { HEADS = 8, KV_HEADS = 4, DIM = 16, STEPS = 5, MAX_TOKENS = 600, MAX_REASONS = 26 };

typedef struct row {
    const char *method, *params;
    int         in_part; /* 1: of the part for every build */
} row;

static const row rows[] = {
    {"dense", "", 1},
    {"a_shape", "sink_tokens=5 window_tokens=100", 0},
    {"streaming_llm", "sink_tokens=4 window_tokens=65", 0},
    {"streaming_llm", "sink_tokens=4 window_tokens=65 pos=cache", 0},
    {"power_attention", "block_tokens=64 window_blocks=2", 0},
    {"power_attention", "pattern=longnet block_tokens=16 window_blocks=4 levels=3", 0},
    {"power_attention", "pattern=moa beta=0.2 max_new_tokens=100", 0},
    {"random_blocks", "block_tokens=16 density=0.3", 1},
    {"minference", "vertical_tokens=50 slash_tokens=130", 0},
    {"minference", "pattern=block_sparse top_k_blocks=3", 0},
    {"minference",
     "vertical_tokens=50 slash_tokens=130 top_k_blocks=3 "
     "config_file=[{},{\"0\":[\"block_sparse\",0,0],\"1\":[\"stream_llm\",5,100],"
     "\"2\":[\"vertical_and_slash\",90,60,0.5],\"6\":[\"stream_llm\",64,64]}]",
     0},
    {"xattention", "block_tokens=32 stride_tokens=8 tau=0.7", 0},
    {"anchor_attention", "block_tokens=16 step_blocks=2 theta=2.2", 0},
    {"anchor_attention", "block_tokens=16 step_blocks=2 theta=2.2 windows=released", 0},
    {"pbs_attn", "block_tokens=16 segment_tokens=32 tau=0.6", 1},
    {"pbs_attn", "block_tokens=12 segment_tokens=36 tau=0.5 perm_share=group", 0},
    {"flexprefill", "block_tokens=32 min_budget_tokens=64 gamma=0.5 tau=0", 1},
    {"flexprefill", "block_tokens=32 min_budget_tokens=1 gamma=0.6 tau=1", 0},
    {"hip", "top_k_tokens=32 window_tokens=16 sink_tokens=4 block_q_tokens=32 refresh_steps=3", 1},
    {"lightning", "", 1},
    {"linear", "kind=elu1", 0},
    {"linear", "kind=retnet", 0},
    {"linear", "kind=aaren", 0},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

typedef struct scheme_row {
    const char *name;
    sb_scheme   scheme;
    int32_t     team;
} scheme_row;

static const scheme_row schemes[] = {
    {"allgather", SB_SCHEME_ALLGATHER, 0}, {"ring", SB_SCHEME_RING, 0},
    {"ulysses", SB_SCHEME_ULYSSES, 0},     {"usp:2", SB_SCHEME_USP, 2},
    {"usp:4", SB_SCHEME_USP, 4},           {"allgather:1", SB_SCHEME_ALLGATHER, 1},
    {"fetch", SB_SCHEME_FETCH, 0},         {"pass_q", SB_SCHEME_PASS_Q, 0},
    {"state", SB_SCHEME_STATE, 0},
};
enum { N_SCHEMES = sizeof schemes / sizeof *schemes };

static const int32_t ranks_of[] = {1, 2, 3, 4, 8};
enum { N_RANKS = sizeof ranks_of / sizeof *ranks_of };

static const int64_t lengths[] = {37, 419}; /* some ranks have no tokens; nothing divides it */
enum { N_LENGTHS = sizeof lengths / sizeof *lengths };

/* ---- one rank ---- */

/* A decode step of the whole sequence: merged and not yet rounded, and each head's keys. */
typedef struct step {
    float   o[HEADS * DIM], lse[HEADS];
    uint8_t sees[HEADS][MAX_TOKENS];
} step;

typedef struct whole {
    span_seq prefill; /* as it stands after the prefill */
    step     steps[STEPS];
    int      fine;
} whole;

static int64_t keys_all[MAX_TOKENS];

static int has_keys(const sb_method *m) { return (m->caps & SB_CAP_NO_INDEX) == 0; }

/* What the last step merged: its records are those of decode.c. */
static void merged(const span_seq *s, float *o, float *lse)
{
    int64_t      n     = HEADS * DIM + HEADS + 1;
    const float *base  = s->shard.partial;
    sb_partials  parts = {.o               = base,
                          .lse             = base + HEADS * DIM,
                          .o_part_stride   = n,
                          .o_row_stride    = DIM,
                          .lse_part_stride = n,
                          .lse_row_stride  = 1,
                          .n_parts         = s->map.ranks,
                          .rows            = HEADS,
                          .dim             = DIM};
    sb_merge_lse(&parts, SB_F32, o, lse);
}

static void seen_by_step(const span_seq *s, uint8_t sees[HEADS][MAX_TOKENS])
{
    int64_t token = s->cache.n_global - 1;
    memset(sees, 0, sizeof(uint8_t[HEADS][MAX_TOKENS]));
    for (int64_t h = 0; has_keys(s->method) && h < HEADS; h++)
        sb_row_support_of(&s->shard.plan, h, token, keys_all, token + 1, sees[h]);
}

static sb_status whole_open(const span_seq_spec *spec, sb_comm *self, whole *w)
{
    span_seq  decode;
    sb_status st = span_seq_open(spec, self, &w->prefill);
    if (st == SB_OK)
        st = span_seq_prefill(&w->prefill);
    sb_status ds = span_seq_open(spec, self, &decode);
    if (ds == SB_OK)
        ds = span_seq_prefill(&decode);
    for (int i = 0; ds == SB_OK && i < STEPS; i++) {
        ds = span_seq_step(&decode);
        merged(&decode, w->steps[i].o, w->steps[i].lse);
        seen_by_step(&decode, w->steps[i].sees);
    }
    span_seq_close(&decode);
    return st != SB_OK ? st : ds;
}

/* ---- a cell: set by main, read by all ranks ---- */

static const span_seq_spec *cell_spec;
static sb_scheme_use        cell_use;
static const whole         *cell_whole;
static int                  cell_same[8]; /* of each rank: 1, its bits are those of one rank */

/* Bounds of [sharding 1], where both sides have been rounded to bf16 once: a step of the number
 * itself on top. */
static int near(double got, double want, double top)
{
    return fabs(got - want) <= ldexp(fabs(want), -7) + SB_SHARD_O_REL * top;
}

static void compare_rows(span_rank *r, const span_seq *s)
{
    const span_seq *w = &cell_whole->prefill;
    int64_t         n = w->spec.n_tokens, slot = 0;
    double          top = 0;
    for (int64_t i = 0; i < HEADS * n * DIM; i++)
        top = fmax(top, fabs((double)sb_bf16_to_f32(((const sb_bf16 *)w->o.data)[i])));
    for (int32_t j = 0; j < s->gid.n_runs; j++)
        for (int64_t i = 0; i < s->gid.run[j].len; i++, slot++)
            for (int64_t h = 0, t = s->gid.run[j].start + i; h < HEADS; h++) {
                const sb_bf16 *a = sb_tensor_bf16(&s->o, h, slot), *b = sb_tensor_bf16(&w->o, h, t);
                double         la = (double)s->lse[h * s->gid.n_tokens + slot],
                       lb         = (double)w->lse[h * n + t];
                for (int x = 0; x < DIM; x++)
                    SPAN_EXPECT(
                        r, near((double)sb_bf16_to_f32(a[x]), (double)sb_bf16_to_f32(b[x]), top),
                        "o of head %lld, row %lld: %g, one rank %g", (long long)h, (long long)t,
                        (double)sb_bf16_to_f32(a[x]), (double)sb_bf16_to_f32(b[x]));
                SPAN_EXPECT(r, !has_keys(s->method) || fabs(la - lb) <= SB_SHARD_LSE_ABS,
                            "lse of head %lld, row %lld: %g, one rank %g", (long long)h,
                            (long long)t, la, lb);
                cell_same[r->comm->rank] &=
                    memcmp(a, b, DIM * sizeof *a) == 0 && (!has_keys(s->method) || la == lb);
            }
}

static void compare_selection(span_rank *r, const span_seq *s)
{
    uint8_t       a[MAX_TOKENS], b[MAX_TOKENS];
    sb_shard_view seen;
    sb_gid        gid   = s->gid;
    int64_t       first = 0, heads = HEADS;
    if (!has_keys(s->method))
        return;
    if (sb_shard_seen(&s->shard, &seen)) {
        gid   = seen.shape.q_gid;
        first = seen.shape.first_head;
        heads = seen.shape.heads;
    }
    for (int32_t j = 0; j < gid.n_runs; j++)
        for (int64_t t = gid.run[j].start; t < gid.run[j].start + gid.run[j].len; t++)
            for (int64_t h = 0; h < heads; h++) {
                sb_row_support_of(&s->shard.plan, h, t, keys_all, t + 1, a);
                sb_row_support_of(&cell_whole->prefill.shard.plan, first + h, t, keys_all, t + 1,
                                  b);
                SPAN_EXPECT(r, memcmp(a, b, (size_t)t + 1) == 0, "selection of head %lld, row %lld",
                            (long long)(first + h), (long long)t);
            }
}

static void compare_step(span_rank *r, const span_seq *s, const step *want)
{
    float   o[HEADS * DIM], lse[HEADS];
    uint8_t sees[HEADS][MAX_TOKENS];
    double  top = 0;
    merged(s, o, lse);
    seen_by_step(s, sees);
    for (int i = 0; i < HEADS * DIM; i++)
        top = fmax(top, fabs((double)want->o[i]));
    for (int i = 0; i < HEADS * DIM; i++)
        SPAN_EXPECT(r, fabs((double)o[i] - (double)want->o[i]) <= SB_SHARD_O_REL * top,
                    "token %lld: o %g, one rank %g", (long long)s->cache.n_global - 1, (double)o[i],
                    (double)want->o[i]);
    for (int h = 0; has_keys(s->method) && h < HEADS; h++)
        SPAN_EXPECT(r, fabs((double)lse[h] - (double)want->lse[h]) <= SB_SHARD_LSE_ABS,
                    "token %lld: lse %g, one rank %g", (long long)s->cache.n_global - 1,
                    (double)lse[h], (double)want->lse[h]);
    SPAN_EXPECT(r, memcmp(sees, want->sees, sizeof sees) == 0, "selection of token %lld",
                (long long)s->cache.n_global - 1);
}

static void run_cell(span_rank *r)
{
    span_how how = {.use = cell_use};
    span_seq s;
    cell_same[r->comm->rank] = 1;
    if (sb_scheme_links(cell_use))
        how.link = span_link(r->comm);
    sb_status st = span_seq_open_as(cell_spec, &how, r->comm, &s);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    if (sb_comm_agree(r->comm, st) == SB_OK) {
        st = span_seq_prefill(&s);
        SPAN_EXPECT(r, st == SB_OK, "prefill: %s", sb_error_text());
        if (st == SB_OK) {
            compare_rows(r, &s);
            compare_selection(r, &s);
        }
        for (int i = 0; st == SB_OK && i < STEPS; i++) {
            st = span_seq_step(&s);
            SPAN_EXPECT(r, st == SB_OK, "step %d: %s", i, sb_error_text());
            if (st == SB_OK)
                compare_step(r, &s, &cell_whole->steps[i]);
        }
        SPAN_EXPECT(r, s.arena.high_water_bytes == s.predicted_bytes,
                    "used %zu bytes, predicted %zu", s.arena.high_water_bytes, s.predicted_bytes);
        SPAN_EXPECT(r, sb_arena_canaries_intact(&s.arena), "written outside");
    }
    span_seq_close(&s);
    sb_link_destroy(how.link);
}

/* ---- the table ---- */

static char reasons[MAX_REASONS][256];
static int  n_reasons, n_cells, n_refused, n_failed;

/* The reason's letter; METHOD stands for the method's name, so that methods share reasons. */
static char reason_letter(const char *text, const char *method)
{
    char        known[sizeof reasons[0]];
    const char *at = strstr(text, method);
    if (at != NULL)
        (void)snprintf(known, sizeof known, "%.*sMETHOD%s", (int)(at - text), text,
                       at + strlen(method));
    else
        (void)snprintf(known, sizeof known, "%s", text);
    for (int i = 0; i < n_reasons; i++)
        if (strcmp(reasons[i], known) == 0)
            return (char)('a' + i);
    if (n_reasons == MAX_REASONS)
        return '?';
    memcpy(reasons[n_reasons], known, sizeof known);
    return (char)('a' + n_reasons++);
}

/* The check that a run makes; and a state passes in token order alone, as sweep files say. */
static sb_status check(const whole *w, const scheme_row *x, sb_layout_kind kind, int32_t ranks)
{
    const span_seq *s     = &w->prefill;
    sb_shape        shape = {.q_gid    = s->gid,
                             .n_keys   = s->spec.n_tokens,
                             .heads    = HEADS,
                             .kv_heads = KV_HEADS,
                             .head_dim = DIM};
    cell_use              = sb_scheme_used(x->scheme, x->team, ranks, ranks, HEADS, KV_HEADS);
    sb_status st          = sb_scheme_check(x->scheme, cell_use, s->method, ranks, HEADS, KV_HEADS);
    if (st == SB_OK && x->scheme == SB_SCHEME_STATE && kind != SB_LAYOUT_CONTIGUOUS)
        st = sb_fail(SB_ERR_UNSUPPORTED, "layout: found %s, allowed contiguous",
                     sb_layout_name(kind));
    if (st == SB_OK && cell_use.team > 1) {
        shape.model_heads    = HEADS;
        shape.model_kv_heads = KV_HEADS;
        shape.heads          = HEADS / cell_use.team;
        shape.kv_heads       = cell_use.team < KV_HEADS ? KV_HEADS / cell_use.team : 1;
    }
    return st == SB_OK ? s->method->check(s->params, &shape) : st;
}

/* The mark of one cell. */
static char try_cell(const row *m, const whole *w, const scheme_row *x, sb_layout_kind kind,
                     int32_t ranks)
{
    static const span_case c    = {"cell", run_cell};
    int                    same = 1;
    n_cells++;
    if (check(&w[0], x, kind, ranks) != SB_OK) {
        n_refused++;
        return reason_letter(sb_error_text(), m->method);
    }
    for (int n = 0; n < N_LENGTHS; n++) {
        char          why[256];
        span_seq_spec spec = w[n].prefill.spec;
        spec.kind          = kind;
        cell_spec          = &spec;
        cell_whole         = &w[n];
        span_run_threads(&c, ranks, why, sizeof why);
        for (int32_t r = 0; r < ranks; r++)
            same &= cell_same[r];
        if (why[0] != '\0') {
            n_failed++;
            fprintf(stderr, "%s %s, %s %s, %lld tokens: %s\n", m->method, m->params, x->name,
                    sb_layout_name(kind), (long long)spec.n_tokens, why);
            return '!';
        }
    }
    return same ? '=' : '~';
}

/* Lines whose cells are all refused for one reason say it once for all layouts. */
static void method_table(const row *m, const whole *w)
{
    printf("\n%s %s\n", m->method, m->params);
    for (int x = 0; x < N_SCHEMES; x++) {
        char line[SB_LAYOUT_COUNT][N_RANKS];
        for (int k = 0; k < SB_LAYOUT_COUNT; k++)
            for (int i = 0; i < N_RANKS; i++)
                line[k][i] = try_cell(m, w, &schemes[x], (sb_layout_kind)k, ranks_of[i]);
        int alike = 1;
        for (int k = 1; k < SB_LAYOUT_COUNT; k++)
            alike &= memcmp(line[k], line[0], sizeof line[0]) == 0;
        for (int k = 0; k < (alike ? 1 : SB_LAYOUT_COUNT); k++) {
            printf("  %-10s %-14s", schemes[x].name,
                   alike ? "every layout" : sb_layout_name((sb_layout_kind)k));
            for (int i = 0; i < N_RANKS; i++)
                printf("  %c", line[k][i]);
            printf("\n");
        }
    }
}

static int run_row(const row *m, sb_comm *self)
{
    static whole w[N_LENGTHS];
    int          fine = 1;
    for (int n = 0; n < N_LENGTHS; n++) {
        span_seq_spec spec = {m->method, m->params, SB_LAYOUT_CONTIGUOUS, lengths[n], STEPS, HEADS,
                              KV_HEADS,  DIM};
        if (whole_open(&spec, self, &w[n]) != SB_OK) {
            fprintf(stderr, "%s %s on one rank: %s\n", m->method, m->params, sb_error_text());
            fine = 0;
        }
    }
    if (fine)
        method_table(m, w);
    n_failed += !fine;
    for (int n = 0; n < N_LENGTHS; n++)
        span_seq_close(&w[n].prefill);
    return fine;
}

int main(int argc, char **argv)
{
    int      all  = argc > 1 && strcmp(argv[1], "--all") == 0;
    sb_comm *self = NULL;
    if (sb_comm_self_create(&self) != SB_OK)
        return 2;
    for (int64_t i = 0; i < MAX_TOKENS; i++)
        keys_all[i] = i;
    printf("%d heads on %d, head_dim %d, %lld and %lld tokens and %d decode steps; ranks:", HEADS,
           KV_HEADS, DIM, (long long)lengths[0], (long long)lengths[1], STEPS);
    for (int i = 0; i < N_RANKS; i++)
        printf(" %d", (int)ranks_of[i]);
    printf("\n");
    for (int i = 0; i < N_ROWS; i++)
        if (all || rows[i].in_part)
            run_row(&rows[i], self);
    printf("\n=  the bits of one rank   ~  within the bounds   !  failed\n");
    for (int i = 0; i < n_reasons; i++)
        printf("%c  unsupported: %s\n", 'a' + i, reasons[i]);
    printf("\n%d cells: %d run, %d unsupported, %d failed\n", n_cells, n_cells - n_refused,
           n_refused, n_failed);
    sb_comm_destroy(self);
    return n_failed != 0;
}

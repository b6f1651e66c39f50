/* The attention operator alone over ranks: the bits of one rank, for whole sequences and for chunks
 * of queries behind earlier tokens; one dump, whoever planned it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/comm/comms.h"
#include "harness/run/dump.h"
#include "harness/run/operator.h"
#include "harness/run/quality.h"
#include "kernels/registry.h"
#include "tests/cut_operands.h"
#include "tests/mpi/ranks.h"
#include "tests/text_params.h"
#include "workloads/registry.h"

typedef struct op_spec {
    const char    *distribution, *method, *params;
    sb_layout_kind layout;
    int64_t        n_tokens, n_queries;
} op_spec;

typedef struct op_case {
    sb_operands       *whole;
    sb_operands        cut; /* with n_queries of the spec */
    sb_operator_config cfg;
    size_t             bytes;
    void              *block;
    sb_operator       *op;
    _Alignas(16) unsigned char params[4096], drawn[128];
} op_case;

static sb_status op_open(const op_spec *s, sb_comm *comm, op_case *c)
{
    const sb_distribution *d = sb_distribution_find(s->distribution);
    const sb_method       *m = sb_method_find(s->method);
    *c                       = (op_case){0};
    if (m->params_bytes > sizeof c->params || d->params_bytes > sizeof c->drawn)
        return sb_fail(SB_ERR_INTERNAL, "%s or %s: more parameters than the case has room for",
                       s->method, s->distribution);
    sb_status st             = sb_params_default(d->params, c->drawn);
    sb_draw   draw           = {.heads         = 4,
                                .kv_heads      = 2,
                                .head_dim      = 32,
                                .length_tokens = s->n_tokens,
                                .seed          = 11,
                                .params        = c->drawn};
    if (st != SB_OK || (st = text_params(m, s->params, c->params)) != SB_OK ||
        (st = d->create(d, &draw, &c->whole)) != SB_OK)
        return st;
    c->cut                 = cut_operands(c->whole, s->n_queries);
    c->cfg                 = (sb_operator_config){.operands    = &c->cut,
                                                  .method      = m,
                                                  .params      = c->params,
                                                  .backend     = &sb_backend_cpu,
                                                  .comm        = comm,
                                                  .layout      = s->layout,
                                                  .threads     = 1,
                                                  .arena_flags = SB_ARENA_GUARD};
    sb_forward_room room;
    if ((st = sb_operator_bytes(&c->cfg, &room)) != SB_OK)
        return st;
    c->bytes = room.host_bytes;
    c->block = aligned_alloc(SB_ARENA_ALIGN, (c->bytes + 63) / 64 * 64);
    if (c->block == NULL)
        abort();
    return sb_operator_create(&c->cfg, c->block, c->bytes, &c->op);
}

static void op_close(op_case *c)
{
    sb_operator_destroy(c->op);
    sb_operands_destroy(c->whole);
    free(c->block);
}

/* What a look leaves: rows copied out of the arena. */
typedef struct rows {
    int64_t  n, heads, dim, *gid;
    sb_bf16 *o;   /* [head][row][dim] */
    float   *lse; /* [head][row] */
} rows;

static sb_status take_rows(void *arg, const sb_layer_view *v)
{
    rows *r = arg;
    *r      = (rows){.n = v->q->tokens, .heads = v->shape->heads, .dim = v->shape->head_dim};
    r->gid  = malloc((size_t)(r->n + 1) * sizeof *r->gid);
    r->o    = malloc((size_t)(r->heads * r->n * r->dim + 1) * sizeof *r->o);
    r->lse  = malloc((size_t)(r->heads * r->n + 1) * sizeof *r->lse);
    for (int32_t i = 0, at = 0; i < v->shape->q_gid.n_runs; i++)
        for (int64_t k = 0; k < v->shape->q_gid.run[i].len; k++)
            r->gid[at++] = v->shape->q_gid.run[i].start + k;
    memcpy(r->o, v->o->data, (size_t)(r->heads * r->n * r->dim) * sizeof *r->o);
    memcpy(r->lse, v->lse, (size_t)(r->heads * r->n) * sizeof *r->lse);
    return SB_OK;
}

static void rows_free(rows *r)
{
    free(r->gid);
    free(r->o);
    free(r->lse);
}

/* Every row of `part` has the bits of the same id in `all`, whose ids are [first, first + n). */
static int same_rows(const rows *part, const rows *all)
{
    int64_t first = all->n > 0 ? all->gid[0] : 0;
    for (int64_t i = 0; i < part->n; i++) {
        int64_t at = part->gid[i] - first;
        if (at < 0 || at >= all->n)
            return 0;
        for (int64_t h = 0; h < part->heads; h++)
            if (memcmp(part->o + (h * part->n + i) * part->dim,
                       all->o + (h * all->n + at) * all->dim,
                       (size_t)part->dim * sizeof *part->o) != 0 ||
                part->lse[h * part->n + i] != all->lse[h * all->n + at])
                return 0;
    }
    return 1;
}

#define ANCHOR "block_tokens=32 step_blocks=3 theta=3"
#define XATTN "block_tokens=64 stride_tokens=8 tau=0.8"
#define HIP "top_k_tokens=64 window_tokens=64 block_q_tokens=32"
#define LINES "vertical_tokens=50 slash_tokens=120"
static const op_spec specs[] = {
    {"random", "dense", "", SB_LAYOUT_ZIGZAG, 300, 300},
    {"needle", "a_shape", "sink_tokens=8 window_tokens=100", SB_LAYOUT_CONTIGUOUS, 300, 300},
    {"clustered", "xattention", XATTN, SB_LAYOUT_BLOCK_STRIPED, 700, 700},
    {"structured", "minference", LINES, SB_LAYOUT_ZIGZAG, 1100, 1100},
    {"clustered", "anchor_attention", ANCHOR, SB_LAYOUT_BLOCK_STRIPED, 700, 700},
    {"clustered", "power_attention", "block_tokens=64", SB_LAYOUT_BLOCK_STRIPED, 600, 600},
    {"clustered", "pbs_attn", "block_tokens=16 segment_tokens=64 tau=0.6", SB_LAYOUT_ZIGZAG, 500,
     500},
    {"clustered", "flexprefill", "block_tokens=32 gamma=0.7 min_budget_tokens=64", SB_LAYOUT_ZIGZAG,
     500, 500},
    {"clustered", "hip", HIP, SB_LAYOUT_BLOCK_STRIPED, 500, 500},
    {"clustered", "hip", HIP, SB_LAYOUT_ZIGZAG, 500, 130},
    {"random", "dense", "", SB_LAYOUT_BLOCK_STRIPED, 300, 133},
    {"clustered", "xattention", XATTN, SB_LAYOUT_ZIGZAG, 700, 333},
    {"clustered", "minference", LINES, SB_LAYOUT_CONTIGUOUS, 400, 100},
    {"clustered", "anchor_attention", ANCHOR, SB_LAYOUT_ZIGZAG, 700, 250},
    {"clustered", "anchor_attention", ANCHOR " windows=released", SB_LAYOUT_ZIGZAG, 700, 250},
    {"clustered", "power_attention", "block_tokens=64", SB_LAYOUT_BLOCK_STRIPED, 600, 1},
};
enum { N_SPECS = sizeof specs / sizeof *specs };

typedef struct pair {
    sb_comm *self;
    op_case  shard, whole;
} pair;

/* Both ran once; or a note in r. */
static int pair_run(span_rank *r, const op_spec *s, pair *p)
{
    *p           = (pair){0};
    sb_status st = sb_comm_self_create(&p->self);
    if (st == SB_OK)
        st = op_open(s, r->comm, &p->shard);
    if (st == SB_OK)
        st = op_open(s, p->self, &p->whole);
    if ((st = sb_comm_agree(r->comm, st)) == SB_OK) {
        st           = sb_operator_pass(p->shard.op, NULL);
        sb_status ws = sb_operator_pass(p->whole.op, NULL);
        st           = st != SB_OK ? st : ws;
    }
    SPAN_EXPECT(r, st == SB_OK, "%s on %s: %s", s->method, s->distribution, sb_error_text());
    return sb_comm_agree(r->comm, st) == SB_OK;
}

static void pair_close(span_rank *r, pair *p)
{
    SPAN_EXPECT(r, p->shard.op == NULL || sb_operator_canaries_intact(p->shard.op),
                "%s wrote outside", p->shard.cfg.method->name);
    op_close(&p->shard);
    op_close(&p->whole);
    sb_comm_destroy(p->self);
}

static void the_operator_has_the_bits_of_one_rank(span_rank *r)
{
    for (int i = 0; i < N_SPECS; i++) {
        pair p;
        rows a = {0}, b = {0};
        if (pair_run(r, &specs[i], &p)) {
            (void)sb_operator_look(p.shard.op, take_rows, &a);
            (void)sb_operator_look(p.whole.op, take_rows, &b);
            SPAN_EXPECT(r, b.n == specs[i].n_queries, "%lld rows on one rank", (long long)b.n);
            SPAN_EXPECT(r, same_rows(&a, &b), "%s, case %d", specs[i].method, i);
            SPAN_EXPECT(r, sb_operator_high_water(p.shard.op) == p.shard.bytes,
                        "case %d: %zu of %zu bytes", i, sb_operator_high_water(p.shard.op),
                        p.shard.bytes);
            int64_t n = a.n; /* together all rows */
            SPAN_EXPECT(r,
                        sb_comm_allreduce_i64(r->comm, &n, 1, SB_REDUCE_SUM) == SB_OK && n == b.n,
                        "%lld rows of %lld", (long long)n, (long long)b.n);
            /* a second pass starts from the same operands */
            (void)sb_operator_pass(p.shard.op, NULL);
            rows again = {0};
            (void)sb_operator_look(p.shard.op, take_rows, &again);
            SPAN_EXPECT(r, same_rows(&again, &b), "%s, case %d, second pass", specs[i].method, i);
            rows_free(&again);
        }
        rows_free(&a);
        rows_free(&b);
        pair_close(r, &p);
    }
}

/* Where a row's keys depend on that row's block alone, a chunk is the end of the whole prefill.
 * minference is not here: it probes with the end of the prompt and runs a part dense. */
static void a_chunk_is_the_end_of_the_whole(span_rank *r)
{
    static const op_spec chunks[] = {
        {"random", "dense", "", SB_LAYOUT_ZIGZAG, 300, 133},
        {"clustered", "xattention", XATTN, SB_LAYOUT_BLOCK_STRIPED, 640, 256},
        {"clustered", "anchor_attention", ANCHOR, SB_LAYOUT_ZIGZAG, 768, 384},
        {"needle", "a_shape", "sink_tokens=8 window_tokens=100", SB_LAYOUT_CONTIGUOUS, 300, 55},
        {"clustered", "power_attention", "block_tokens=64", SB_LAYOUT_BLOCK_STRIPED, 640, 192},
    };
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        op_spec full = chunks[i];
        pair    p, q;
        rows    a = {0}, b = {0};
        full.n_queries = full.n_tokens;
        if (pair_run(r, &chunks[i], &p) && pair_run(r, &full, &q)) {
            (void)sb_operator_look(p.shard.op, take_rows, &a);
            (void)sb_operator_look(q.whole.op, take_rows, &b);
            SPAN_EXPECT(r, same_rows(&a, &b), "%s", chunks[i].method);
            pair_close(r, &q);
        }
        rows_free(&a);
        rows_free(&b);
        pair_close(r, &p);
    }
}

/* Counts and recall of a chunk are of its own rows. */
static void quality_of_a_chunk_is_of_its_rows(span_rank *r)
{
    static const op_spec s = {"clustered",      "a_shape", "sink_tokens=4 window_tokens=64",
                              SB_LAYOUT_ZIGZAG, 400,       150};
    pair                 p;
    sb_quality           a, b;
    sb_quality_init(&a, SB_QUALITY_EXACT, SB_DETAIL_PER_HEAD, "0123456789abcdef", NULL);
    sb_quality_init(&b, SB_QUALITY_EXACT, SB_DETAIL_PER_HEAD, "0123456789abcdef", NULL);
    if (pair_run(r, &s, &p)) {
        sb_status st = sb_operator_look(p.shard.op, sb_quality_look, &a);
        SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
        st = sb_operator_look(p.whole.op, sb_quality_look, &b);
        SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
        SPAN_EXPECT(r, a.n_facts == 5 && b.n_facts == 5, "%lld facts", (long long)a.n_facts);
        for (int64_t i = 0; i < a.n_facts && i < b.n_facts; i++) {
            const sb_quality_facts *x = &a.facts[i], *y = &b.facts[i];
            int64_t                 heads = x->head < 0 ? 4 : 1, pairs = 0;
            for (int64_t q = 250; q < 400; q++)
                pairs += q + 1;
            SPAN_EXPECT(r, x->rho_den == heads * pairs, "%lld pairs", (long long)x->rho_den);
            SPAN_EXPECT(r, x->rho_num == heads * 150 * 68, "%lld pairs kept",
                        (long long)x->rho_num);
            SPAN_EXPECT(r, x->rows_total == 150 && x->rows_sampled == 150, "%lld rows",
                        (long long)x->rows_total);
            SPAN_EXPECT(r, x->recall_mean > 0.02 && x->recall_mean < 0.9, "recall %g",
                        x->recall_mean);
            SPAN_EXPECT(r,
                        x->recall_mean == y->recall_mean && x->rel_l2 == y->rel_l2 &&
                            x->recall_p05 == y->recall_p05,
                        "recall %.17g, on one rank %.17g", x->recall_mean, y->recall_mean);
        }
        SPAN_EXPECT(r, a.digest == b.digest, "digests differ");
    }
    sb_quality_fini(&a);
    sb_quality_fini(&b);
    pair_close(r, &p);
}

/* ---- dumps ---- */

static char *slurp(const char *path, size_t *n)
{
    FILE *f    = fopen(path, "rb");
    char *text = NULL;
    *n         = 0;
    if (f == NULL)
        return NULL;
    FILE *to = open_memstream(&text, n);
    for (int ch; (ch = fgetc(f)) != EOF;)
        (void)fputc(ch, to);
    (void)fclose(to);
    (void)fclose(f);
    return text;
}

static int same_files(const char *a, const char *b)
{
    size_t n = 0, m = 0;
    char  *x = slurp(a, &n), *y = slurp(b, &m);
    int    same = x != NULL && y != NULL && n == m && memcmp(x, y, n) == 0;
    free(x);
    free(y);
    return same;
}

/* A directory that all ranks know; rank 0 made it. */
static void shared_dir(span_rank *r, char dir[64])
{
    (void)strcpy(dir, "/tmp/span_dump_XXXXXX");
    if (r->comm->rank == 0 && mkdtemp(dir) == NULL)
        dir[0] = '\0';
    (void)sb_comm_bcast(r->comm, dir, 64, 0);
    SPAN_EXPECT(r, dir[0] != '\0', "no directory in /tmp");
}

static sb_dump dump_of(const char *dir, const op_case *c, sb_point *p, int64_t row)
{
    *p = (sb_point){.suite         = "synthetic",
                    .task_name     = "a task/../x",
                    .identity_json = (char *)"{}",
                    .method        = c->cfg.method,
                    .method_json   = (char *)"{}",
                    .length_tokens = c->cut.shape.n_tokens};
    memset(p->hash, 'a', 64);
    return (sb_dump){.dir      = dir,
                     .what     = SB_DUMP_INDEX | SB_DUMP_O | SB_DUMP_LSE,
                     .point    = p,
                     .row      = row,
                     .operands = &c->cut,
                     .commit   = "none"};
}

static void a_dump_is_the_same_file_for_any_ranks(span_rank *r)
{
    char dir[64], mine[96], a[256], b[256];
    shared_dir(r, dir);
    /* what one rank writes, every rank writes for itself */
    (void)snprintf(mine, sizeof mine, "%s/%d/deep", dir, r->comm->rank);
    SPAN_EXPECT(r, sb_dump_open_dir(mine) == SB_OK, "%s", sb_error_text());
    for (int i = 0; i < N_SPECS; i++) {
        pair     p;
        sb_point pt;
        if (pair_run(r, &specs[i], &p)) {
            sb_dump   d = dump_of(dir, &p.shard, &pt, i), w = d;
            sb_status st = sb_operator_look(p.shard.op, sb_dump_look, &d);
            SPAN_EXPECT(r, st == SB_OK, "%s: %s", specs[i].method, sb_error_text());
            w.dir = mine;
            st    = sb_operator_look(p.whole.op, sb_dump_look, &w);
            SPAN_EXPECT(r, st == SB_OK, "%s: %s", specs[i].method, sb_error_text());
            (void)sb_dump_path(&d, a, sizeof a);
            (void)sb_dump_path(&w, b, sizeof b);
            SPAN_EXPECT(r, same_files(a, b), "%s, case %d: %.60s", specs[i].method, i, a);
            SPAN_EXPECT(r, strchr(a + strlen(dir) + 1, '/') == NULL, "%.60s leaves its directory",
                        a);
            (void)unlink(b);
            (void)sb_comm_barrier(r->comm);
            if (r->comm->rank == 0)
                (void)unlink(a);
        }
        pair_close(r, &p);
    }
    (void)rmdir(mine);
    *strrchr(mine, '/') = '\0';
    (void)rmdir(mine);
    (void)sb_comm_barrier(r->comm);
    if (r->comm->rank == 0)
        SPAN_EXPECT(r, rmdir(dir) == 0, "%s holds a file that was not asked for", dir);
}

static void a_dump_that_cannot_be_written_fails_on_all_ranks(span_rank *r)
{
    static const op_spec s = {
        "clustered", "power_attention", "block_tokens=64", SB_LAYOUT_BLOCK_STRIPED, 300, 300};
    pair     p;
    sb_point pt;
    if (pair_run(r, &s, &p)) {
        sb_dump   d  = dump_of("/proc/no/such", &p.shard, &pt, 0);
        sb_status st = sb_operator_look(p.shard.op, sb_dump_look, &d);
        SPAN_EXPECT(r, st == (r->comm->rank == 0 ? SB_ERR_IO : SB_ERR_PEER), "%s",
                    sb_status_name(st));
        SPAN_EXPECT(r, sb_dump_open_dir("/proc/no/such") == SB_ERR_IO, "a directory below /proc");
        SPAN_EXPECT(r, sb_operator_pass(p.shard.op, NULL) == SB_OK, "%s", sb_error_text());
    }
    pair_close(r, &p);
}

/* ---- operands that fail ---- */

static sb_status broken_fill(const sb_operands *o, sb_operand part, int64_t kv_head, int64_t first,
                             int64_t n, int64_t slot, const sb_tensor *out)
{
    if (part == SB_OPERAND_V && kv_head == 1 && first >= 256)
        return sb_fail(SB_ERR_IO, "the disk is gone");
    return cut_fill(o, part, kv_head, first, n, slot, out);
}

static void a_fill_that_fails_says_why(span_rank *r)
{
    static const sb_operands_ops broken = {broken_fill, NULL};
    static const op_spec         s      = {"random", "dense", "", SB_LAYOUT_ZIGZAG, 700, 700};
    sb_comm                     *self   = NULL;
    op_case                      c;
    sb_operator                 *op = NULL;
    sb_status                    st = sb_comm_self_create(&self);
    if (st == SB_OK && (st = op_open(&s, self, &c)) == SB_OK) {
        c.cut.ops     = &broken;
        c.cfg.threads = 3;
        sb_error_clear();
        st = sb_operator_create(&c.cfg, c.block, c.bytes, &op);
        SPAN_EXPECT(r, st == SB_ERR_IO && op == NULL, "%s", sb_status_name(st));
        SPAN_EXPECT(r, strcmp(sb_error_text(), "the disk is gone") == 0, "%s", sb_error_text());
        op_close(&c);
    }
    sb_comm_destroy(self);
    (void)sb_comm_barrier(r->comm);
}

const span_case span_operator_cases[] = {
    {"the_operator_has_the_bits_of_one_rank", the_operator_has_the_bits_of_one_rank},
    {"a_chunk_is_the_end_of_the_whole", a_chunk_is_the_end_of_the_whole},
    {"quality_of_a_chunk_is_of_its_rows", quality_of_a_chunk_is_of_its_rows},
    {"a_dump_is_the_same_file_for_any_ranks", a_dump_is_the_same_file_for_any_ranks},
    {"a_dump_that_cannot_be_written_fails_on_all_ranks",
     a_dump_that_cannot_be_written_fails_on_all_ranks},
    {"a_fill_that_fails_says_why", a_fill_that_fails_says_why},
    {0},
};

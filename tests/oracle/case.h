/* A case: random q, k, v of one shape, a guarded arena, and the last result of one method on it. */
#ifndef SB_TESTS_ORACLE_CASE_H
#define SB_TESTS_ORACLE_CASE_H

#include "kernels/base/method.h"
#include "tests/oracle/judge.h"

typedef struct sb_case_shape {
    int64_t n_q, n_k, heads, kv_heads, dim;
} sb_case_shape;

enum { SB_CASE_RUNS = 64, SB_CASE_PARAMS = 4096 };

typedef struct sb_case {
    sb_case_shape shape;
    sb_tensor     q, k, v; /* queries are the last n_q of n_k tokens; all keys */
    sb_run        q_run, k_run;
    float         scale;
    int32_t       is_decode, threads, layer;
    /* The heads are some of a model's: sb_shape's three numbers. */
    int64_t       first_head, model_heads, model_kv_heads;
    const char   *file_text; /* what the method's file parameter holds; NULL: the default */
    /* of the last sb_case_attend */
    sb_arena       arena; /* guarded: index, o and lse start as NaN */
    unsigned char *memory, *file_memory;
    sb_plan        plan;
    sb_shape       seen; /* what the method was told */
    sb_tensor      o;
    float         *lse;
    _Alignas(16) unsigned char params[SB_CASE_PARAMS];
} sb_case;

/* Aborts on failure of its own parts (a broken test, not a result). */
sb_case *sb_case_random(sb_case_shape shape, uint64_t seed);
void     sb_case_destroy(sb_case *c);

/* What m makes of the text of a file, in malloc'd *memory; NULL and the error text where it is
 * refused. Checks that both passes of read_file take the same room. */
const void *sb_case_read(const sb_method *m, const char *text, unsigned char **memory);

/* params as "block_tokens: 16, window_blocks: 2"; fills c->params. */
void sb_case_params(sb_case *c, const sb_method *m, const char *text);

/* check, layout over a counting arena, layout over a guarded arena of exactly that size (plus
 * outputs), plan, attend with SB_OUT_SET into c->o (dtype as given) and c->lse. q, k, v NULL: the
 * case's own. A method that plans over all keys gets the case's own where k is only a part. */
sb_status sb_case_attend_on(sb_case *c, const sb_method *m, const char *params, sb_dtype dtype,
                            const sb_tensor *q, const sb_tensor *k, const sb_tensor *v);
sb_status sb_case_attend(sb_case *c, const sb_method *m, const char *params, sb_dtype dtype);

/* Largest differences of the last result from the judge, over every `step`-th row and the last 8.
 */
typedef struct sb_case_error {
    double nmse, lse_abs;
} sb_case_error;
sb_case_error sb_case_judge(const sb_case *c, const sb_tensor *q, const sb_tensor *k,
                            const sb_tensor *v, judge_visible visible, const void *state,
                            int64_t step);

/* Rows of `t` (all heads) for the tokens of gid, copied into a new tensor; t holds ids [0, tokens)
 * or starts at `first`. gid is borrowed. Free .data. */
sb_tensor sb_case_take(const sb_tensor *t, int64_t first, const sb_gid *gid);

/* Zigzag runs of `rank` of `ranks`: chunks rank and 2 * ranks - 1 - rank of 2 * ranks, rounded to
 * quantum [sharding 2]. */
sb_gid sb_case_zigzag(sb_run run[2], int64_t first, int64_t end, int64_t quantum, int64_t rank,
                      int64_t ranks);

sb_tensor sb_case_tensor(sb_dtype dtype, int64_t heads, int64_t tokens, int64_t dim);

#endif

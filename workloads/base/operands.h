/* What the attention operator alone is given: q, k and v of one sequence, made row by row by
 * whoever needs the rows. Any rank makes its own shard; a row has the same bits whatever shard it
 * stands in. A distribution is one record that makes such operands from a seed; files of captured
 * tensors (harness/tensors) make them too.
 *
 * Gates and betas of linear methods are further parts of the same kind: one more enum entry, one
 * more case in each fill. */
#ifndef SB_WORKLOADS_BASE_OPERANDS_H
#define SB_WORKLOADS_BASE_OPERANDS_H

#include "kernels/base/param.h"
#include "kernels/base/tensor.h"
#include "workloads/base/input.h"

typedef enum sb_operand { SB_OPERAND_Q, SB_OPERAND_K, SB_OPERAND_V, SB_OPERAND_COUNT } sb_operand;

typedef struct sb_operand_shape {
    int64_t heads, kv_heads, head_dim; /* heads: a multiple of kv_heads */
    int64_t n_tokens;                  /* keys */
    int64_t n_queries;                 /* of the last tokens: <= n_tokens [DESIGN 10.2] */
} sb_operand_shape;

typedef struct sb_operands sb_operands;

typedef struct sb_operands_ops {
    /* Rows of the ids [first, first + n) of one KV head (for Q: of the query heads that share it)
     * into rows [slot, slot + n) of out, bf16 [its heads][tokens][head_dim], every head in its
     * place. For Q the ids are those of queries. Reentrant: threads fill different rows. */
    sb_status (*fill)(const sb_operands *o, sb_operand part, int64_t kv_head, int64_t first,
                      int64_t n, int64_t slot, const sb_tensor *out);
    void (*destroy)(sb_operands *o);
} sb_operands_ops;

struct sb_operands {
    const sb_operands_ops *ops;
    sb_operand_shape       shape;
    float    scale; /* of the logits: 1/sqrt(head_dim) unless the maker says otherwise */
    sb_span *spans; /* places of interest, NULL: none; owned */
    int64_t  n_spans;
    char     sha256[65]; /* identity: of the recipe, or of a file's tensors */
    void    *impl;
};

void sb_operands_destroy(sb_operands *o); /* NULL is fine */

/* What a distribution is asked for. */
typedef struct sb_draw {
    int64_t     heads, kv_heads, head_dim, length_tokens;
    uint64_t    seed;
    int64_t     row; /* one of several inputs of the same kind */
    const void *params;
} sb_draw;

typedef struct sb_distribution {
    const char     *name, *summary;
    const sb_param *params;
    size_t          params_bytes;
    /* The shortest length that holds what these parameters ask for. */
    int64_t (*min_length)(const void *params);
    /* Everything but the rows: a few KiB. Errors: SB_ERR_NOMEM, SB_ERR_USAGE (too short). */
    sb_status (*create)(const struct sb_distribution *d, const sb_draw *draw, sb_operands **out);
    const char *generator_version; /* changes whenever the same draw gives other bits */
} sb_distribution;

#endif

/* Lightning Attention: linear attention whose past decays at a constant rate a head [lightning 3].
 *
 *   S_t = e^-s S_{t-1} + act(k_t)' v_t;  o_t = scale act(q_t) S_t;  s > 0 from head and layer [3.1]
 *
 * No softmax, no denominator; what stands around it in a layer (norm, gate) is the model's. Trained
 * architecture: on q, k, v of a softmax model it is a latency workload. */
#ifndef SB_KERNELS_LIGHTNING_LIGHTNING_H
#define SB_KERNELS_LIGHTNING_LIGHTNING_H

#include "kernels/base/method.h"

typedef enum sb_lightning_slopes {
    SB_LIGHTNING_ALIBI_LAYER, /* the released code of TransNormerLLM and MiniMax [3.1] */
    SB_LIGHTNING_PAPER,       /* arXiv 2307.14995: linear in the head; head 0 does not decay [11] */
    SB_LIGHTNING_MINIMAX,     /* the port of MiniMax to transformers [11] */
    SB_LIGHTNING_SLOPES_COUNT
} sb_lightning_slopes;

typedef enum sb_lightning_heads {
    SB_LIGHTNING_PER_Q,  /* a decay, and so a state, for each query head */
    SB_LIGHTNING_PER_KV, /* for each KV head: query heads of a group share it */
    SB_LIGHTNING_HEADS_COUNT
} sb_lightning_heads;

enum { SB_LIGHTNING_ACT_IDENTITY = 4 }; /* place in the list of act */

typedef struct sb_lightning_params {
    int64_t chunk_tokens; /* C */
    int32_t slope_rule;   /* sb_lightning_slopes */
    int32_t slope_heads;  /* sb_lightning_heads */
    int32_t act;          /* silu, relu, elu, 1+elu, identity; on q and k */
    double  scale;        /* of o; 0: the model's, 1/sqrt(head_dim) unless it says otherwise */
} sb_lightning_params;

/* out[i] = s of head first + i, i < n, of n_heads in layer `layer` (from 0) of n_layers; softmax
 * layers count. Fewer than two layers: the factor of the first of many [3.1]. */
void sb_lightning_slope_table(sb_lightning_slopes rule, int64_t n_heads, int32_t layer,
                              int32_t n_layers, int64_t first, int64_t n, double *out);

extern const sb_method sb_lightning;

#endif

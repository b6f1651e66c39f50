/* The linear-attention family, all on one executor (exec/linear_scan.h) [linear 3]:
 *
 *   elu1         running sum of map(k)'v; o divided by the weights' sum                  [3.1]
 *   retnet       constant decay, 1 - 2^(-5 - h) a head: retention                        [3.2]
 *   gla          a gate a key channel and token                                          [3.3]
 *   gated_delta  gated delta rule: what k already recalls is replaced, not added to      [3.4]
 *   aaren        running softmax mean with one query a head, that of token 0             [3.5]
 *
 * The operator alone: projections, convolutions, norms and output gates are the model's. Gates and
 * betas come with the call; without them `gate` and `beta` hold for every token. Trained
 * architectures: on q, k, v of a softmax model they are latency workloads. The family's rat is not
 * here: it turns its gated keys by chunk positions inside the operator, for which a call carries no
 * frequencies, and what it keeps grows with the sequence [3.6]. */
#ifndef SB_KERNELS_LINEAR_LINEAR_H
#define SB_KERNELS_LINEAR_LINEAR_H

#include "kernels/base/method.h"

typedef enum sb_linear_kind {
    SB_LINEAR_ELU1,
    SB_LINEAR_RETNET,
    SB_LINEAR_GLA,
    SB_LINEAR_GATED_DELTA,
    SB_LINEAR_AAREN,
    SB_LINEAR_KIND_COUNT
} sb_linear_kind;

typedef struct sb_linear_params {
    int32_t kind;         /* sb_linear_kind */
    int64_t chunk_tokens; /* C; gla works in sub-blocks of 16 whatever this says */
    int32_t force_mode;   /* auto, recurrent, chunked */
    double  scale;        /* of o; 0: the model's, 1/sqrt(head_dim) unless it says otherwise */
    int32_t feature_map;  /* elu1 alone: elu1, identity, relu, silu, sqrelu, dpfp, taylor */
    int32_t normalize;    /* elu1 alone: true, false */
    int32_t qk_norm;      /* gated_delta alone: l2, none */
    double  gate;         /* gla, gated_delta: log decay where the call brings no gates */
    double  beta;         /* gated_delta: likewise */
} sb_linear_params;

/* s of a query head of the model where a constant decay is e^-s a token, -ln(1 - 2^(-5 - h)) of
 * retnet [3.2]; else 0. */
double sb_linear_slope(const sb_linear_params *p, int64_t head);

extern const sb_method sb_linear;

#endif

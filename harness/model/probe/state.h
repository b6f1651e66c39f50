/* What one probe instance holds: constants made at create, and the residual rows of the current
 * input.
 *
 * Every residual subspace is written once, by embed or by one head's output, so each is kept apart
 * in bf16 and nothing is ever added up or lost. Row `rows` (one past the local ones) is the scratch
 * row of decode. Masked subspaces (VALS, A) are code rows looked up with the id of BOS, whose code
 * is 0, where the token is of another class. */
#ifndef SB_HARNESS_MODEL_PROBE_STATE_H
#define SB_HARNESS_MODEL_PROBE_STATE_H

#include "harness/model/probe/codes.h"
#include "harness/model/probe/probe.h"
#include "harness/model/probe/waves.h"

typedef enum sb_probe_turn { /* position rotations: what a query looks back to */
                             SB_PROBE_TURN_PREV1,
                             SB_PROBE_TURN_PREV2,
                             SB_PROBE_TURN_PREV3,
                             SB_PROBE_TURN_CONTEXT,
                             SB_PROBE_TURN_LOCAL, /* background */
                             SB_PROBE_TURN_SLASH, /* background */
                             SB_PROBE_TURN_COUNT
} sb_probe_turn;

typedef struct sb_probe_residual {
    int64_t    rows;      /* local tokens; the scratch row is row `rows` */
    int64_t    n_context; /* positions from here on are the question segment */
    sb_profile profile;
    int32_t    hops;      /* 0 unless profile is VT */
    int32_t   *id;        /* [rows + 1] token ids */
    int32_t   *value_id;  /* id if in VAL, else BOS */
    int32_t   *agg_id;    /* id if in AGG, else BOS */
    int32_t   *salient;   /* row of the salience table */
    sb_bf16   *bos;       /* [rows + 1] 1 at position 0 */
    sb_bf16   *phi;       /* [rows + 1][128] position */
    sb_bf16   *topic;     /* [rows + 1][14] */
    sb_bf16   *prev[3];   /* [rows + 1][128] P1..P3; not in profile AGG */
    sb_bf16   *loc;       /* [rows + 1][64] [LK | LQ]; not in AGG */
    sb_bf16   *hop;       /* [hops][rows + 1][128] R_1..R_h; VT */
    sb_bf16   *out_ngram; /* [rows + 1][128] OUT is the fp32 sum of two heads; not in AGG */
    sb_bf16   *out_var;   /* [rows + 1][128] VT */
    sb_bf16   *agr;       /* [rows + 1][128] AGG, VT */
} sb_probe_residual;

/* Constants that maps point at, in the memory of the residual. */
typedef struct sb_probe_tables {
    const sb_bf16           *content, *salience; /* codes.h */
    const sb_bf16           *one;                /* the number 1 */
    const float             *eq_code;            /* [128] c(EQ), for the flag */
    const float             *topic_map;          /* [levels][8 heads][128][16] */
    const sb_probe_rotation *turn;               /* [SB_PROBE_TURN_COUNT] */
    const uint8_t           *permute;            /* [128] of ablate permute_v */
} sb_probe_tables;

enum { SB_PROBE_MAPS = SB_PROBE_HEADS + 2 * SB_PROBE_KV_HEADS };

typedef struct sb_probe {
    sb_model          model; /* first: a sb_model of this kind is a sb_probe */
    sb_probe_params   par;   /* resolved */
    int32_t           threads;
    sb_probe_codes    codes;
    sb_probe_codes    other; /* codes of another seed; empty unless ablate is readout_seed */
    sb_probe_waves    waves;
    sb_probe_rotation turn[SB_PROBE_TURN_COUNT];
    double            context_peak;
    float             eq_code[SB_PROBE_DIM]; /* c(EQ), for the flag */
    uint8_t           permute[SB_PROBE_DIM]; /* of ablate permute_v */
    float            *topic_map;             /* [levels][8 heads][128][16] */
    int32_t           levels;                /* FINAL, POS, HOP_1, HOP_2, ... */
    sb_probe_residual res;
    sb_probe_tables   tab; /* of the same backend as res; on the CPU the members above */
} sb_probe;

/* Residual storage of an input; see sb_model_ops.layout. The memory itself is not touched; tab is
 * left to the caller: sb_probe_layout_rows serves any backend, sb_probe_layout is the CPU's. */
sb_status sb_probe_layout_rows(sb_model *m, const sb_input *in, int64_t rows, sb_arena *a);
sb_status sb_probe_layout(sb_model *m, const sb_input *in, int64_t rows, sb_arena *a);
sb_status sb_probe_embed(sb_model *m, const sb_input *in, const sb_gid *gid);
sb_status sb_probe_embed_one(sb_model *m, const sb_input *in, int32_t id, int64_t pos);
/* The tokens of gid, as far as they are of this input and of this vocabulary. */
sb_status sb_probe_check_tokens(const sb_probe *p, const sb_input *in, const sb_gid *gid);
sb_status sb_probe_check_token(int32_t id, int64_t pos);

/* Topic maps T for at least `levels` levels: Gaussian, [128][16] with 14 columns used, each a pure
 * function of (code_seed, level, head). Errors: SB_ERR_NOMEM. */
sb_status    sb_probe_topics_grow(sb_probe *p, int32_t levels);
const float *sb_probe_topic_map(const sb_probe *p, int32_t level, int32_t head);

/* Layers of an input, by number. */
int32_t sb_probe_n_layers(sb_profile profile, int32_t hops);
/* The maps of a layer: K of each KV head, V of each, Q of each head. */
void sb_probe_maps_of(const sb_probe *p, int32_t layer, sb_probe_map map[SB_PROBE_MAPS]);
/* Where a head's output goes (the subspace's row 0), *dims of each row. NULL: it is dropped. */
sb_bf16 *sb_probe_writes(const sb_probe *p, int32_t layer, int32_t head, int32_t *dims);
/* ... with the first row of each destination, after a check of the tensors. map, dst:
 * [SB_PROBE_MAPS] */
sb_status sb_probe_qkv_maps(const sb_probe *p, int32_t layer, int64_t rows, const sb_tensor *q,
                            const sb_tensor *k, const sb_tensor *v, sb_probe_map *map,
                            sb_bf16 **dst);
sb_status sb_probe_check_o(const sb_probe *p, int32_t layer, int64_t rows, const sb_tensor *o);

sb_status sb_probe_qkv(sb_model *m, int32_t layer, int one, sb_tensor *q, sb_tensor *k,
                       sb_tensor *v);
sb_status sb_probe_absorb(sb_model *m, int32_t layer, int one, const sb_tensor *o);

sb_status sb_probe_row(const sb_model *m, int64_t row, float *out);
/* out [SB_PROBE_ROW_VALUES] from one row of each subspace [128]; NULL: the profile has none. */
void    sb_probe_row_sum(const sb_bf16 *ngram, const sb_bf16 *var, const sb_bf16 *agr, float *out);
int32_t sb_probe_argmax(const sb_model *m, const float *row, int32_t lo, int32_t hi,
                        const int32_t *exclude, int64_t n_exclude);

#endif

/* One sharded sequence with made-up q, k, v, for the collective cases: the same sequence on any
 * communicator, so that every rank can hold its shard against the whole one on `self`. */
#ifndef SB_TESTS_MPI_SHARD_CASE_H
#define SB_TESTS_MPI_SHARD_CASE_H

#include "harness/shard/scheme.h"
#include "harness/shard/team.h"

typedef struct span_seq_spec {
    const char    *method;
    const char    *params; /* "block_tokens=64 window_blocks=2"; a file: its text, without blanks */
    sb_layout_kind kind;
    int64_t        n_tokens, max_new_tokens;
    int64_t        heads, kv_heads, head_dim;
} span_seq_spec;

/* How the prefill runs; all zero: keys are gathered. */
typedef struct span_how {
    sb_scheme_use use;
    sb_link      *link;        /* of schemes that link more than one rank; borrowed */
    int64_t       first_query; /* of prefill; tokens before it have none */
} span_how;

typedef struct span_seq {
    span_seq_spec    spec;
    const sb_method *method;
    void            *params, *file;
    span_how         how;
    sb_map           map;
    sb_team          team;
    sb_gid           gid, q_gid;
    sb_run          *q_runs;
    void            *block;
    size_t           predicted_bytes;
    sb_arena         arena;
    sb_cache         cache;
    sb_shard         shard;
    sb_tensor        q, o; /* prefill, local rows */
    float           *lse;
    sb_tensor        q1, o1; /* decode */
    sb_tensor        gate, beta, gate1, beta1; /* data NULL: none; see span_seq_gates */
    float            lowest;
    sb_phase_times   times;
    sb_ctx           ctx;
    _Alignas(
        16) unsigned char dense[64]; /* parameters of dense: it decodes for methods that do not */
} span_seq;

typedef enum span_what { SPAN_Q, SPAN_K, SPAN_V } span_what;

/* Number (head, token, dim) of q, k or v: a function of its arguments alone. */
sb_bf16 span_value(span_what what, int64_t head, int64_t token, int64_t dim);

/* Storage in a guarded arena of exactly the counted size; the cache holds the local K and V.
 * Aborts when there is no memory. Local. */
sb_status span_seq_open(const span_seq_spec *spec, sb_comm *comm, span_seq *s);
sb_status span_seq_open_as(const span_seq_spec *spec, const span_how *how, sb_comm *comm,
                           span_seq *s);
void      span_seq_close(span_seq *s);

/* Made-up gates of `dim` channels a token, in (lowest, 0], and betas in [0, 1), for prefill and
 * steps. */
void span_seq_gates(span_seq *s, int64_t dim, float lowest);

sb_status span_seq_prefill(span_seq *s); /* o and lse of the local rows; collective */
sb_status span_seq_step(span_seq *s);    /* the next token: o1; collective */

#endif

/* Memory of a linear scan, and one head at work, for the files of this executor.
 *
 * Letters: C rows of a chunk; dk key channels after the map, a multiple of 16; d value channels.
 * State of a head, in floats (as in the cache, behind a header):
 *   DECAY  S [dk][d], z [dk] if normalised     GATE, DELTA  S [dk][d]
 *   MEAN   w [d], m, u, q [d]: w / u is the mean, m the largest score, q the head's query
 * Record of a head, which travels to the ranks behind (own tokens, from a state of zero):
 *   DECAY  as the state: lengths give the decay      GATE  S, then sums of gates [dk] in fp64
 *   DELTA  [dk][d + dk]: B, and beside it A          MEAN  w [d], m, u
 *          devices: B [dk][d], then A [dk][dk] */
#ifndef SB_KERNELS_EXEC_LINEAR_SCAN_ROOM_H
#define SB_KERNELS_EXEC_LINEAR_SCAN_ROOM_H

#include "kernels/exec/flash.h"
#include "kernels/exec/linear_scan.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SBI_SCAN_SUB   = 16, /* rows of a block of a triangular solve, and of a chunk of GATE */
    SBI_SCAN_SHORT = 64, /* tokens up to which AUTO is recurrent [linear 4] */
};

/* In front of the states in sb_cache.state. */
typedef struct sbi_scan_state {
    int64_t tokens;  /* of the sequence that the states have seen */
    int64_t fill[7]; /* to 64 bytes */
} sbi_scan_state;

/* What ranks tell one another before records travel. */
typedef struct sbi_scan_told {
    int64_t status, start, tokens, fill[5];
} sbi_scan_told;

/* Of one thread. cols: columns of the widest state. */
typedef struct sbi_scan_scratch {
    float  *raw;          /* [d rounded up] a row as fp32; [2 d] for dpfp */
    float  *q, *k;        /* [C][dk] */
    float  *kt, *ktw;     /* [dk][C] keys transposed; as they enter S. GATE: kt is [C][dk], e^g */
    float  *v;            /* [C][cols] values; DELTA: what enters S in their place */
    float  *o;            /* [C][cols] */
    float  *p;            /* [C][C] weighted scores, row i's first i + 1; zeros behind */
    float  *w;            /* [C][C]; DECAY uses [C]: see sbi_scan_weights */
    float  *row;          /* [C] decay from before the chunk to row i */
    float  *alpha, *norm; /* [C] */
    float  *ones;         /* [max(C, dk)] */
    float  *temp;         /* [dk][d] */
    double *g;            /* [max(C, dk)] sums of gates */
} sbi_scan_scratch;

typedef struct sbi_scan_room {
    sb_scan           scan;
    int64_t           heads, kv_heads, state_heads;
    int64_t           chunk, dk, d;
    int64_t           cols;                      /* d; DELTA over ranks d + dk */
    int64_t           state_floats;
    int64_t           record_floats, records_floats; /* of one head, and of all */
    int64_t           n_tokens;                  /* of the sequence */
    int32_t           recurrent, is_decode, threads, ranks;
    double           *slope;                     /* [state_heads] */
    float            *state;                     /* [state_heads][state_floats] */
    sbi_scan_scratch *scratch;                   /* [threads] */
    /* several ranks: what they tell, the own record, and those of a batch of ranks */
    sbi_scan_told *told;         /* [ranks] */
    float         *own, *others; /* [records_floats], [BATCH][records_floats]; NULL on devices */
    float         *query;        /* MEAN: [heads][d], that of token 0 */
    sb_transfer   *transfer;     /* [ranks + BATCH] */
    int64_t       *count_bytes, *displ_bytes; /* [ranks] */
} sbi_scan_room;

/* One state head at work over the local tokens. */
typedef struct sbi_scan_head {
    const sbi_scan_room    *room;
    const sbi_flash_ops    *ops;
    const sb_attn_in       *in;
    sb_attn_out            *out; /* NULL: only the state is wanted */
    const sbi_scan_scratch *s;
    int64_t                 head;
    int64_t                 key_slot; /* row of k and v that belongs to row 0 of q */
    int64_t                 cols;     /* of the state at work: room->d or room->cols */
    float                  *state;
    double                 *gates; /* GATE: sums [dk] go on here; or NULL */
    float                   scale;
} sbi_scan_head;

/* Of one head. */
int64_t sbi_scan_record_floats(const sb_scan *scan, int64_t head_dim);
/* Of all heads, as they travel: a multiple of 16. */
int64_t sbi_scan_records_floats(const sb_scan *scan, int64_t state_heads, int64_t head_dim);

static inline int64_t sbi_scan_kv_head(const sbi_scan_head *h)
{
    return h->head / (h->room->state_heads / h->room->kv_heads);
}

/* Query heads [first, first + count) read this state; none when only the state is wanted. */
static inline int64_t sbi_scan_queries(const sbi_scan_head *h, int64_t *first)
{
    int64_t count = h->room->heads / h->room->state_heads;
    *first        = h->head * count;
    return h->out == NULL ? 0 : count;
}

/* z of a normalised state. */
static inline float *sbi_scan_z(const sbi_scan_head *h) { return h->state + h->room->dk * h->cols; }

/* e^total x as a x + b x. Where little decays these are 1 and e^total - 1: e^total itself, rounded
 * to fp32 near 1, would be off by the same bit again and again over millions of tokens. */
typedef struct sbi_scan_decay {
    float a, b;
} sbi_scan_decay;

/* total <= 0 */
sbi_scan_decay sbi_scan_decay_of(double total);

/* x[0..n) decays. */
void sbi_scan_fade(sbi_scan_decay f, float *x, int64_t n);

/* ---- linear_scan_ranks.c ---- */
/* Every rank learns of the others: status and tokens [start, start + n) of this one. All ranks
 * fine, and one after the other from token 0 on, or the same error everywhere but where st is one,
 * which is then returned. Collective. */
sb_status sbi_scan_meet(const sbi_scan_room *r, const sb_ctx *ctx, sb_status st, int64_t start,
                        int64_t n);
/* MEAN: r->query of rank 0, which has token 0, to all: they ask with it. A rank
 * 0 that has failed sends what nobody will use. Collective. */
sb_status sbi_scan_share_query(const sbi_scan_room *r, const sb_ctx *ctx);
/* The records of ranks [first, first + BATCH) to all ranks behind each: on its way into `others`,
 * one after the other, is that of every one before this rank that has tokens. Both are memory of
 * the link; what is queued on ctx->stream after it finds them there. Collective. */
sb_status sbi_scan_send(const sbi_scan_room *r, const sb_ctx *ctx, int32_t first, float *own,
                        float *others);

#ifdef __cplusplus
}
#endif

#endif

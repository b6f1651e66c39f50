/* One attention call planned on the CPU and on the device, and how far the two selections and what
 * came out of them lie apart. */
#ifndef SB_TESTS_CUDA_DEVICE_PLAN_H
#define SB_TESTS_CUDA_DEVICE_PLAN_H

#include "harness/run/operator.h"

typedef struct plan_spec {
    const char *method, *params; /* "block_tokens=64 gamma=0.9" */
    const char *operands;        /* of `list distributions` */
    int64_t     heads, kv_heads, head_dim, n_tokens;
} plan_spec;

typedef struct plan_apart {
    int64_t rows;   /* of heads x queries looked at: all up to 2048 tokens, else some 640 a head; in
                       long contexts some 110 a head, all of other query blocks but the last 16 */
    int64_t listed; /* keys that those rows see by the CPU's plan */
    int64_t differ; /* keys that a row sees by one of the two plans only */
    int64_t equal_rows;
    double  share;     /* differ / listed */
    double  nmse;      /* of the device's o against the CPU's, over equal rows */
    double  lse_abs;   /* largest difference of the two lse, over equal rows */
    double  recall[2]; /* mean over rows, CPU and device: exp(lse - lse of all keys); of methods
                          with their own softmax: 0 */
    double         density; /* listed / causal pairs */
    int64_t        estimate_flops[2];
    sb_status      status; /* of the device's calls; not SB_OK: the rest says nothing */
    sb_phase_times times;  /* of the device's last call */
} plan_apart;

/* From here on the CPU plans only, as its attention would take minutes: recall is of the rows that
 * are looked at, from their logits, and o and lse are not compared. */
enum { PLAN_LONG_TOKENS = 65536 };

/* Aborts where anything but the device's calls fails. Two calls on the device: the second one finds
 * rooms that the first has used. */
plan_apart device_plan_compare(const plan_spec *s);

/* Holds what came of it to the bounds of every plan: the device's calls went well, and the
 * selections and their recalls differ in no more than .1 %. */
void device_plan_hold(const plan_spec *s, const plan_apart *r);

#endif

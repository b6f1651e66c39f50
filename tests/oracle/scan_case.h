/* A case of a method that carries a state: q, k, v of an sb_case, gates and betas, a cache with the
 * state, and outputs of all tokens in fp32. Calls may take the sequence piece by piece. */
#ifndef SB_TESTS_ORACLE_SCAN_CASE_H
#define SB_TESTS_ORACLE_SCAN_CASE_H

#include "tests/oracle/case.h"
#include "tests/oracle/linear_judge.h"

typedef struct scan_case {
    sb_case         *c; /* q, k, v of all tokens; scale, threads */
    const sb_method *m;
    sb_tensor        gate, beta; /* data NULL: none */
    int32_t          layer, n_layers;
    double           slope; /* >= 0: of all heads, instead of the method's */
    sb_cache         cache;
    void            *cache_memory;
    sb_tensor        o;     /* [heads][n][d] fp32 */
    sb_dtype         dtype; /* that a call writes: bf16 is widened into o */
} scan_case;

/* n_q == n_k. params as in sb_case_params. Aborts on failure of its own parts. */
scan_case *scan_case_open(sb_case_shape shape, const char *method, const char *params,
                          uint64_t seed);
void       scan_case_close(scan_case *s);
void       scan_case_reset(scan_case *s); /* an empty cache, o as NaN */

/* Random gates in [lowest, 0] ([kv_heads][n][dim]; dim 1 or d) and betas in [0, 1]. */
void scan_case_gates(scan_case *s, int64_t dim, double lowest);

/* The tokens [first, first + n) as one call; a decode call finds its keys in a cache of all tokens
 * so far, a prefill gets its own. Arena of exactly the counted size, canaries checked. */
sb_status scan_case_run(scan_case *s, int64_t first, int64_t n, int is_decode);
void      scan_case_ok(scan_case *s, int64_t first, int64_t n, int is_decode);

/* State of a state head [channels][d] in the cache. */
const float *scan_case_state(const scan_case *s, int64_t state_heads, int64_t head);

/* What the judge says: [heads][n][d], to be freed. */
double *scan_case_want(const scan_case *s, const linear_judge *j);
/* ||got - want|| / ||want|| of all outputs, and of any numbers. */
double scan_case_error(const scan_case *s, const double *want);
double scan_rel(const float *got, const float *want, int64_t n);

/* The judge of a method with these parameters, from its spec: slopes of heads and layer, maps, the
 * case's gates. */
linear_judge scan_case_judge(const scan_case *s);

#endif

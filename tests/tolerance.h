/* Every tolerance of the tests, with its reason. NMSE = sum (got - want)^2 / sum want^2 against
 * fp64. */
#ifndef SB_TESTS_TOLERANCE_H
#define SB_TESTS_TOLERANCE_H

/* One rounding of O to bf16 (8 bits of significand): relative error uniform in +-2^-9 .. +-2^-8
 * costs about 3e-6 [STYLE 11]; twice that leaves room for unlucky values, and is far below one
 * dropped key. */
#define SB_NMSE_BF16 6e-6

/* O in fp32: sums of up to 4096 products in fp32, exp within 2e-7. Measured at most 3e-13; a wrong
 * rounding point (P in bf16, say) costs 1e-6. */
#define SB_NMSE_F32 1e-11

/* lse in fp32: scores near 30 carry a few units of 2e-6 each. Measured at most 6e-6; sharding 1.2
 * allows 1e-4. */
#define SB_LSE_ABS 2e-5

/* The vector exp against libm: the polynomial's 1.7e-7 and one rounding. */
#define SB_EXP_REL 2.5e-7

/* Device executors round P to bf16 before its product with V: each of n weights errs by up to 2^-9,
 * so NMSE of o in fp32 lies near 1.4e-6, less where many keys share the weight and the errors
 * cancel in part; with one more rounding of o, near 4e-6 [STYLE 11]. The norm's lse does not see P.
 */
#define SB_NMSE_P_BF16 4e-6
#define SB_NMSE_PO_BF16 1e-5
#define SB_LSE_DEVICE_ABS 5e-5

/* Merging partials in another order, fp32: a few roundings of numbers near 1 [sharding 12]. */
#define SB_MERGE_ABS 1e-6

/* Shards against one rank [sharding 1.2]: o in fp32 relative to max|O|, lse absolute. Outputs are
 * compared before their one rounding to bf16: that alone may move a number by 2^-8, more than the
 * 2e-3 allowed for bf16, so two rounded outputs say nothing unless they are equal. */
#define SB_SHARD_O_REL 1e-5
#define SB_SHARD_LSE_ABS 1e-4

/* Methods that carry a state: relative Frobenius error of o or S, as scores are signed and nothing
 * is normalised [lightning 5]. fp32 against fp64: measured at most 1e-6 (4e-6 for the Taylor map,
 * whose weights nearly cancel); a wrong decay exponent costs 3e-3 and more. Ranks against one rank
 * share the bound [lightning 8, linear 8]. */
#define SB_SCAN_REL 1e-5
/* ... and o rounded to bf16 [lightning 10.10]. */
#define SB_SCAN_REL_BF16 5e-3

#endif

/* The inner step of attention on one CPU: one packed block of 64 keys against the rows of a query
 * tile. One table per instruction set (flash_generic.c, flash_avx2.c, flash_avx512.c), all from
 * flash_impl.h; flash_cpu.c holds everything around it. */
#ifndef SB_KERNELS_EXEC_FLASH_H
#define SB_KERNELS_EXEC_FLASH_H

#include <stdint.h>

#include "kernels/base/bf16.h"
#include "kernels/base/status.h"
#include "kernels/exec/tiles.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Working set of one query tile, one thread. Row-major; the softmax state is per row: running
 * maximum m (-inf: nothing seen), sum l of exp(s - m), accumulator o of exp(s - m) * v. */
typedef struct sbi_flash_tile {
    int64_t   n_rows, dim; /* dim: multiple of 16, at most SB_TILE_DIM_MAX */
    float    *q;           /* [n_rows][dim], already scaled */
    float    *o;           /* [n_rows][dim] */
    float    *m, *l;       /* [n_rows] */
    uint64_t *visible;     /* [n_rows] bit k: the row sees key k of the current block */
    float    *kt; /* [dim][64] the block's keys, transposed; 64-byte aligned like v, q and o */
    float    *v;  /* [64][dim]; NULL: only m and l are wanted */
} sbi_flash_tile;

/* c [m][n] = a [m][k] b [k][n], or alpha[i] * c[i] + that; all row-major, n a multiple of 16. */
typedef struct sbi_matmul {
    int64_t      m, n, k;
    const float *a, *b;
    float       *c;
    int64_t      lda, ldb, ldc;
    const float *alpha; /* [m]; NULL: c is set */
    int32_t      lower; /* 0, or one of SBI_LOWER_A, SBI_LOWER_C: half the work */
} sbi_matmul;
enum {
    SBI_LOWER_A = 1, /* a[i][x] is 0 for x > i */
    SBI_LOWER_C = 2, /* c[i][x] is wanted for x <= i only; others are set or left alone */
};

typedef struct sbi_flash_ops {
    /* Widen 64 bf16 rows of K (transposed) and V. Rows that are not at hand point at zeros. v NULL:
     * keys only. */
    void (*pack)(const sb_bf16 *const k_row[SB_TILE_KEYS], const sb_bf16 *const v_row[SB_TILE_KEYS],
                 int64_t dim, float *kt, float *v);
    /* Fold the block into every row's state. A row with visible == 0 keeps its state bit for bit
     * (zeros may lose their sign). */
    void (*block)(const sbi_flash_tile *t);
    /* pack and block in one, bit for bit, from rows of K and V as they lie; t->kt and t->v are not
     * touched (t->v NULL still says: m and l alone). Faster for few rows: SB_TILE_THIN_ROWS. */
    void (*thin)(const sbi_flash_tile *t, const sb_bf16 *const k_row[SB_TILE_KEYS],
                 const sb_bf16 *const v_row[SB_TILE_KEYS]);
    /* y[i] = exp(x[i]) as the softmax computes it: x <= 0; 0 below -87.33. n a multiple of 16. */
    void (*exp)(const float *x, float *y, int64_t n);
    /* The product of both steps of `block`; sums run over k ascending, so c[i][j] has the same bits
     * for any m and n. */
    void (*matmul)(const sbi_matmul *g);
} sbi_flash_ops;

extern const sbi_flash_ops sbi_flash_generic, sbi_flash_avx2, sbi_flash_avx512;

/* The widest one that sb_cpu_isa_choose() allows; errors are its own. */
sb_status sbi_flash_choose(const sbi_flash_ops **out);

#ifdef __cplusplus
}
#endif

#endif

/* Products of rows by cuBLASLt [models 7.2]. It sees column-major matrices:
 *
 *   Y[n][rows] = X[n][cols] W[rows][cols]^T   ->   m = rows, n = n, k = cols
 *   A = W, transposed, ld cols;   B = X, ld ldx;   C = D = Y, ld rows
 *
 * The algorithm of a shape is chosen on its first product and kept: a model has about a dozen.
 * One row (decode) goes by one_row_cuda.cu. */
#include <stdlib.h>

#include "kernels/backend/cublaslt.h"
#include "kernels/nn/device_rows_cuda.h"

#if defined(SB_HAVE_CUBLASLT)
#include "kernels/backend/cublaslt_library.h"
#include "kernels/backend/cuda_stream.h"

enum { PLANS = 64, ALIGNED = 16 /* bytes, of all operands */, ONE_ROW = 8 /* numbers at a time */ };

typedef struct plan {
    int64_t                rows, cols, n, ldx;
    sb_dtype               y_type;
    cublasLtMatmulDesc_t   desc;
    cublasLtMatrixLayout_t a, b, c;
    cublasLtMatmulAlgo_t   algo;
} plan;

typedef struct products {
    const sbi_cublaslt *lib;
    cublasLtHandle_t    handle;
    plan                plan[PLANS];
    int64_t             made; /* ever: the oldest of PLANS makes room */
} products;

static void plan_fini(const sbi_cublaslt *lib, plan *p)
{
    if (p->a != NULL)
        (void)lib->MatrixLayoutDestroy(p->a);
    if (p->b != NULL)
        (void)lib->MatrixLayoutDestroy(p->b);
    if (p->c != NULL)
        (void)lib->MatrixLayoutDestroy(p->c);
    if (p->desc != NULL)
        (void)lib->MatmulDescDestroy(p->desc);
    *p = (plan){0};
}

static sb_status describe(const sbi_cublaslt *lib, plan *p)
{
    const cublasOperation_t turned = CUBLAS_OP_T;
    const cudaDataType_t    y      = p->y_type == SB_F32 ? CUDA_R_32F : CUDA_R_16BF;
    const uint64_t          rows = (uint64_t)p->rows, cols = (uint64_t)p->cols, n = (uint64_t)p->n;
    sb_status               st = sbi_cublaslt_status(
                      lib->MatmulDescCreate(&p->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
    if (st == SB_OK)
        st = sbi_cublaslt_status(lib->MatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSA,
                                                             &turned, sizeof turned),
                                 "describing a product");
    if (st == SB_OK)
        st = sbi_cublaslt_status(lib->MatrixLayoutCreate(&p->a, CUDA_R_16BF, cols, rows, p->cols),
                                 "layout of weights");
    if (st == SB_OK)
        st = sbi_cublaslt_status(lib->MatrixLayoutCreate(&p->b, CUDA_R_16BF, cols, n, p->ldx),
                                 "layout of rows");
    if (st == SB_OK)
        st = sbi_cublaslt_status(lib->MatrixLayoutCreate(&p->c, y, rows, n, p->rows),
                                 "layout of results");
    return st;
}

static sb_status prefer(const sbi_cublaslt *lib, cublasLtMatmulPreference_t preference)
{
    static const cublasLtMatmulPreferenceAttributes_t sides[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    const uint64_t room  = SBI_PRODUCT_BYTES;
    const uint32_t align = ALIGNED;
    cublasStatus_t s     = lib->MatmulPreferenceSetAttribute(
            preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room, sizeof room);
    for (size_t i = 0; s == CUBLAS_STATUS_SUCCESS && i < sizeof sides / sizeof *sides; i++)
        s = lib->MatmulPreferenceSetAttribute(preference, sides[i], &align, sizeof align);
    return sbi_cublaslt_status(s, "preference");
}

static sb_status choose(const products *all, plan *p)
{
    const sbi_cublaslt             *lib        = all->lib;
    cublasLtMatmulPreference_t      preference = NULL;
    cublasLtMatmulHeuristicResult_t best       = {0};
    int                             n          = 0;
    sb_status                       st         = describe(lib, p);
    if (st == SB_OK)
        st = sbi_cublaslt_status(lib->MatmulPreferenceCreate(&preference), "preference");
    if (st == SB_OK)
        st = prefer(lib, preference);
    if (st == SB_OK)
        st = sbi_cublaslt_status(lib->MatmulAlgoGetHeuristic(all->handle, p->desc, p->a, p->b, p->c,
                                                             p->c, preference, 1, &best, &n),
                                 "choosing an algorithm");
    if (st == SB_OK && n == 0)
        st = sb_fail(SB_ERR_UNSUPPORTED, "cublaslt: found none, allowed an algorithm");
    if (preference != NULL)
        (void)lib->MatmulPreferenceDestroy(preference);
    p->algo = best.algo;
    return st == SB_OK ? SB_OK
                       : sb_wrap(st, "product of %lld rows with weights [%lld][%lld]",
                                 (long long)p->n, (long long)p->rows, (long long)p->cols);
}

static sb_status plan_of(products *all, const sb_rows_product *p, const plan **out)
{
    int64_t have = all->made < PLANS ? all->made : PLANS;
    for (int64_t i = 0; i < have; i++) {
        const plan *k = &all->plan[i];
        if (k->rows == p->rows && k->cols == p->cols && k->n == p->n && k->ldx == p->ldx &&
            k->y_type == p->y_type) {
            *out = k;
            return SB_OK;
        }
    }
    plan *to = &all->plan[all->made % PLANS];
    plan_fini(all->lib, to);
    *to = (plan){.rows = p->rows, .cols = p->cols, .n = p->n, .ldx = p->ldx, .y_type = p->y_type};
    sb_status st = choose(all, to);
    if (st != SB_OK) {
        plan_fini(all->lib, to); /* a shape of zeros: nobody asks for it */
        return st;
    }
    all->made++;
    *out = to;
    return SB_OK;
}

sb_status sbi_product_run(void *products_, const sb_rows_product *p, void *work, void *stream)
{
    products   *all = products_;
    const plan *k   = NULL;
    const float one = 1, beta = p->adds ? 1 : 0;
    uintptr_t   bits = (uintptr_t)p->w | (uintptr_t)p->x | (uintptr_t)p->y;
    uintptr_t   off  = -(uintptr_t)work % SBI_PRODUCT_ALIGN;
    if (p->n == 0)
        return SB_OK;
    if (bits % ALIGNED != 0 || (p->adds && p->y_type != SB_F32))
        return sb_fail(SB_ERR_INTERNAL, "product: rows out of line, or added to in bf16");
    if (p->n == 1 && p->cols % ONE_ROW == 0)
        return sbi_one_row_product(p, stream);
    sb_status st = plan_of(all, p, &k);
    return st == SB_OK
               ? sbi_cublaslt_status(all->lib->Matmul(all->handle, k->desc, &one, p->w, k->a, p->x,
                                                      k->b, &beta, p->y, k->c, p->y, k->c, &k->algo,
                                                      (char *)work + off, SBI_PRODUCT_BYTES,
                                                      sb_cuda_stream(stream)),
                                     "product")
               : st;
}

sb_status sbi_products_open(void **out)
{
    const sbi_cublaslt *lib = sbi_cublaslt_open();
    if (lib == NULL)
        return SB_ERR_UNSUPPORTED;
    products *p = calloc(1, sizeof *p);
    if (p == NULL)
        return sb_fail(SB_ERR_NOMEM, "cublaslt: no memory for the handle");
    p->lib       = lib;
    sb_status st = sbi_cublaslt_status(lib->Create(&p->handle), "starting");
    if (st != SB_OK) {
        free(p);
        return st;
    }
    *out = p;
    return SB_OK;
}

void sbi_products_close(void *products_)
{
    products *p = products_;
    if (p == NULL)
        return;
    for (int i = 0; i < PLANS; i++)
        plan_fini(p->lib, &p->plan[i]);
    (void)p->lib->Destroy(p->handle);
    free(p);
}
#else
sb_status sbi_products_open(void **out)
{
    char none[1];
    (void)out;
    return sb_cublaslt_describe(none, sizeof none); /* says why there is none */
}

void sbi_products_close(void *products) { (void)products; }

sb_status sbi_product_run(void *products, const sb_rows_product *p, void *work, void *stream)
{
    (void)products, (void)p, (void)work, (void)stream;
    return sb_fail(SB_ERR_INTERNAL, "product: built without cublasLt.h");
}
#endif

/* Memory of one scoring call: taken piece by piece, given back at once. A scorer has many small
 * arrays that all die together, so no error path needs to know which of them exist. */
#ifndef SB_WORKLOADS_METRICS_POOL_H
#define SB_WORKLOADS_METRICS_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sbi_pool {
    void  *blocks; /* newest first, each starts with the address of the next */
    char  *at;
    size_t left;
} sbi_pool;

/* *out = count elements of elem_bytes, not cleared; count 0 gives a valid address of nothing.
 * SB_ERR_NOMEM says how many bytes were asked for. A zeroed pool is an empty one. */
sb_status sbi_pool_get(sbi_pool *p, int64_t count, size_t elem_bytes, void *out);
sb_status sbi_pool_zero(sbi_pool *p, int64_t count, size_t elem_bytes, void *out); /* all bytes 0 */
void      sbi_pool_free(sbi_pool *p); /* frees everything, leaves an empty pool */

/* What was taken after a mark can be given back, so that a loop over pairs does not pile up. */
typedef sbi_pool sbi_pool_mark;
sbi_pool_mark    sbi_pool_here(const sbi_pool *p);
void             sbi_pool_back(sbi_pool *p, sbi_pool_mark mark);

#endif

/* The parts of a dump, for the files of this folder. Each is collective: all ranks send, rank 0
 * (out != NULL) writes; a failure there reaches all ranks at the end of each head. */
#ifndef SB_HARNESS_RUN_DUMP_PARTS_H
#define SB_HARNESS_RUN_DUMP_PARTS_H

#include "harness/model/forward.h"
#include "harness/tensors/safetensors.h"

/* Blocks of equal elements that every rank has some of: how many each rank has, and room for all.
 */
typedef struct sbi_gathered {
    sb_comm *comm;
    int64_t *count_bytes, *displ_bytes; /* [size] */
    void    *all;                       /* rank by rank */
    int64_t  capacity_bytes;
} sbi_gathered;

sb_status sbi_gathered_init(sbi_gathered *g, sb_comm *comm);
void      sbi_gathered_fini(sbi_gathered *g);
/* g->all gets `bytes` bytes of every rank; displacements say where. Collective. */
sb_status sbi_gather_bytes(sbi_gathered *g, const void *send, int64_t bytes);

/* ---- rows of o and lse ---- */

/* Rows [head][query] of row_bytes each (head_stride_bytes between heads) in id order, all heads. */
sb_status sbi_dump_rows(sb_safetensors_out *out, const sb_layer_view *v, const void *rows,
                        int64_t heads, int64_t head_stride_bytes, int64_t row_bytes);

/* ---- the index ---- */

/* One CSR over all ranks: rows ascending by id. */
typedef struct sbi_dump_list {
    const sb_csr *csr;     /* the local one */
    int64_t       n_heads; /* 0: the plan has no such part */
    int64_t       unit_tokens, width_tokens;
    int64_t      *row_ptr; /* [n_heads * n_rows + 1] */
} sbi_dump_list;

typedef struct sbi_dump_index {
    uint32_t      parts; /* of any rank: one without rows may have none */
    int64_t       row_tokens, sink_tokens, window_tokens;
    int64_t       window_heads; /* 0: sink_tokens and window_tokens say all about the window; else 1
                                   or the query heads: it is written row by row */
    int64_t       window_step;
    int32_t       fallback, own_softmax, overlap_twice;
    int64_t       n_rows;  /* on all ranks; 0: no lists */
    int32_t      *row_id;  /* [n_rows] ascending */
    int64_t      *place;   /* [n_rows] where row i stands among the rows rank by rank */
    int64_t       n_local; /* rows of this rank */
    sbi_dump_list tiles, tokens;
} sbi_dump_index;

/* Everything but the ids; on all ranks. Errors: SB_ERR_INTERNAL when two ranks have one row. */
sb_status sbi_dump_index_gather(const sb_layer_view *v, sbi_dump_index *x);
void      sbi_dump_index_fini(sbi_dump_index *x);
/* Where x->window_heads > 0: sinks of those heads, and the first recent key of every query. */
sb_status sbi_dump_windows(sb_safetensors_out *out, const sb_layer_view *v,
                           const sbi_dump_index *x);
/* The ids of one CSR, head by head. */
sb_status sbi_dump_ids(sb_safetensors_out *out, const sb_layer_view *v, const sbi_dump_index *x,
                       const sbi_dump_list *l);

#endif

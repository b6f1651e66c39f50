/* A checkpoint as a model: the forward pass of the Llama family on the CPU [models 1.4, 7].
 *
 * Residual rows, projections and norms are fp32; q, k, v and o are bf16, as every method takes
 * them. That is closer to an fp32 reference than a run in bf16 throughout. Rows go through a layer
 * in chunks; a row's result does not depend on its chunk or rank. */
#ifndef SB_HARNESS_MODEL_CHECKPOINT_LLAMA_H
#define SB_HARNESS_MODEL_CHECKPOINT_LLAMA_H

#include "harness/model/checkpoint/checkpoint.h"
#include "harness/model/model.h"

typedef struct sb_llama_params {
    /* not in the table */
    char    path[SB_PARAM_PATH_BYTES]; /* of sb_checkpoint_open */
    char    wrapper[64];               /* of sb_prompter_open; "": texts are not read */
    int32_t extrapolate;               /* 1: also beyond the length the model was trained for */
} sb_llama_params;

extern const sb_param     sb_llama_param_table[];
extern const sb_model_ops sb_model_llama;

/* The same over a checkpoint that is open already, borrowed. */
sb_status sb_llama_create(const sb_checkpoint *c, const sb_llama_params *params, int32_t threads,
                          sb_model **out);

/* The checkpoint of a model of this kind; NULL: m is of another. */
const sb_checkpoint *sb_llama_checkpoint(const sb_model *m);

/* Rows that go through a layer at a time, a multiple of SB_PROJECT_ROWS: tests turn it down. */
extern int64_t sbi_llama_chunk_rows;

#endif

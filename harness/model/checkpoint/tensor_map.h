/* Which tensor is what [models 1.3]. */
#ifndef SB_HARNESS_MODEL_CHECKPOINT_TENSOR_MAP_H
#define SB_HARNESS_MODEL_CHECKPOINT_TENSOR_MAP_H

#include "harness/model/checkpoint/checkpoint.h"
#include "harness/model/checkpoint/weights.h"

typedef struct sbi_tensors {
    sb_layer_weights *layers; /* [n_layers] */
    sb_matrix         embedding, head;
    const float      *norm;
    float            *vectors; /* norms and biases in fp32: all that is copied */
} sbi_tensors;

/* Every expected tensor, with its shape, and no other. config->vocab and ->tied are set where they
 * were left to the tensors. */
sb_status sbi_tensors_map(sbi_weights *w, const char *path, sb_model_config *config,
                          sbi_tensors *out);
/* The same of weights that are nowhere yet: matrices of bf16 without data, norms of one, biases of
 * zero where the shape has some. */
sb_status sbi_tensors_of_shape(const char *path, const sb_model_config *config, sbi_tensors *out);
void      sbi_tensors_fini(sbi_tensors *t); /* safe on a zeroed struct */

#endif

/* A case on the device: operands and outputs of one attend call, outputs poisoned and with a guard
 * behind them. */
#ifndef SB_TESTS_CUDA_DEVICE_CASE_H
#define SB_TESTS_CUDA_DEVICE_CASE_H

#include "kernels/base/method.h"

typedef struct device_case {
    sb_tensor q, k, v, o; /* data on the device */
    sb_tensor gate, beta; /* the same; data NULL: none */
    float    *lse;
    sb_plan   plan; /* placed; index its room */
    void     *index;
    sb_tensor got; /* o in host memory after device_attend */
    float    *got_lse;
    sb_arena *work;  /* over device memory, for methods that ask for some; or NULL */
    const sb_step *step;  /* in device memory; or NULL */
    sb_cache *cache; /* its state in device memory; or NULL */
    sb_comm *comm; /* of a call of one of several ranks, with the link between them; or NULL */
    sb_link *link;
} device_case;

/* Poisoned device memory with a guard behind it, to be freed by the backend; and is the guard
 * whole? Abort on failure. */
void *device_room(size_t bytes);
void  device_guard(const void *device, size_t bytes, const char *what);

/* Copies of host tensors; o: [heads][n_q][d] of dtype. Aborts on failure. */
void device_open(device_case *c, const sb_tensor *q, const sb_tensor *k, const sb_tensor *v,
                 sb_dtype dtype);
void device_close(device_case *c);

/* Copies of gates and betas for the calls to come. Aborts on failure. */
void device_sides(device_case *c, const sb_tensor *gate, const sb_tensor *beta);

/* Other queries or keys into the case; outputs stay as they are. */
void device_keys(device_case *c, const sb_tensor *k, const sb_tensor *v);

/* Checks and copies the plan into c->plan. */
sb_status device_place(device_case *c, const sb_plan *plan, int64_t n_keys);

/* SET poisons the outputs first, MERGE adds to what is there. kernel: of SPAN_CUDA_KERNEL. On
 * success got and got_lse are filled, and the guards have been found intact. plan NULL: dense;
 * else c->plan is what it should be. */
sb_status device_attend(device_case *c, sb_attend_fn attend, const sb_plan *plan, float scale,
                        sb_out_mode mode, const char *kernel);

/* NMSE of got against fp32 o, largest difference of lse; INFINITY where one of the two is not
 * finite and the other is. */
typedef struct device_error {
    double nmse, lse_abs;
} device_error;
device_error device_compare(const device_case *c, const sb_tensor *o, const float *lse);

#endif

/* How long the phases of a run should take, for the watchdog [cluster_runtime 4]. Where nothing
 * better is known the figures are those of a slow machine: a hang that is noticed late costs less
 * than a run that was ended for being slow. */
#ifndef SB_HARNESS_RUN_DEADLINE_H
#define SB_HARNESS_RUN_DEADLINE_H

#include "harness/config/sweep.h"
#include "harness/model/model.h"
#include "harness/plan/plan.h"
#include "harness/watch/watch.h"

/* Of one prefill, or one call of the operator alone: dense attention of all layers at 1 GFLOP/s a
 * rank on the CPU and 1 TFLOP/s on a device; ten times that where a quality pass compares rows. */
double sb_deadline_pass_s(const sb_point *p, int64_t heads, int64_t head_dim, int32_t n_layers);

/* Of a model's own products for a sample, at the same rates: its layers for every token, shared out
 * over the ranks, and its head for every next token on each of them. */
double sb_deadline_products_s(const sb_point *p, const sb_model *m, const sb_input *in);

/* The machine that harness/plan knows this one as, by the name of its processor or device. NULL: it
 * knows none; constants of another machine predict nothing here. */
sb_machine *sb_deadline_machine(const sb_backend *b);

/* Of making an input, or the operands: 100 us a token, after half a minute for what is loaded
 * first. */
double sb_deadline_input_s(const sb_point *p);

/* Seconds of the phases that do not depend on the point. */
enum {
    SB_DEADLINE_OPEN_S    = 60,  /* a database: another process may hold it for 30 s */
    SB_DEADLINE_STORE_S   = 60,  /* a sample */
    SB_DEADLINE_LINK_S    = 120, /* NCCL over many hosts */
    SB_DEADLINE_CEILING_S = 30,
    SB_DEADLINE_FINISH_S  = 600 /* intervals of all points of the database */
};

/* Where a run is in a sample. Inside a pass each step (a layer, or the operator's one call) has the
 * time of a pass anew; after the last pass comes what is not one: decoding and scoring. */
typedef struct sb_marks {
    sb_watch *watch; /* NULL: none */
    int64_t   pass, passes, step;
} sb_marks;

void sb_marks_point(const sb_marks *m, const sb_point *p, int64_t point, int64_t row);
void sb_marks_sample(sb_marks *m, int64_t passes, double pass_s);
void sb_marks_step(sb_marks *m);
void sb_marks_pass(sb_marks *m, int64_t done, int64_t passes);

#endif

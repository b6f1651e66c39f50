/* What the points of a sweep will cost: harness/plan's seconds beside memory that is counted by the
 * very code that lays out a run. One process, no GPU, no MPI: the ranks are imagined. */
#ifndef SB_HARNESS_RUN_FORECAST_H
#define SB_HARNESS_RUN_FORECAST_H

#include "harness/plan/plan.h"
#include "harness/run/source.h"

typedef struct sb_forecast_options {
    int32_t threads;   /* of a rank on the CPU, >= 1 */
    int32_t no_memory; /* 1: leave memory out (fits is 1) */
    /* 1: predict also what run refuses on the ranks of a device, as if it could, with the memory of
     * ranks on a CPU; the prediction's note has the reason. 0: unsupported, as in run. */
    int32_t refused_too;
} sb_forecast_options;

typedef struct sb_forecast {
    sb_status     status;   /* SB_OK; SB_ERR_UNSUPPORTED: it will be a row with `why`, in no time */
    char          why[256]; /* of unsupported, or of what does not fit */
    sb_prediction p;
    double        repetition_s; /* prefill, or attention alone */
    double        sample_s;     /* all passes of one sample: load, looks, warm-ups, repetitions,
                                   anchors, decode */
    double total_s;             /* of all samples of the point */
    double limit_s;             /* Slurm time limit of a job that runs this point alone */
} sb_forecast;

/* Local, over s->comm of one rank; makes the point's first input. Errors: those of the input and of
 * sb_plan_predict but SB_ERR_UNSUPPORTED, which is a result. */
sb_status sb_forecast_point(sb_source *s, const sb_machine *m, const sb_forecast_options *o,
                            const sb_point *p, sb_forecast *out);

/* Seconds alone, of a sample whose input is at hand: one repetition, and all of the sample. s: its
 * model, or its operands, are the input's. Local. Errors: as sb_plan_predict. */
sb_status sb_forecast_times(const sb_source *s, const sb_machine *m, int32_t threads,
                            const sb_point *p, const sb_input *in, double *repetition_s,
                            double *sample_s);

/* out [last - first + 1]. machines: by backend; NULL where no point has it. */
sb_status sb_forecast_points(const sb_sweep *s, int64_t first, int64_t last,
                             const sb_machine *const    machines[SB_BACKEND_COUNT],
                             const sb_forecast_options *o, sb_forecast *out);

typedef struct sb_forecast_total {
    double  seconds, limit_s; /* of a job that runs all of them, one after the other */
    int64_t points, no_fit, unsupported;
    int64_t host_bytes, device_bytes; /* of the rank that needs most */
} sb_forecast_total;

sb_forecast_total sb_forecast_sum(const sb_forecast *f, int64_t n);

/* The processor's model name as the system tells it; "" where it does not. */
void sb_forecast_processor(char *buf, size_t bytes);

#endif

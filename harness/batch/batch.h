/* A sweep as a Slurm job: which points one array element runs, what it asks for, and the script.
 *
 * Data goes one way: costs of the points (predicted by whoever can) -> shape of the job, or what
 * does not fit -> text. Nothing here asks Slurm; a job script can be written on any machine. */
#ifndef SB_HARNESS_BATCH_BATCH_H
#define SB_HARNESS_BATCH_BATCH_H

#include <stdio.h>

#include "harness/config/site.h"
#include "harness/config/sweep.h"

typedef struct sb_batch_cost {
    double  seconds;                  /* all samples of the point */
    double  anchor_s;                 /* one sample of its dense anchor */
    int32_t anchor_apart;             /* 1: the anchor is of another cell */
    int64_t host_bytes, device_bytes; /* of the largest rank; 0: not known */
} sb_batch_cost;

typedef struct sb_batch_element { /* of the array: points first..last, inclusive */
    int64_t first, last;
    double  seconds; /* anchors included */
} sb_batch_element;

typedef struct sb_batch_job {
    sb_batch_element *elements;
    int64_t           n_elements, n_points;
    int64_t           ranks, nodes, tasks_per_node, cpus_per_task, gpus_per_node;
    int64_t           minutes, requeues;
    double            total_s, longest_s;
    int64_t           host_bytes, device_bytes; /* of the largest rank; 0: not known */
} sb_batch_job;

/* cost[i] of point i. Points of one shape (model or operand shape, length, sharding, backend) stay
 * together, cells whole, up to site->element_s (below a tenth of it with the next shape); a cell
 * that is longer is cut, and each part times its anchor. Where the array would be longer than the
 * site allows, elements grow, in the end over several shapes. Errors: SB_ERR_NO_FIT, with what is
 * asked for and what there is: memory of a node or device, nodes, GPUs, time of a single sample,
 * array length; SB_ERR_NOMEM. */
sb_status sb_batch_shape(const sb_sweep *s, const sb_batch_cost *cost, const sb_site *site,
                         int64_t ranks, sb_batch_job *out);
void      sb_batch_fini(sb_batch_job *j);

/* What the script says besides. Texts may hold anything without NUL; they are quoted. */
typedef struct sb_batch_texts {
    const char   *program, *version, *basis;     /* basis: where the predicted times come from */
    const char   *sweep_path, *folder, *main_db; /* absolute; folder: shards and logs */
    const sb_set *sets;
    int64_t       n_sets;
    const char   *base_db;  /* NULL: no gate */
    const char   *gates;    /* its rules; NULL: the defaults */
    int64_t       throttle; /* 0: none */
    int           report;   /* 1: a page at the end */
} sb_batch_texts;

/* slurm/templates/job.sbatch, filled in. Errors: SB_ERR_INTERNAL (template and code disagree),
 * SB_ERR_NOMEM, SB_ERR_IO. */
sb_status sb_batch_write(const sb_sweep *s, const sb_batch_job *j, const sb_site *site,
                         const sb_batch_texts *t, FILE *out);

#endif

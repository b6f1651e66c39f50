/* Texts with {{NAME}} in them: the job script's data side.
 *
 *   {{NAME}}              replaced; a line with a name that has no text (NULL) is left out
 *   {{#NAME}} {{/NAME}}   lines of their own: what is between them stands where NAME has a text */
#ifndef SB_HARNESS_BATCH_TEMPLATE_H
#define SB_HARNESS_BATCH_TEMPLATE_H

#include <stdio.h>

#include "kernels/base/status.h"

typedef struct sbi_value_text {
    const char *name;
    char       *text; /* NULL: none */
} sbi_value_text;

/* Errors: SB_ERR_INTERNAL for a name that is not among the values, an unfinished {{ or a section
 * that is not closed; SB_ERR_IO. */
sb_status sbi_template_fill(const char *text, const sbi_value_text *v, int n, FILE *out);

extern const char sbi_batch_job[]; /* slurm/templates/job.sbatch, embedded at build time */

#endif

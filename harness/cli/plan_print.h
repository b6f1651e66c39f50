/* A plan as a table or as JSON. */
#ifndef SB_HARNESS_CLI_PLAN_PRINT_H
#define SB_HARNESS_CLI_PLAN_PRINT_H

#include "harness/plan/fit.h"
#include "harness/run/forecast.h"

typedef struct sb_plan_report {
    const sb_sweep          *sweep;
    const sb_machine *const *machines; /* by backend */
    int64_t                  first, n; /* points [first, first + n) */
    const sb_forecast       *f;        /* [n] */
    sb_forecast_total        total;
} sb_plan_report;

sb_status sb_plan_print_table(const sb_plan_report *r, FILE *out);
sb_status sb_plan_print_json(const sb_plan_report *r, FILE *out);
/* Constants old and new, with rows and spread. */
void sb_plan_print_fit(const sb_fit *f, const sb_stored *rows, FILE *out);
/* Every stored sample beside its prediction, with the machine's density and with the sample's own.
 * up_to: samples that long and shorter were fitted; 0: not known. Errors: those of the prediction.
 */
sb_status sb_plan_print_check(const sb_machine *m, const sb_stored *rows, int64_t up_to, int json,
                              FILE *out);

#endif

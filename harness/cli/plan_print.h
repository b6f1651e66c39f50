/* A plan as a table or as JSON. */
#ifndef SB_HARNESS_CLI_PLAN_PRINT_H
#define SB_HARNESS_CLI_PLAN_PRINT_H

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

#endif

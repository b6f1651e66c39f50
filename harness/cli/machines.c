#include "harness/cli/machines.h"

#include "harness/run/forecast.h"

sb_status sb_machines_open(const sb_machine *named, const sb_sweep *s,
                           const sb_machine *machines[SB_BACKEND_COUNT],
                           sb_machine       *opened[SB_BACKEND_COUNT])
{
    char      processor[256];
    sb_status st = SB_OK;
    sb_forecast_processor(processor, sizeof processor);
    if (named != NULL)
        machines[named->backend] = named;
    for (int64_t i = 0; st == SB_OK && i < s->n_points; i++) {
        sb_backend_id b = s->points[i].backend;
        if (machines[b] == NULL && named != NULL)
            st = sb_fail(SB_ERR_USAGE,
                         "machine %s: found backend %s, allowed %s, that of the sweep (key "
                         "`backend`)",
                         named->name, named->backend == SB_CPU ? "cpu" : "cuda",
                         b == SB_CPU ? "cpu" : "cuda");
        else if (machines[b] == NULL && (st = sb_plan_machine(sb_plan_machine_default(b, processor),
                                                              stderr, &opened[b])) == SB_OK)
            machines[b] = opened[b];
    }
    return st;
}

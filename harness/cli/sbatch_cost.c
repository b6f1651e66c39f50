#include "harness/cli/sbatch_cost.h"

#include <stdlib.h>
#include <string.h>

#include "harness/cli/machines.h"
#include "harness/run/forecast.h"

/* anchor[i]: the dense point beside point i of the first n; those that the sweep does not have are
 * appended behind them. */
static sb_status add_anchors(sb_sweep *s, int64_t n, int64_t *anchor)
{
    sb_status st = SB_OK;
    for (int64_t i = 0; st == SB_OK && i < n; i++)
        st = sb_sweep_anchor(s, i, &anchor[i]);
    return st;
}

static int64_t largest(int64_t a, int64_t b) { return a > b ? a : b; }

/* A machine's own memory decides where the site does not tell that of its nodes. */
static sb_status check_machine(const sb_site *site, const sb_point *p, int64_t i,
                               const sb_forecast *f)
{
    if (f->status != SB_OK || f->p.fits || (site->memory_gib > 0 && site->device_memory_gib > 0))
        return SB_OK;
    if (f->p.device_bytes > 0 ? site->device_memory_gib > 0 : site->memory_gib > 0)
        return SB_OK;
    return sb_fail(SB_ERR_NO_FIT, "point %lld (%s, %lld tokens): %s", (long long)i, p->method->name,
                   (long long)p->length_tokens, f->why);
}

static sb_status take_forecast(const sb_sweep *s, const sb_site *site, int64_t n,
                               const int64_t *anchor, const sb_forecast *f, sb_batch_cost *cost)
{
    sb_status st = SB_OK;
    for (int64_t i = 0; st == SB_OK && i < n; i++) {
        const sb_forecast *a = &f[anchor[i]];
        cost[i]              = (sb_batch_cost){.seconds      = f[i].total_s,
                                               .anchor_s     = s->points[i].dense_none ? 0 : a->sample_s,
                                               .anchor_apart = s->points[anchor[i]].cell != s->points[i].cell,
                                               .host_bytes   = largest(f[i].p.host_bytes, a->p.host_bytes),
                                               .device_bytes = largest(f[i].p.device_bytes, a->p.device_bytes)};
        st                   = check_machine(site, &s->points[i], i, &f[i]);
    }
    return st;
}

static sb_status forecast(sb_sweep *s, const sb_site *site, const sb_machine *named,
                          int32_t threads, sb_batch_cost *cost, char *basis, size_t basis_bytes)
{
    const sb_machine   *machines[SB_BACKEND_COUNT] = {NULL};
    sb_machine         *opened[SB_BACKEND_COUNT]   = {NULL};
    sb_forecast_options o                          = {.threads = threads};
    int64_t             n                          = s->n_points;
    int64_t            *anchor                     = calloc((size_t)n + 1, sizeof *anchor);
    sb_forecast        *f                          = NULL;
    sb_status           st =
        anchor == NULL ? sb_fail(SB_ERR_NOMEM, "no memory for %lld points", (long long)n) : SB_OK;
    if (st == SB_OK)
        st = add_anchors(s, n, anchor);
    if (st == SB_OK && (f = calloc((size_t)s->n_points + 1, sizeof *f)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "no memory for %lld points", (long long)s->n_points);
    if (st == SB_OK)
        st = sb_machines_open(named, s, machines, opened);
    if (st == SB_OK && (st = sb_forecast_points(s, 0, s->n_points - 1, machines, &o, f)) != SB_OK)
        sb_wrap(st, "predicting (`machine: none` in the site file does without)");
    if (st == SB_OK)
        st = take_forecast(s, site, n, anchor, f, cost);
    if (st == SB_OK)
        (void)snprintf(basis, basis_bytes, "spanbench plan, machine %s",
                       machines[s->points[0].backend]->name);
    s->n_points = n; /* the anchors are not asked for */
    for (int b = 0; b < SB_BACKEND_COUNT; b++)
        sb_machine_free(opened[b]);
    free(anchor);
    free(f);
    return st;
}

sb_status sb_sbatch_costs(sb_sweep *s, const sb_site *site, const char *machine, int32_t threads,
                          sb_batch_cost *cost, char *basis, size_t basis_bytes)
{
    const char *name  = machine != NULL ? machine : site->machine;
    sb_machine *named = NULL;
    sb_status   st    = SB_OK;
    if (name != NULL && strcmp(name, "none") == 0) {
        for (int64_t i = 0; i < s->n_points; i++)
            cost[i] = (sb_batch_cost){.seconds  = site->sample_s * (double)s->points[i].samples,
                                      .anchor_s = s->points[i].dense_none ? 0 : site->sample_s};
        (void)snprintf(basis, basis_bytes, "%g s a sample, time.sample_s of the site",
                       site->sample_s);
        return SB_OK;
    }
    if (name != NULL)
        st = sb_plan_machine(name, stderr, &named);
    /* a site's GPU machine says nothing about a sweep on the CPU; one asked for by hand must fit */
    if (st == SB_OK && machine == NULL && named != NULL &&
        named->backend != (int32_t)s->points[0].backend) {
        sb_machine_free(named);
        named = NULL;
    }
    if (st == SB_OK)
        st = forecast(s, site, named, threads, cost, basis, basis_bytes);
    sb_machine_free(named);
    return st;
}

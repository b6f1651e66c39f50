/* Points to array elements, ranks to nodes, seconds to a limit; and everything that does not fit.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/batch/batch.h"

enum { SMALL = 10 }; /* elements below this part of their target are not worth a job of their own */

/* Would an element over both time one kind of work? */
static int same_shape(const sb_point *a, const sb_point *b)
{
    return a->length_tokens == b->length_tokens && a->scheme == b->scheme &&
           a->layout == b->layout && a->backend == b->backend && strcmp(a->model, b->model) == 0 &&
           strcmp(a->model_json, b->model_json) == 0;
}

typedef struct splitter {
    const sb_sweep      *s;
    const sb_batch_cost *cost;
    sb_batch_element    *v; /* at most one a point */
    int64_t              n;
    double               target_s;
    int                  mix; /* 1: elements may hold several shapes */
} splitter;

/* The run of points from `first` that have its cell. */
static int64_t cell_end(const sb_sweep *s, int64_t first)
{
    int64_t last = first;
    while (last + 1 < s->n_points && s->points[last + 1].cell == s->points[first].cell)
        last++;
    return last;
}

/* Seconds of a process that runs points first..last of one cell: its anchor is timed unless the
 * cell's dense point is among them. */
static double part_seconds(const splitter *p, int64_t first, int64_t last)
{
    double t        = 0;
    int    has_base = 0;
    for (int64_t i = first; i <= last; i++) {
        t += p->cost[i].seconds;
        has_base |= strcmp(p->s->points[i].method->name, "dense") == 0;
    }
    has_base &= !p->cost[first].anchor_apart;
    return has_base || p->s->points[first].repetitions == 0 ? t : t + p->cost[first].anchor_s;
}

/* A part of a cell, behind what stands there or as an element of its own. */
static void put_part(splitter *p, int64_t first, int64_t last, int whole)
{
    double            t = part_seconds(p, first, last);
    sb_batch_element *e = p->n > 0 ? &p->v[p->n - 1] : NULL;
    if (e != NULL && whole && e->seconds + t <= p->target_s &&
        (p->mix || e->seconds + t < p->target_s / SMALL ||
         same_shape(&p->s->points[e->first], &p->s->points[first]))) {
        e->last = last;
        e->seconds += t;
        return;
    }
    p->v[p->n++] = (sb_batch_element){first, last, t};
}

static void put_cell(splitter *p, int64_t first, int64_t last)
{
    if (part_seconds(p, first, last) <= p->target_s) {
        put_part(p, first, last, 1);
        return;
    }
    for (int64_t a = first, b; a <= last; a = b + 1) {
        for (b = a; b < last && part_seconds(p, a, b + 1) <= p->target_s; b++)
            ;
        put_part(p, a, b, 0);
    }
}

static void split(splitter *p)
{
    p->n = 0;
    for (int64_t i = 0, last; i < p->s->n_points; i = last + 1) {
        last = cell_end(p->s, i);
        put_cell(p, i, last);
    }
}

/* ---- what fits ---- */
static double gib(int64_t bytes) { return (double)bytes / 0x1p30; }

static sb_status check_nodes(const sb_sweep *s, const sb_site *site, sb_batch_job *j)
{
    int on_gpu = 0;
    for (int64_t i = 0; i < s->n_points; i++)
        on_gpu |= s->points[i].backend == SB_CUDA;
    j->nodes          = (j->ranks + site->tasks - 1) / site->tasks;
    j->tasks_per_node = (j->ranks + j->nodes - 1) / j->nodes;
    j->cpus_per_task  = site->cores / j->tasks_per_node;
    j->gpus_per_node  = on_gpu ? j->tasks_per_node : 0;
    if (j->nodes > site->max_nodes)
        return sb_fail(SB_ERR_NO_FIT,
                       "%lld ranks at %lld a node need %lld nodes, site %s allows %lld "
                       "(limits.nodes)",
                       (long long)j->ranks, (long long)site->tasks, (long long)j->nodes, site->name,
                       (long long)site->max_nodes);
    if (j->gpus_per_node > site->gpus)
        return sb_fail(SB_ERR_NO_FIT,
                       "%lld ranks a node need %lld GPUs, a node of site %s has %lld (node.gpus)",
                       (long long)j->tasks_per_node, (long long)j->gpus_per_node, site->name,
                       (long long)site->gpus);
    return SB_OK;
}

static sb_status check_memory(const sb_sweep *s, const sb_batch_cost *cost, const sb_site *site,
                              sb_batch_job *j)
{
    int64_t host = 0, device = 0;
    for (int64_t i = 0; i < s->n_points; i++) {
        host   = cost[i].host_bytes > cost[host].host_bytes ? i : host;
        device = cost[i].device_bytes > cost[device].device_bytes ? i : device;
    }
    j->host_bytes   = cost[host].host_bytes;
    j->device_bytes = cost[device].device_bytes;
    double a_node   = gib(j->host_bytes) * (double)j->tasks_per_node;
    if (site->memory_gib > 0 && a_node > site->memory_gib)
        return sb_fail(SB_ERR_NO_FIT,
                       "point %lld (%s, %lld tokens) needs %.1f GiB a rank, %lld ranks a node %.1f "
                       "GiB; a node of site %s has %.1f (node.memory_gib)",
                       (long long)host, s->points[host].method->name,
                       (long long)s->points[host].length_tokens, gib(j->host_bytes),
                       (long long)j->tasks_per_node, a_node, site->name, site->memory_gib);
    if (site->device_memory_gib > 0 && gib(j->device_bytes) > site->device_memory_gib)
        return sb_fail(SB_ERR_NO_FIT,
                       "point %lld (%s, %lld tokens) needs %.1f GiB of a GPU; one of site %s has "
                       "%.1f (node.device_memory_gib)",
                       (long long)device, s->points[device].method->name,
                       (long long)s->points[device].length_tokens, gib(j->device_bytes), site->name,
                       site->device_memory_gib);
    return SB_OK;
}

/* A job is cut between samples and goes on after a requeue, so one sample and its anchor are what
 * must fit into the longest job. */
static sb_status check_samples(const sb_sweep *s, const sb_batch_cost *cost, const sb_site *site,
                               double longest_s)
{
    for (int64_t i = 0; i < s->n_points; i++) {
        const sb_point *p   = &s->points[i];
        double          one = cost[i].seconds / (double)p->samples;
        if (strcmp(p->method->name, "dense") != 0 && p->repetitions > 0)
            one += cost[i].anchor_s;
        if (one > longest_s)
            return sb_fail(SB_ERR_NO_FIT,
                           "point %lld (%s, %lld tokens): one sample and its anchor are predicted "
                           "to take %.0f s; the longest job of site %s has room for %.0f s "
                           "(limits.minutes %lld, time.start_s %g, time.margin %g)",
                           (long long)i, p->method->name, (long long)p->length_tokens, one,
                           site->name, longest_s, (long long)site->max_minutes, site->start_s,
                           site->margin);
    }
    return SB_OK;
}

static sb_status split_to_fit(splitter *p, const sb_site *site, double cap_s)
{
    p->target_s = fmin(site->element_s, cap_s);
    for (split(p); p->n > site->max_array; split(p)) {
        if (p->target_s < cap_s)
            p->target_s = fmin(2 * p->target_s, cap_s);
        else if (!p->mix)
            p->mix = 1;
        else
            return sb_fail(SB_ERR_NO_FIT,
                           "%lld array elements of at most %.0f s each, site %s allows %lld "
                           "(limits.array, limits.minutes); cut the sweep into several",
                           (long long)p->n, cap_s, site->name, (long long)site->max_array);
    }
    return SB_OK;
}

static void set_time(const sb_site *site, double cap_s, sb_batch_job *j)
{
    for (int64_t i = 0; i < j->n_elements; i++) {
        j->total_s += j->elements[i].seconds;
        j->longest_s = fmax(j->longest_s, j->elements[i].seconds);
    }
    double s = site->start_s + site->signal_s + site->margin * j->longest_s;
    /* an element that is longer than any job is cut by its signal, and needs that many restarts */
    int64_t restarts = j->longest_s > cap_s ? (int64_t)ceil(2 * j->longest_s / cap_s) : 0;
    j->minutes       = (int64_t)ceil(s / 60);
    if (j->minutes > site->max_minutes)
        j->minutes = site->max_minutes;
    j->requeues = site->requeues + restarts;
}

sb_status sb_batch_shape(const sb_sweep *s, const sb_batch_cost *cost, const sb_site *site,
                         int64_t ranks, sb_batch_job *out)
{
    double cap_s = (60 * (double)site->max_minutes - site->start_s - site->signal_s) / site->margin;
    splitter     p  = {.s = s, .cost = cost};
    sb_batch_job j  = {.ranks = ranks, .n_points = s->n_points};
    sb_status    st = check_nodes(s, site, &j);
    if (st == SB_OK)
        st = check_memory(s, cost, site, &j);
    if (st == SB_OK)
        st = check_samples(s, cost, site, cap_s);
    if (st != SB_OK)
        return st;
    p.v = calloc((size_t)s->n_points + 1, sizeof *p.v);
    if (p.v == NULL)
        return sb_fail(SB_ERR_NOMEM, "batch: no memory for %lld points", (long long)s->n_points);
    if ((st = split_to_fit(&p, site, cap_s)) != SB_OK) {
        free(p.v);
        return st;
    }
    j.elements   = p.v;
    j.n_elements = p.n;
    set_time(site, cap_s, &j);
    *out = j;
    return SB_OK;
}

void sb_batch_fini(sb_batch_job *j)
{
    free(j->elements);
    *j = (sb_batch_job){0};
}

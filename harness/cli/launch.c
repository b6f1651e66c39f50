#include "harness/cli/launch.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/watchdog.h"
#include "harness/comm/comms.h"
#include "harness/model/model.h"
#include "kernels/base/backend.h"
#include "kernels/base/log.h"

int sb_launch_speaks(void)
{
    static const char *const ranks[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"};
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        const char *rank = getenv(ranks[i]);
        if (rank != NULL)
            return atoi(rank) == 0;
    }
    return 1;
}

static int32_t default_threads(const sb_comm *c)
{
    const char *omp   = getenv("OMP_NUM_THREADS");
    long        cores = sysconf(_SC_NPROCESSORS_ONLN), share = cores / c->local_size, bound = cores;
    cpu_set_t   set;
    if (omp != NULL && atoi(omp) > 0)
        return atoi(omp);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        bound = CPU_COUNT(&set);
    if (share > bound)
        share = bound;
    return share > 1 ? (int32_t)share : 1;
}

sb_status sb_launch_begin(int32_t threads, const char *watchdog, sb_launch *out)
{
    sb_launch l  = {.mpi = sb_mpi_launched()};
    sb_status st = sb_watchdog_start(watchdog, &l.watch);
    if (st == SB_OK && l.mpi)
        st = sb_mpi_init(NULL, NULL);
    if (st == SB_OK)
        st = l.mpi ? sb_comm_mpi_create(&l.comm) : sb_comm_self_create(&l.comm);
    if (st == SB_OK)
        st = sb_watch_comm(l.watch, l.comm, &l.comm);
    if (st != SB_OK) {
        sb_comm_destroy(l.comm);
        sb_watch_stop(l.watch);
        return st;
    }
    if (l.mpi)
        sb_watch_rank(l.watch, l.comm->rank, l.comm->size);
    l.threads = threads > 0 ? threads : default_threads(l.comm);
    sb_log_init(l.comm->size > 1 ? l.comm->rank : -1, SB_LOG_INFO);
    *out = l;
    return SB_OK;
}

sb_status sb_launch_agree(const sb_launch *l, sb_status st)
{
    int64_t all_failed = st != SB_OK;
    char    own[1024]  = "";
    if (st != SB_OK)
        (void)snprintf(own, sizeof own, "%s", sb_error_text());
    sb_status cs = sb_comm_allreduce_i64(l->comm, &all_failed, 1, SB_REDUCE_MIN);
    if (cs != SB_OK)
        return st == SB_OK ? cs : sb_wrap(st, "%s; then", own);
    st = sb_comm_agree(l->comm, st);
    return all_failed && l->comm->rank > 0 ? SB_ERR_PEER : st;
}

int sb_launch_end(sb_launch *l, int code)
{
    int64_t highest = code;
    sb_watch_point(l->watch, "");
    sb_watch_enter(l->watch, "leaving", 0);
    if (sb_comm_allreduce_i64(l->comm, &highest, 1, SB_REDUCE_MAX) != SB_OK)
        highest = code > 0 ? code : 1;
    sb_comm_destroy(l->comm);
    if (l->mpi)
        sb_mpi_fini();
    sb_watch_stop(l->watch);
    *l = (sb_launch){0};
    return (int)highest;
}

void sb_launch_command(char **argv, char *buf, size_t n)
{
    size_t at = 0;
    buf[0]    = '\0';
    for (; *argv != NULL && at < n; argv++)
        at += (size_t)snprintf(buf + at, n - at, "%s%s", at > 0 ? " " : "", *argv);
}

void sb_launch_mpi_version(const sb_launch *l, char *buf, size_t n)
{
    if (l->mpi)
        sb_mpi_version(buf, (int)n);
    else
        (void)snprintf(buf, n, "none");
}

/* The models as the sweep loader knows them: it stands below them and takes names and tables only.
 */
void sb_launch_sweep_env(const sb_launch *l, sb_sweep_env *env)
{
    enum { MAX_MODELS = 16 };
    static sb_model_desc models[MAX_MODELS + 1];
    for (int i = 0; i < MAX_MODELS && sb_models[i] != NULL; i++)
        models[i] = sb_model_describe(sb_models[i]);
    *env = (sb_sweep_env){.ranks = l->comm->size, .auto_backend = SB_CPU, .models = models};
}

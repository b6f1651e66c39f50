#include "harness/run/energy.h"

enum { CHANGES = 6, PATIENCE_NS = 1000000000 };

static int64_t counter_of(const sb_backend *backend)
{
    sb_device_state s;
    return backend->state != NULL && backend->state(&s) == SB_OK ? s.energy_mj : -1;
}

void sb_energy_basis_measure(const sb_backend *backend, sb_energy_basis *out)
{
    int64_t start = sb_now_ns(), first_ns = 0, last_ns = 0, first_mj = 0;
    int64_t last = counter_of(backend), now;
    int     n    = 0; /* changes seen */
    *out         = (sb_energy_basis){0};
    while (last >= 0 && n <= CHANGES && (now = counter_of(backend)) >= 0) {
        int64_t t = sb_now_ns();
        if (t - start > PATIENCE_NS)
            break;
        if (now == last)
            continue;
        last_ns = t;
        last    = now;
        if (n++ == 0) {
            first_ns = t;
            first_mj = now;
        }
    }
    if (n < 2)
        return;
    out->step_ns = (last_ns - first_ns) / (n - 1);
    out->idle_mw = (int64_t)((double)(last - first_mj) * 1e9 / (double)(last_ns - first_ns));
}

void sb_energy_begin(const sb_bench *b, sb_energy_meter *m)
{
    m->energy_mj = b->energy.step_ns > 0 ? counter_of(b->backend) : -1;
    m->t0_ns     = sb_now_ns();
}

sb_status sb_energy_end(sb_bench *b, const sb_energy_meter *m, const char *phase,
                        int64_t repetitions, sb_result *out)
{
    int64_t duration = sb_now_ns() - m->t0_ns;
    int64_t mj       = m->energy_mj >= 0 ? counter_of(b->backend) - m->energy_mj : -1;
    int64_t lacks = mj < 0 || repetitions < 1 || duration < SB_ENERGY_MIN_STEPS * b->energy.step_ns;
    int64_t sums[3] = {lacks, mj, b->energy.idle_mw}, most[2] = {duration, b->energy.step_ns};
    sb_status st = sb_comm_allreduce_i64(b->comm, sums, 3, SB_REDUCE_SUM);
    if (st == SB_OK)
        st = sb_comm_allreduce_i64(b->comm, most, 2, SB_REDUCE_MAX);
    if (st != SB_OK || sums[0] > 0)
        return st;
    out->own.energy[out->facts.n_energy++] = (sb_energy_facts){.phase       = phase,
                                                               .millijoules = sums[1],
                                                               .repetitions = repetitions,
                                                               .duration_ns = most[0],
                                                               .step_ns     = most[1],
                                                               .idle_mw     = sums[2]};
    return SB_OK;
}

/* Energy of the timed repetitions, from the device's own counter. Such a counter moves in steps of
 * some tens of milliseconds, so a figure is given only where the repetitions together last many of
 * them; what the device uses when it has nothing to do is measured beside it. */
#ifndef SB_HARNESS_RUN_ENERGY_H
#define SB_HARNESS_RUN_ENERGY_H

#include "harness/run/sample.h"

/* Repetitions shorter than this many steps of the counter have no figure: both ends are up to one
 * step off, 10 % together. */
#define SB_ENERGY_MIN_STEPS 20

/* How the counter of this rank's device moves and what an idle device uses; all zero where it tells
 * nothing. The device must have nothing to do. Takes about half a second. */
void sb_energy_basis_measure(const sb_backend *backend, sb_energy_basis *out);

/* Between begin and end lie the repetitions, all of them done at end. */
typedef struct sb_energy_meter {
    int64_t energy_mj, t0_ns; /* energy_mj < 0: not measured */
} sb_energy_meter;
void sb_energy_begin(const sb_bench *b, sb_energy_meter *m);
/* Adds a figure to `out` if there is one. phase: prefill | decode. Collective: sum over ranks, and
 * only where all ranks have one. */
sb_status sb_energy_end(sb_bench *b, const sb_energy_meter *m, const char *phase,
                        int64_t repetitions, sb_result *out);

#endif

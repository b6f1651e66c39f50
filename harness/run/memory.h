/* Host memory as the kernel counts it (Linux /proc). */
#ifndef SB_HARNESS_RUN_MEMORY_H
#define SB_HARNESS_RUN_MEMORY_H

#include <stdint.h>

int64_t sb_memory_available_bytes(void); /* MemAvailable of the host; INT64_MAX / 4 where unknown */
void    sb_memory_reset_high_water(
       void); /* of this process; without effect where the kernel does not allow it */
int64_t sb_memory_high_water_bytes(void); /* peak resident set since the reset */

#endif

/* The frame of tests that need a device. */
#ifndef SB_TESTS_CUDA_DEVICE_MAIN_H
#define SB_TESTS_CUDA_DEVICE_MAIN_H

#include <check.h>
#include <stdio.h>

#include "kernels/base/backend.h"

/* Without a device that has least_gib of memory (0: any): says so and is 77 (skipped), or 1 where
 * that is an error; else 0. */
static inline int device_missing(int64_t least_gib)
{
    sb_device_facts f  = {0};
    sb_status       st = sb_backend_cuda.available();
    if (st != SB_OK) {
        (void)printf("skipped: %s\n", sb_error_text());
        return st == SB_ERR_DEVICE && sb_error_text()[0] != '\0' ? 77 : 1;
    }
    if (least_gib > 0 && (sb_backend_cuda.facts(&f) != SB_OK || f.memory_bytes < least_gib << 30)) {
        (void)printf("skipped: %s has %.0f GiB, the test takes up to %lld\n", f.name,
                     (double)f.memory_bytes / 0x1p30, (long long)least_gib);
        return 77;
    }
    return 0;
}

/* 1: something failed. */
static inline int device_run(Suite *s)
{
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK); /* a CUDA context does not survive fork */
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

#endif

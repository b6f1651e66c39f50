/* The end of every test program: run one suite, say how many failed. */
#ifndef SB_TESTS_UNIT_RESULTS_MAIN_H
#define SB_TESTS_UNIT_RESULTS_MAIN_H

#include <check.h>

static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}

#endif

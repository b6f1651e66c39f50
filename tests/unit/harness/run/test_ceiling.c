/* The measured ceiling: all threads multiply whole matrices, and a rate comes out. */
#include <check.h>
#include <math.h>
#include <stdatomic.h>

#include "harness/comm/comms.h"
#include "harness/run/ceiling.h"

static atomic_int calls, wrong;

/* C = A B in its first row only, so that the test is quick; the arguments must be cblas'. */
static void sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                  const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
    atomic_fetch_add(&calls, 1);
    if (order != 101 || trans_a != 111 || trans_b != 111 || m != n || n != k || lda != k ||
        ldb != n || ldc != n || alpha != 1.0f || beta != 0.0f)
        atomic_fetch_add(&wrong, 1);
    for (int j = 0; j < n; j++)
        c[j] = 0;
    for (int i = 0; i < k; i++)
        for (int j = 0; j < n; j++)
            c[j] += a[i] * b[i * ldb + j];
}

START_TEST(every_thread_multiplies)
{
    for (int threads = 1; threads <= 3; threads++) {
        atomic_store(&calls, 0);
        double rate = sbi_ceiling_rate(sgemm, threads);
        ck_assert(rate > 0 && isfinite(rate));
        ck_assert_int_ge(atomic_load(&calls), 7 * threads); /* two trials, five windows */
        ck_assert_int_eq(atomic_load(&calls) % threads, 0);
    }
    ck_assert_int_eq(atomic_load(&wrong), 0);
}
END_TEST

START_TEST(no_library_no_ceiling_no_error)
{
    sb_comm *comm;
    double   rate = -1;
    ck_assert_int_eq(sb_comm_self_create(&comm), SB_OK);
    ck_assert_int_eq(sb_ceiling_cpu(comm, 1, &rate), SB_OK);
    ck_assert(rate == 0 || rate > 1e8); /* with a BLAS: of any machine of this century */
    sb_comm_destroy(comm);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("harness/run ceiling");
    TCase *t = tcase_create("rate");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_thread_multiplies);
    tcase_add_test(t, no_library_no_ceiling_no_error);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

/* The k-th allocation fails, for k = 1, 2, ... until a run needs fewer: each run returns no_memory,
 * leaves dest alone and leaks nothing (the address sanitizer watches). */
#include <check.h>
#include <stdlib.h>

#include "harness/gen/cache.h"
#include "tests/unit/harness/gen/scratch.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t bytes);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t bytes);

static int countdown; /* 0: not armed */

static int fails(void) { return countdown > 0 && --countdown == 0; }

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }

void *__wrap_calloc(size_t n, size_t bytes) { return fails() ? NULL : __real_calloc(n, bytes); }

static sb_status store(sb_gen_cache *c, const char *rows)
{
    sb_gen_cache_lock *l  = NULL;
    sb_status          st = sb_gen_cache_lock_key(c, KEY, NULL, NULL, &l);
    if (st == SB_OK)
        st = sb_gen_cache_store(l, rows, "note");
    sb_gen_cache_unlock(l);
    return st;
}

/* open, store, fetch; a second round damages the entry between the two. */
static sb_status all(const char *dir, const char *rows, const char *dest, int damage)
{
    sb_gen_cache    *c   = NULL;
    sb_gen_cache_hit hit = {0};
    sb_status        st  = sb_gen_cache_open(dir, &c);
    if (st == SB_OK)
        st = store(c, rows);
    if (st == SB_OK && damage) {
        int armed = countdown;
        countdown = 0;
        put_file(in_scratch("c/sets/ab/" KEY ".rows"), "damaged");
        countdown = armed;
    }
    if (st == SB_OK)
        st = sb_gen_cache_fetch(c, KEY, dest, &hit);
    if (st == SB_OK) {
        int armed = countdown; /* Check allocates too */
        countdown = 0;
        ck_assert_int_eq(hit.found, !damage);
        countdown = armed;
    }
    sb_gen_cache_hit_fini(&hit);
    sb_gen_cache_close(c);
    return st;
}

START_TEST(each_allocation)
{
    int k = 1;
    put_file(in_scratch("rows"), "rows");
    for (;; k++) {
        put_file(in_scratch("dest"), "older");
        countdown     = k;
        sb_status st  = all(in_scratch("c"), in_scratch("rows"), in_scratch("dest"), _i);
        int       end = countdown > 0;
        countdown     = 0;
        check_file(in_scratch("dest"), st == SB_OK && _i == 0 ? "rows" : "older");
        if (end) {
            ck_assert_int_eq(st, SB_OK);
            break;
        }
        ck_assert_int_eq(st, SB_ERR_NOMEM);
    }
    ck_assert_int_gt(k, 20);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gen_cache_nomem");
    TCase *t = tcase_create("nomem");
    tcase_add_checked_fixture(t, scratch_make, scratch_remove);
    tcase_add_loop_test(t, each_allocation, 0, 2);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

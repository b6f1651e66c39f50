/* Writes the migration fixture of the current schema: make_schema_fixture OUT.db.
 * tests/fixtures/schema/vN.db was made by it at schema version N and is never made again: it stands
 * for the files that users of that version have. Small pages keep it small. It is a Check
 * program because the helpers assert. */
#include <check.h>
#include <stdio.h>

#include "tests/unit/results/facts.h"

static const char *out_path;

static void use_small_pages(void)
{
    sqlite3 *db = NULL;
    ck_assert_int_eq(sqlite3_open(out_path, &db), SQLITE_OK);
    FACTS_OK(sbi_exec(db, out_path, "PRAGMA page_size = 512; VACUUM"));
    sqlite3_close(db);
}

START_TEST(write_fixture)
{
    static const sb_needle_facts needle = {0, 0, 0.5, 0.25, 0.125};
    (void)remove(out_path);
    sb_store *s     = facts_open(out_path, SB_STORE_WRITE);
    int64_t   run   = facts_run(s, "first", 0);
    int64_t   dense = facts_point(s, (sb_point_facts){.seed = 42, .chance = 0.03125});
    int64_t   hip   = facts_point(
            s, (sb_point_facts){.seed = 42, .method = "hip", .method_json = "{\"top_k_tokens\":512}"});
    for (int64_t row = 0; row < 4; row++) {
        sb_sample_facts f = facts_ok(run, dense, facts_input(s, row), row < 3, 4000);
        facts_put(s, &f);
        f           = facts_ok(run, hip, facts_input(s, row), 0.5, 1000);
        f.needles   = &needle;
        f.n_needles = 1;
        if (row == 3)
            f = (sb_sample_facts){.run_id   = run,
                                  .point_id = hip,
                                  .input_id = f.input_id,
                                  .status   = "no_fit",
                                  .error    = "needs 9 GiB, 4 are free"};
        facts_put(s, &f);
    }
    FACTS_OK(sb_store_refresh_intervals(s));
    FACTS_OK(sb_store_end_run(s, run, "finished"));
    sb_store_close(s);
    use_small_pages();
}
END_TEST

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: make_schema_fixture OUT.db\n");
        return 2;
    }
    out_path     = argv[1];
    Suite *suite = suite_create("make_schema_fixture");
    TCase *t     = tcase_create("write");
    tcase_add_test(t, write_fixture);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}

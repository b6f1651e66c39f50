/* Site files: defaults, the shipped one, every refusal with its place, files of noise. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/config/pool.h"
#include "harness/config/site.h"

static sb_status load(const char *text, size_t n, char **errors, sb_site **out)
{
    char   path[] = "/tmp/site_XXXXXX";
    int    fd     = mkstemp(path);
    size_t room;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, n), (ssize_t)n);
    (void)close(fd);
    FILE     *to = open_memstream(errors, &room);
    sb_status st = sb_site_load(path, to, out);
    (void)fclose(to);
    (void)unlink(path);
    return st;
}

START_TEST(without_a_file_the_defaults)
{
    sb_site *s = NULL;
    ck_assert_int_eq(sb_site_load(NULL, stderr, &s), SB_OK);
    ck_assert_str_eq(s->results, "results");
    ck_assert_str_eq(s->gres, "gpu");
    ck_assert(s->account == NULL && s->node_local == NULL && s->modules.n == 0);
    ck_assert(s->tasks == 1 && s->cores == 1 && s->gpus == 0 && s->max_array == 1000);
    ck_assert(s->margin == 1.5 && s->start_s == 120 && s->mpi == SB_SITE_MPI_AUTO);
    sb_site_free(s);
}
END_TEST

START_TEST(the_example_loads)
{
    sb_site *s = NULL;
    ck_assert_msg(sb_site_load("slurm/sites/example.yaml", stderr, &s) == SB_OK, "%s",
                  sb_error_text());
    ck_assert_str_eq(s->account, "proj-1234");
    ck_assert_str_eq(s->constraint, "h100&ib");
    ck_assert_str_eq(s->node_local, "$TMPDIR");
    ck_assert(s->container.n == 4 && strcmp(s->container.v[2], "--nv") == 0);
    ck_assert(s->env_names.n == 1 && strcmp(s->env_names.v[0], "OMPI_MCA_pml") == 0 &&
              strcmp(s->env_values.v[0], "ucx") == 0);
    ck_assert(s->tasks == 8 && s->gpus == 8 && s->max_nodes == 4 && s->throttle == 8);
    ck_assert(strchr(s->results, '~') == NULL);
    sb_site_free(s);
}
END_TEST

START_TEST(quoted_texts_are_taken_as_they_are)
{
    static const char text[] = "site: x\nmpi: mpirun\nnode_local: none\n"
                               "container: ['it''s', '$(id) `id`', '\"a b\"']\n"
                               "environment: {A_1: 'x; rm -rf /'}\nmodules: gcc/13\n"
                               "sbatch: [--exclusive, '--comment=a,b']\n";
    sb_site          *s      = NULL;
    char             *errors;
    ck_assert_msg(load(text, sizeof text - 1, &errors, &s) == SB_OK, "%s", errors);
    ck_assert_int_eq(s->mpi, SB_SITE_MPI_MPIRUN);
    ck_assert_ptr_null(s->node_local);
    ck_assert_str_eq(s->container.v[0], "it's");
    ck_assert_str_eq(s->container.v[1], "$(id) `id`");
    ck_assert_str_eq(s->env_values.v[0], "x; rm -rf /");
    ck_assert(s->modules.n == 1 && s->sbatch.n == 2);
    free(errors);
    sb_site_free(s);
}
END_TEST

static const struct {
    const char *text, *error;
} bad[] = {
    {"", ""},
    {"- a\n", "allowed a mapping with `site`"},
    {"account: a\n", ":1:1: site: found nothing, allowed a name for the site"},
    {"site: x\nacount: a\n", ":2:1: acount: found an unknown key, allowed"},
    {"site: x\nacount: a\n", "did you mean `account`?"},
    {"site: x\naccount: a b\n", ":2:10: account: found `a b`, allowed a word without blanks"},
    {"site: x\naccount: \"a\\n#SBATCH --uid=0\"\n", ":2:10: account: found"},
    {"site: x\naccount: a#b\n", "account: found `a#b`"},
    {"site: x\naccount: $HOME\n", "account: found `$HOME`"},
    {"site: x\naccount: -x\n", "account: found `-x`"},
    {"site: x\nmail_user: 'a\"b'\n", "mail_user: found"},
    {"site: x\naccount: []\n", "account: found an empty list"},
    {"site: x\nsbatch: [-N 4]\n", "sbatch[0]: found `-N 4`, allowed --NAME or --NAME=WORD"},
    {"site: x\nsbatch: ['--wrap=rm -rf /']\n", "sbatch[0]: found"},
    {"site: x\nsbatch: [--Upper]\n", "sbatch[0]: found"},
    {"site: x\nmodules: [\"a\\nb\"]\n", "modules[0]: found"},
    {"site: x\nenvironment: [a]\n", "environment: found a list, allowed a mapping"},
    {"site: x\nenvironment: {A-B: 1}\n", "allowed a name of letters, digits and _"},
    {"site: x\nmpi: openmpi\n", ":2:6: mpi: found `openmpi`, allowed one of auto, pmix, pmi2"},
    {"site: x\nnode: {tasks: 0}\n", ":2:15: node.tasks: found `0`, allowed"},
    {"site: x\nnode: {task: 1}\n", "node.task: found an unknown key"},
    {"site: x\nnode: {tasks: 8, cores: 4}\n", "node.cores: found 4 cores for 8 tasks"},
    {"site: x\nlimits: {minutes: 2}\ntime: {signal_s: 100}\n", ":3:7: time.signal_s: found 100 s"},
    {"site: x\nnode: 4\n", "node: found `4`, allowed a mapping"},
    {"site: x\ntime: {margin: .5}\n", "time.margin: found `.5`"},
    {"site: x\nsite: y\n", "site"},
    {"site: x\nresults: ~you\n", "results: found `~you`"},
    {"site: x\n\x01", "control character"},
};

START_TEST(refusals_name_their_place)
{
    sb_site  *s = NULL;
    char     *errors;
    sb_status st = load(bad[_i].text, strlen(bad[_i].text), &errors, &s);
    ck_assert_msg(st == SB_ERR_USAGE && s == NULL, "%s: %d", bad[_i].text, (int)st);
    ck_assert_msg(errors[0] != '\0' && strstr(errors, bad[_i].error) != NULL, "%s\ngave: %s",
                  bad[_i].text, errors);
    free(errors);
}
END_TEST

/* Cut anywhere, any byte changed: an answer, never a crash; and no word that sbatch could read as
 * two. */
START_TEST(noise_is_survived)
{
    static const char text[] = "site: x\naccount: ab\ncontainer: [a, b]\nenvironment: {A: b}\n"
                               "node: {tasks: 2, cores: 4}\nsbatch: [--x=y]\n";
    uint64_t          state  = 7;
    for (int k = 0; k < 3000; k++) {
        char     mutant[sizeof text];
        size_t   n = sizeof text - 1;
        char    *errors;
        sb_site *s = NULL;
        memcpy(mutant, text, sizeof text);
        for (int j = 0; j <= k % 3; j++) {
            state                     = state * 6364136223846793005u + 1442695040888963407u;
            mutant[(state >> 33) % n] = (state >> 20) % 4 == 0
                                            ? (char)(state >> 40)
                                            : "{}[],:-#&*!|>'\"%@\n 0x"[(state >> 40) % 22];
        }
        if (k % 5 == 0)
            n = (size_t)(state >> 33) % n;
        sb_status st = load(mutant, n, &errors, &s);
        ck_assert(st == SB_OK || st == SB_ERR_USAGE);
        ck_assert_int_eq(st == SB_OK, s != NULL);
        if (s != NULL && s->account != NULL)
            ck_assert_uint_eq(strcspn(s->account, " \t\n\"'\\#$`%"), strlen(s->account));
        free(errors);
        sb_site_free(s);
    }
}
END_TEST

START_TEST(memory_may_run_out)
{
    sb_site  *s  = NULL;
    sb_status st = SB_ERR_NOMEM;
    for (int64_t k = 0; st != SB_OK; k++) {
        sbi_pool_limit_calls = k;
        st                   = sb_site_load("slurm/sites/example.yaml", NULL, &s);
        ck_assert(st == SB_OK || (st == SB_ERR_NOMEM && s == NULL));
        ck_assert_int_lt(k, 5000);
    }
    sb_site_free(s);
    sbi_pool_limit_calls = INT64_MAX;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("site file");
    TCase *tc    = tcase_create("site file");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, without_a_file_the_defaults);
    tcase_add_test(tc, the_example_loads);
    tcase_add_test(tc, quoted_texts_are_taken_as_they_are);
    tcase_add_loop_test(tc, refusals_name_their_place, 0, sizeof bad / sizeof *bad);
    tcase_add_test(tc, noise_is_survived);
    tcase_add_test(tc, memory_may_run_out);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}

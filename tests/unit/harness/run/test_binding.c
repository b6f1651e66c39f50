/* Where ranks run, with devices that are none: what is told, devices of two kinds refused unless
 * allowed and then flagged, NUMA nodes and adapters from a sysfs of the test's own. */
#include <check.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/run/binding.h"
#include "harness/run/facts.h"
#include "harness/shard/bind.h"
#include "tests/mpi/ranks.h"

static char dir[] = "/tmp/span_binding_XXXXXX";

/* ---- two kinds of devices ---- */

static sb_status available(void) { return SB_OK; }

static sb_status facts_of(const char *name, int64_t gib, sb_device_facts *out)
{
    *out = (sb_device_facts){.count = 1, .memory_bytes = gib << 30};
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    (void)snprintf(out->uuid, sizeof out->uuid, "0123abcd");
    return SB_OK;
}
static sb_status facts_80(sb_device_facts *out) { return facts_of("GPU X", 80, out); }
static sb_status facts_40(sb_device_facts *out) { return facts_of("GPU X", 40, out); }
static sb_status facts_y(sb_device_facts *out) { return facts_of("GPU Y", 80, out); }
static sb_status facts_none(sb_device_facts *out)
{
    (void)out;
    return sb_fail(SB_ERR_DEVICE, "fell off the bus");
}

#define DOUBLE(f)                                                                                  \
    {                                                                                              \
        .name = "fake", .id = SB_CUDA, .available = available, .facts = (f)                        \
    }
static const sb_backend x80 = DOUBLE(facts_80), x40 = DOUBLE(facts_40), y80 = DOUBLE(facts_y),
                        none = DOUBLE(facts_none);

typedef struct mix {
    const sb_backend *last; /* of the last rank; the others have x80 */
    int32_t           allowed;
    sb_status         want;
    const char       *text, *flag;
} mix;

static const mix mixes[] = {
    {&x80, 0, SB_OK, "", NULL},
    {&y80, 0, SB_ERR_USAGE, "found `GPU X` (80.0 GiB) on rank 0 and `GPU Y` (80.0 GiB) on rank",
     NULL},
    {&x40, 0, SB_ERR_USAGE, "`GPU X` (40.0 GiB) on rank", NULL},
    {&y80, 1, SB_OK, "", "1"},
    {&none, 0, SB_ERR_DEVICE, "fell off the bus", NULL},
};
static const mix *present;

/* A whole begin of a run, as run.c does it. */
static void begin(span_rank *r)
{
    char                 path[64];
    sb_store            *s     = NULL;
    int64_t              id    = 0;
    const sb_sweep       sweep = {.name = "t", .text = "", .hash = "h"};
    const sb_run_options o     = {.comm          = r->comm,
                                  .threads       = 1,
                                  .mixed_devices = present->allowed,
                                  .command       = "run",
                                  .commit        = "c",
                                  .version       = "0",
                                  .build_json    = "{}",
                                  .mpi_version   = ""};
    const sb_backend    *b     = r->comm->rank == r->comm->size - 1 ? present->last : &x80;
    (void)snprintf(path, sizeof path, "%s/t.db", dir);
    if (r->comm->rank == 0) {
        (void)unlink(path);
        SPAN_EXPECT(r, sb_store_open(path, SB_STORE_WRITE, &s) == SB_OK, "%s", sb_error_text());
    }
    sb_status st = sb_facts_begin_run(s, &sweep, &o, b, &id);
    if (present->want == SB_ERR_DEVICE && r->comm->rank + 1 < r->comm->size)
        SPAN_EXPECT(r, st == SB_ERR_PEER, "%s", sb_status_name(st));
    else
        SPAN_EXPECT(r, st == present->want, "%s: %s", sb_status_name(st), sb_error_text());
    if (st != SB_OK && st != SB_ERR_PEER)
        SPAN_EXPECT(r, strstr(sb_error_text(), present->text) != NULL, "%s", sb_error_text());
    sb_store_close(s);
}

static char *ask(const char *sql)
{
    char  path[64], *out = NULL;
    FILE *f;
    (void)snprintf(path, sizeof path, "%s/t.db", dir);
    size_t    n  = 0;
    sb_store *s  = NULL;
    f            = open_memstream(&out, &n);
    sb_status st = sb_store_open(path, SB_STORE_READ, &s);
    if (st == SB_OK)
        st = sb_store_query(s, sql, SB_FORMAT_CSV, f);
    sb_store_close(s);
    (void)fclose(f);
    ck_assert_msg(st == SB_OK, "%s", sb_error_text());
    return out;
}

START_TEST(kinds_are_not_mixed_unless_allowed)
{
    static const span_case c = {"begin", begin};
    char                   why[512];
    present = &mixes[_i];
    span_run_threads(&c, 3, why, sizeof why);
    ck_assert_msg(why[0] == '\0', "%s", why);
    if (present->want != SB_OK)
        return;
    char *flag = ask("SELECT coalesce(json_extract(env_json, '$.mixed_devices'), '-') FROM run");
    char *at   = ask("SELECT json_extract(env_json, '$.\"binding.2\"') FROM run");
    ck_assert_ptr_nonnull(strstr(flag, present->flag != NULL ? present->flag : "-"));
    ck_assert_ptr_nonnull(strstr(at, present->last == &y80 ? "device GPU Y uuid 0123abcd"
                                                           : "device GPU X uuid 0123abcd"));
    free(flag);
    free(at);
}
END_TEST

/* ---- a host ---- */

static void put(const char *path, const char *text)
{
    char whole[256];
    (void)snprintf(whole, sizeof whole, "%s/%s", dir, path);
    for (char *p = whole + strlen(dir) + 1; (p = strchr(p, '/')) != NULL; *p++ = '/') {
        *p = '\0';
        (void)mkdir(whole, 0777);
    }
    FILE *f = fopen(whole, "w");
    ck_assert_ptr_nonnull(f);
    (void)fputs(text, f);
    (void)fclose(f);
}

static void here(span_rank *r)
{
    sb_binding *all = NULL;
    char        text[640];
    SPAN_EXPECT(r, sb_binding_gather(r->comm, &x80, &all) == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, strcmp(all[1].numa, "1") == 0, "numa %.30s", all[1].numa);
    SPAN_EXPECT(r, strcmp(all[1].nics, "mlx5_1") == 0, "nics %.30s", all[1].nics);
    sb_binding_text(&all[1], text, sizeof text);
    SPAN_EXPECT(r,
                strncmp(text, "cpus ", 5) == 0 &&
                    strstr(text, " numa 1 device GPU X uuid 0123abcd nic mlx5_1") != NULL,
                "%.80s", text);
    free(all);
}

/* All cores of this process are of node 1; the adapter of node 0 is not its. */
START_TEST(ranks_of_the_host_are_no_strangers)
{
    static const struct {
        int32_t local_size, others, strangers;
    } cases[] = {{1, 0, 0}, {1, 2, 2}, {2, 1, 0}, {2, 2, 1}, {8, 7, 0}, {8, 3, 0}, {4, -1, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sb_comm c = {.size = 16, .local_size = cases[i].local_size};
        ck_assert_int_eq(sb_device_strangers(&c, cases[i].others), cases[i].strangers);
    }
}
END_TEST

START_TEST(nodes_and_adapters_follow_the_cores)
{
    static const span_case c = {"here", here};
    char                   why[512];
    put("devices/system/node/node0/cpulist", "5000-5003\n");
    put("devices/system/node/node1/cpulist", "0-1023\n");
    put("devices/system/node/possible", "0-1\n");
    put("class/infiniband/mlx5_0/device/numa_node", "0\n");
    put("class/infiniband/mlx5_1/device/numa_node", "1\n");
    put("class/net/eth0/device/numa_node", "1\n");
    sb_binding_sys = dir;
    span_run_threads(&c, 2, why, sizeof why);
    sb_binding_sys = "/sys";
    ck_assert_msg(why[0] == '\0', "%s", why);
}
END_TEST

static void silent(span_rank *r)
{
    sb_binding *all = NULL;
    SPAN_EXPECT(r, sb_binding_gather(r->comm, &x80, &all) == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, strcmp(all[0].numa, "?") == 0 && all[0].nics[0] == '\0', "numa %.20s nics %.20s",
                all[0].numa, all[0].nics);
    free(all);
}

START_TEST(a_system_that_does_not_tell)
{
    static const span_case c = {"silent", silent};
    char                   why[512];
    sb_binding_sys = "/no/such/place";
    span_run_threads(&c, 1, why, sizeof why);
    sb_binding_sys = "/sys";
    ck_assert_msg(why[0] == '\0', "%s", why);
}
END_TEST

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    Suite *s = suite_create("binding");
    TCase *t = tcase_create("binding");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, kinds_are_not_mixed_unless_allowed, 0, sizeof mixes / sizeof *mixes);
    tcase_add_test(t, ranks_of_the_host_are_no_strangers);
    tcase_add_test(t, nodes_and_adapters_follow_the_cores);
    tcase_add_test(t, a_system_that_does_not_tell);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int  failed = srunner_ntests_failed(r);
    char clean[64];
    srunner_free(r);
    (void)snprintf(clean, sizeof clean, "rm -rf %s", dir);
    return system(clean) != 0 || failed != 0;
}

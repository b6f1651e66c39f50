/* The probe's maths on the device against the CPU's: equal bits. Without a device: skipped (77). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/model/probe/waves.h"
#include "kernels/base/backend.h"
#include "kernels/base/rng.h"
#include "kernels/nn/probe_cuda.h"
#include "tests/cuda/device_main.h"

#define D SB_PROBE_DIM
enum { ROWS = 1000, FROM = 3 }; /* ragged blocks; rows in front that nobody asks for */

static const sb_backend *const dev = &sb_backend_cuda;

static void *there(const void *from, size_t bytes)
{
    void *p = NULL;
    ck_assert_msg(dev->alloc(bytes, &p) == SB_OK, "%s", sb_error_text());
    if (from != NULL)
        ck_assert_int_eq(dev->copy(p, from, bytes, SB_COPY_TO_DEVICE, NULL), SB_OK);
    else
        ck_assert_int_eq(dev->fill(p, 0xFF, bytes, NULL), SB_OK);
    return p;
}

static void back(void *to, const void *from, size_t bytes)
{
    ck_assert_int_eq(dev->copy(to, from, bytes, SB_COPY_TO_HOST, NULL), SB_OK);
    ck_assert_msg(dev->sync(NULL) == SB_OK, "%s", sb_error_text());
}

static float small(uint64_t key) { return (float)(sb_mix(key) % 513) / 256.0f - 1.0f; }

/* Host memory and its copy on the device. */
typedef struct side {
    sb_bf16           *a, *b, *narrow; /* [ROWS + FROM][128], narrow [14] */
    int32_t           *index;
    float             *table;
    sb_probe_rotation *rotation;
    uint8_t           *permute;
} side;

static side host, device;

#define BOTH(member, n)                                                                            \
    (host.member = calloc((size_t)(n), sizeof *host.member), device.member = NULL)
#define SEND(member, n) device.member = there(host.member, (size_t)(n) * sizeof *host.member)

static void setup(void)
{
    const int n = ROWS + FROM;
    BOTH(a, n * D);
    BOTH(b, n * D);
    BOTH(narrow, n * SB_PROBE_TOPIC);
    BOTH(index, n);
    BOTH(table, D * SB_PROBE_TOPIC_PAD);
    BOTH(rotation, 1);
    BOTH(permute, D);
    ck_assert(host.a != NULL && host.b != NULL && host.narrow != NULL && host.index != NULL &&
              host.table != NULL && host.rotation != NULL && host.permute != NULL);
    for (int i = 0; i < n * D; i++) {
        host.a[i] = sb_bf16_from_f32(small((uint64_t)i));
        host.b[i] = sb_bf16_from_f32(small((uint64_t)i + (1u << 20)));
    }
    for (int i = 0; i < n * SB_PROBE_TOPIC; i++)
        host.narrow[i] = sb_bf16_from_f32(small((uint64_t)i + (3u << 20)));
    for (int i = 0; i < n; i++)
        host.index[i] = (int32_t)(sb_mix((uint64_t)i + 900) % ROWS);
    for (int i = 0; i < D * SB_PROBE_TOPIC_PAD; i++)
        host.table[i] = small((uint64_t)i + (1u << 21)) * 1.2345f;
    for (int i = 0; i < SB_PROBE_PAIRS; i++) {
        host.rotation->c[i]    = small((uint64_t)i + (5u << 20)) * 0.777f;
        host.rotation->s[i]    = small((uint64_t)i + (6u << 20)) * 0.777f;
        host.rotation->gain[i] = 3.3f * small((uint64_t)i + (7u << 20));
    }
    for (int i = 0; i < D; i++)
        host.permute[i] = (uint8_t)((i * 37 + 11) % D);
    SEND(a, n * D);
    SEND(b, n * D);
    SEND(narrow, n * SB_PROBE_TOPIC);
    SEND(index, n);
    SEND(table, D * SB_PROBE_TOPIC_PAD);
    SEND(rotation, 1);
    SEND(permute, D);
}

static void teardown(void)
{
    void *rooms[] = {device.a,     device.b,        device.narrow, device.index,
                     device.table, device.rotation, device.permute};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        dev->free(rooms[i]);
    free(host.a);
    free(host.b);
    free(host.narrow);
    free(host.index);
    free(host.table);
    free(host.rotation);
    free(host.permute);
}

enum { N_MAPS = 6 };

/* Every kind of term, runs at even and odd places, by index and not, alone and side by side. */
static void make_maps(const side *s, sb_probe_map m[N_MAPS])
{
    const sb_probe_source a = {s->a, D, NULL}, b = {s->b, D, NULL}, by = {s->b, D, s->index};
    const sb_probe_source narrow = {s->narrow, SB_PROBE_TOPIC, NULL}, still = {s->a, 0, NULL};
    memset(m, 0, N_MAPS * sizeof *m);
    m[0].n_terms = 3;
    m[0].term[0] = (sb_probe_term){SB_PROBE_SCALE, 0, 26, 0, 1.37f, a, {0}, NULL, NULL};
    m[0].term[1] = (sb_probe_term){SB_PROBE_SCALE, 26, 27, 51, 1.0f, by, {0}, NULL, NULL};
    m[0].term[2] = (sb_probe_term){SB_PROBE_SCALE, 114, 14, 0, -0.3f, narrow, {0}, NULL, NULL};
    m[1].n_terms = 2;
    m[1].term[0] = (sb_probe_term){SB_PROBE_SUM, 0, 78, 0, 1.0f, a, by, NULL, NULL};
    m[1].term[1] = (sb_probe_term){SB_PROBE_SUM, 79, 5, 3, 1.0f, by, b, NULL, NULL};
    m[2].n_terms = 1;
    m[2].term[0] = (sb_probe_term){SB_PROBE_ROTATE, 0, D, 0, 1.0f, a, {0}, NULL, s->rotation};
    m[3].n_terms = 3;
    m[3].term[0] = (sb_probe_term){SB_PROBE_DOT, 78, 1, 0, 1.0f / D, by, {0}, s->table, NULL};
    m[3].term[1] =
        (sb_probe_term){SB_PROBE_PROJECT, 114, SB_PROBE_TOPIC, 0, 0.41f, a, {0}, s->table, NULL};
    m[3].term[2] = (sb_probe_term){SB_PROBE_SCALE, 112, 1, 5, 2.7f, still, {0}, NULL, NULL};
    m[4].n_terms = 1;
    m[4].permute = s->permute;
    m[4].term[0] = (sb_probe_term){SB_PROBE_SCALE, 0, D, 0, 1.0f, by, {0}, NULL, NULL};
    m[5].n_terms = 0; /* zeros */
}

static void check_maps(int64_t row0, int64_t n)
{
    sb_probe_map mh[N_MAPS], md[N_MAPS];
    sb_bf16     *want[N_MAPS], *got[N_MAPS], *out = malloc((size_t)(n * D) * sizeof *out);
    size_t       bytes = (size_t)(n * D) * sizeof *out;
    ck_assert_ptr_nonnull(out);
    make_maps(&host, mh);
    make_maps(&device, md);
    for (int i = 0; i < N_MAPS; i++) {
        want[i] = malloc(bytes);
        ck_assert_ptr_nonnull(want[i]);
        got[i] = there(NULL, bytes);
    }
    sb_probe_maps_run(mh, want, N_MAPS, row0, n, 1);
    ck_assert_msg(sb_probe_maps_run_cuda(md, got, N_MAPS, row0, n, NULL) == SB_OK, "%s",
                  sb_error_text());
    for (int i = 0; i < N_MAPS; i++) {
        back(out, got[i], bytes);
        for (int64_t k = 0; k < n * D; k++)
            ck_assert_msg(out[k] == want[i][k], "map %d row %lld dim %lld: %04x, wanted %04x", i,
                          (long long)(k / D), (long long)(k % D), out[k], want[i][k]);
        free(want[i]);
        dev->free(got[i]);
    }
    free(out);
}

START_TEST(maps_give_the_hosts_bits)
{
    check_maps(FROM, ROWS);
    check_maps(ROWS, 1); /* decode */
    check_maps(0, 64);
}
END_TEST

/* The first maps write the step's row, the others row 0, and nobody another. */
START_TEST(a_step_places_rows)
{
    enum { SLOT = 29, ROOM = 40, STEPPED = 4 };
    sb_probe_map maps[N_MAPS];
    sb_bf16     *said[N_MAPS], *told[N_MAPS], want[ROOM * D], got[ROOM * D];
    sb_step      step = {.slot = SLOT, .n_keys = SLOT + 1};
    void        *on   = there(&step, sizeof step);
    make_maps(&device, maps);
    for (int i = 0; i < N_MAPS; i++) {
        said[i] = there(NULL, sizeof want);
        told[i] = there(NULL, sizeof want);
        said[i] += i < STEPPED ? SLOT * D : 0;
    }
    ck_assert_int_eq(sb_probe_maps_run_cuda(maps, said, N_MAPS, ROWS, 1, NULL), SB_OK);
    ck_assert_int_eq(sb_probe_maps_step_cuda(maps, told, N_MAPS, STEPPED, ROWS, on, NULL), SB_OK);
    for (int i = 0; i < N_MAPS; i++) {
        said[i] -= i < STEPPED ? SLOT * D : 0;
        back(want, said[i], sizeof want);
        back(got, told[i], sizeof got);
        ck_assert_mem_eq(got, want, sizeof want);
        dev->free(said[i]);
        dev->free(told[i]);
    }
    dev->free(on);
}
END_TEST

START_TEST(rows_out_of_line_are_refused)
{
    sb_probe_map m   = {.n_terms = 1};
    sb_bf16     *dst = device.b;
    m.term[0]        = (sb_probe_term){SB_PROBE_DOT, 0,   1, 0, 1.0f, {device.a + 1, D, NULL}, {0},
                                       device.table, NULL};
    ck_assert_int_eq(sb_probe_maps_run_cuda(&m, &dst, 1, 0, 8, NULL), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_probe_maps_run_cuda(&m, &dst, SB_PROBE_CUDA_MAPS + 1, 0, 8, NULL),
                     SB_ERR_INTERNAL);
}
END_TEST

START_TEST(heads_leave_their_first_dims)
{
    enum { HALF = D / 2 };
    sb_bf16           *got[2]  = {there(NULL, ROWS * D * sizeof(sb_bf16)),
                                  there(NULL, ROWS * HALF * sizeof(sb_bf16))};
    sb_probe_take_item item[2] = {{device.a, got[0], D}, {device.b, got[1], HALF}};
    sb_bf16 *want = malloc(ROWS * D * sizeof *want), *out = malloc(ROWS * D * sizeof *out);
    ck_assert(want != NULL && out != NULL);
    ck_assert_msg(sb_probe_take_cuda(item, 2, ROWS, NULL) == SB_OK, "%s", sb_error_text());
    for (int i = 0; i < 2; i++) {
        size_t bytes = (size_t)ROWS * (size_t)item[i].dims * sizeof *want;
        sb_probe_take(i == 0 ? host.a : host.b, ROWS, item[i].dims, want, 1);
        back(out, got[i], bytes);
        ck_assert_int_eq(memcmp(out, want, bytes), 0);
        dev->free(got[i]);
    }
    free(want);
    free(out);
    item[0].dims = 12;
    ck_assert_int_eq(sb_probe_take_cuda(item, 1, ROWS, NULL), SB_ERR_INTERNAL);
}
END_TEST

/* Places all over the range: the first ones, around where the long reduction of angles begins, and
 * up to 2^24. */
START_TEST(the_embedding_gives_the_hosts_bits)
{
    enum { N = 4096 };
    static const int64_t starts[] = {0, 33000, 131072, 1048576 - 100, 2097152, 16777216 - N};
    sb_probe_waves       w;
    sb_probe_embed_rule  rule = {.value_first = 100,
                                 .value_n     = 50,
                                 .agg_first   = 200,
                                 .agg_n       = 20,
                                 .none        = 0,
                                 .vocabulary  = 512,
                                 .n_context   = 131072 + 50};
    int32_t             *id = malloc(N * sizeof *id), *got = malloc(N * sizeof *got);
    sb_bf16             *row = malloc(N * D * sizeof *row), want[D];
    ck_assert(id != NULL && got != NULL && row != NULL);
    for (int i = 0; i < N; i++)
        id[i] = (int32_t)(sb_mix((uint64_t)i) % 512);
    sb_probe_waves_init(&w, 2, 64);
    memcpy(rule.w, w.w, sizeof rule.w);
    memcpy(rule.topic_w, w.topic_w, sizeof rule.topic_w);
    memcpy(rule.topic_phase, w.topic_phase, sizeof rule.topic_phase);
    int32_t            *ids  = there(id, N * sizeof *id);
    sb_probe_embed_rows rows = {.id       = ids,
                                .value_id = there(NULL, N * sizeof *id),
                                .agg_id   = there(NULL, N * sizeof *id),
                                .salient  = there(NULL, N * sizeof *id),
                                .bos      = there(NULL, N * sizeof(sb_bf16)),
                                .phi      = there(NULL, N * D * sizeof(sb_bf16)),
                                .topic    = there(NULL, N * SB_PROBE_TOPIC * sizeof(sb_bf16))};
    for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
        ck_assert_int_eq(sb_probe_embed_cuda(&rule, &rows, 0, starts[s], N, NULL), SB_OK);
        back(row, rows.phi, N * D * sizeof *row);
        for (int i = 0; i < N; i++) {
            sb_probe_phi(&w, starts[s] + i, want);
            ck_assert_msg(memcmp(want, row + i * D, sizeof want) == 0, "position %lld",
                          (long long)starts[s] + i);
        }
        back(row, rows.topic, N * SB_PROBE_TOPIC * sizeof *row);
        for (int i = 0; i < N; i++) {
            sb_probe_topic(&w, starts[s] + i, want);
            ck_assert_int_eq(memcmp(want, row + i * SB_PROBE_TOPIC, SB_PROBE_TOPIC * sizeof *want),
                             0);
        }
        back(row, rows.bos, N * sizeof *row);
        for (int i = 0; i < N; i++)
            ck_assert_int_eq(row[i], starts[s] + i == 0 ? 0x3F80 : 0);
        back(got, rows.value_id, N * sizeof *got);
        for (int i = 0; i < N; i++)
            ck_assert_int_eq(got[i], id[i] >= 100 && id[i] < 150 ? id[i] : 0);
        back(got, rows.agg_id, N * sizeof *got);
        for (int i = 0; i < N; i++)
            ck_assert_int_eq(got[i], id[i] >= 200 && id[i] < 220 ? id[i] : 0);
        back(got, rows.salient, N * sizeof *got);
        for (int i = 0; i < N; i++)
            ck_assert_int_eq(got[i], starts[s] + i >= rule.n_context ? 512 + id[i] : id[i]);
    }
    void *rooms[] = {ids, rows.value_id, rows.agg_id, rows.salient, rows.bos, rows.phi, rows.topic};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        dev->free(rooms[i]);
    free(id);
    free(got);
    free(row);
}
END_TEST

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("probe cuda");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, maps_give_the_hosts_bits);
    tcase_add_test(t, a_step_places_rows);
    tcase_add_test(t, rows_out_of_line_are_refused);
    tcase_add_test(t, heads_leave_their_first_dims);
    tcase_add_test(t, the_embedding_gives_the_hosts_bits);
    suite_add_tcase(s, t);
    return device_run(s);
}

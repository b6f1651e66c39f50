/* q, k, v of a file: shapes, names, values that are refused, identity, rows. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "harness/tensors/captured.h"
#include "tests/unit/harness/tensors/files.h"

static const sb_capture_names qkv = {"q", "k", "v"};

/* A file of zeros and ones: value i of a tensor is i % 7. dims with a batch where wanted. */
typedef struct layout {
    const char *dtype; /* BF16, F16, F32 */
    int64_t     q[4], k[4], v[4];
    int         n_dims;
} layout;

static int64_t values_of(const int64_t *dim, int n)
{
    int64_t x = 1;
    for (int i = 0; i < n; i++)
        x *= dim[i];
    return x;
}

static int64_t put_tensor(FILE *header, FILE *data, const layout *l, const char *name,
                          const int64_t *dim, int64_t at)
{
    int64_t n = values_of(dim, l->n_dims), bytes = strcmp(l->dtype, "F32") == 0 ? 4 : 2;
    (void)fprintf(header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", name[0] != 'q' ? "," : "", name,
                  l->dtype);
    for (int i = 0; i < l->n_dims; i++)
        (void)fprintf(header, "%s%lld", i > 0 ? "," : "", (long long)dim[i]);
    (void)fprintf(header, "],\"data_offsets\":[%lld,%lld]}", (long long)at,
                  (long long)(at + n * bytes));
    for (int64_t i = 0; i < n; i++) {
        static const uint16_t half[] = {0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600};
        float                 f      = (float)(i % 7);
        sb_bf16               b      = sb_bf16_from_f32(f);
        (void)fwrite(bytes == 4           ? (const void *)&f
                     : l->dtype[0] == 'F' ? (const void *)&half[i % 7]
                                          : &b,
                     (size_t)bytes, 1, data);
    }
    return at + n * bytes;
}

static const char *make(const char *name, const layout *l)
{
    char       *h = NULL, *d = NULL;
    size_t      hn = 0, dn = 0;
    FILE       *header = open_memstream(&h, &hn), *data = open_memstream(&d, &dn);
    const char *path = files_path(name);
    (void)fputc('{', header);
    int64_t at = put_tensor(header, data, l, "q", l->q, 0);
    at         = put_tensor(header, data, l, "k", l->k, at);
    (void)put_tensor(header, data, l, "v", l->v, at);
    (void)fputc('}', header);
    (void)fclose(header);
    (void)fclose(data);
    files_write(path, -1, h, d, dn);
    free(h);
    free(d);
    return path;
}

static const layout plain  = {"BF16", {4, 9, 16}, {2, 12, 16}, {2, 12, 16}, 3};
static const layout single = {"F32", {4, 9, 16}, {2, 12, 16}, {2, 12, 16}, 3};
static const layout half   = {"F16", {1, 4, 9, 16}, {1, 2, 12, 16}, {1, 2, 12, 16}, 4};

START_TEST(shape_and_identity_are_the_operators)
{
    sb_captured a, b, c;
    ck_assert_int_eq(sb_captured_scan(make("a", &plain), &qkv, &a), SB_OK);
    ck_assert_int_eq(a.shape.heads, 4);
    ck_assert_int_eq(a.shape.kv_heads, 2);
    ck_assert_int_eq(a.shape.head_dim, 16);
    ck_assert_int_eq(a.shape.n_tokens, 12);
    ck_assert_int_eq(a.shape.n_queries, 9);
    /* the same values in another dtype, with a batch: the operator sees the same */
    ck_assert_int_eq(sb_captured_scan(make("b", &single), &qkv, &b), SB_OK);
    ck_assert_int_eq(sb_captured_scan(make("c", &half), &qkv, &c), SB_OK);
    ck_assert_str_eq(a.sha256, b.sha256);
    ck_assert_str_eq(a.sha256, c.sha256);
}
END_TEST

static void poke(const char *path, int64_t from_end, const void *bytes, size_t n);

START_TEST(identity_is_of_the_values_and_of_which_is_which)
{
    static const sb_bf16 one = 0x3f80;
    sb_captured          a, b, c;
    const char          *path = make("values", &plain);
    ck_assert_int_eq(sb_captured_scan(path, &qkv, &a), SB_OK);
    poke(path, 4, &one, 2);
    ck_assert_int_eq(sb_captured_scan(path, &qkv, &b), SB_OK);
    ck_assert_int_eq(sb_captured_scan(path, &(sb_capture_names){"q", "v", "k"}, &c), SB_OK);
    ck_assert_str_ne(a.sha256, b.sha256);
    ck_assert_str_ne(b.sha256, c.sha256);
    ck_assert_uint_ne(a.stamp, b.stamp);
}
END_TEST

static sb_bf16 at(const sb_tensor *t, int64_t h, int64_t i, int64_t j)
{
    return sb_tensor_bf16(t, h, i)[j];
}

START_TEST(rows_are_read_where_they_stand)
{
    sb_captured  seen;
    sb_operands *o    = NULL;
    const char  *path = make("rows", _i == 0 ? &plain : _i == 1 ? &single : &half);
    ck_assert_int_eq(sb_captured_scan(path, &qkv, &seen), SB_OK);
    ck_assert_int_eq(sb_captured_open(path, &qkv, 0.5f, &seen, &o), SB_OK);
    ck_assert_float_eq(o->scale, 0.5f);
    ck_assert_str_eq(o->sha256, seen.sha256);
    sb_bf16   room[4 * 3 * 16];
    sb_tensor q = {.data = room, .heads = 4, .tokens = 3, .dim = 16, .head_stride = 48};
    for (int64_t h = 0; h < 2; h++) /* ids 5, 6 are rows 2, 3 of the 9 queries; to slots 1, 2 */
        ck_assert_int_eq(o->ops->fill(o, SB_OPERAND_Q, h, 5, 2, 1, &q), SB_OK);
    for (int64_t h = 0; h < 4; h++)
        for (int64_t i = 0; i < 2; i++)
            ck_assert_float_eq(sb_bf16_to_f32(at(&q, h, 1 + i, 3)),
                               (float)(((h * 9 + 2 + i) * 16 + 3) % 7));
    sb_tensor k = {.data = room, .heads = 2, .tokens = 3, .dim = 16, .head_stride = 48};
    ck_assert_int_eq(o->ops->fill(o, SB_OPERAND_K, 1, 9, 3, 0, &k), SB_OK);
    ck_assert_float_eq(sb_bf16_to_f32(at(&k, 1, 2, 15)), (float)(((12 + 11) * 16 + 15) % 7));
    ck_assert_int_eq(truncate(path, 600), 0);
    ck_assert_int_eq(o->ops->fill(o, SB_OPERAND_V, 1, 9, 3, 0, &k), SB_ERR_IO);
    sb_operands_destroy(o);
}
END_TEST

typedef struct bad_layout {
    layout      l;
    const char *text;
} bad_layout;

static const bad_layout bad[] = {
    {{"BF16", {4, 9, 16}, {2, 12, 16}, {2, 11, 16}, 3}, "found k [2][12][16] and v [2][11][16]"},
    {{"BF16", {4, 9, 16}, {2, 12, 16}, {1, 12, 16}, 3}, "allowed two of one shape"},
    {{"BF16", {4, 9, 32}, {2, 12, 16}, {2, 12, 16}, 3}, "found head_dim 32 of q and 16 of k"},
    {{"BF16", {3, 9, 16}, {2, 12, 16}, {2, 12, 16}, 3}, "found 3 query heads on 2 KV heads"},
    {{"BF16", {4, 13, 16}, {2, 12, 16}, {2, 12, 16}, 3}, "found 13 queries on 12 keys"},
    {{"BF16", {2, 4, 9, 16}, {1, 2, 12, 16}, {1, 2, 12, 16}, 4},
     "tensor `q`: found the shape [2][4][9][16]"},
    {{"BF16", {4, 9}, {2, 12}, {2, 12}, 2}, "found the shape [4][9]"},
    {{"BF16", {4, 0, 16}, {2, 12, 16}, {2, 12, 16}, 3}, "found the shape [4][0][16]"},
    {{"BF16", {0}, {0}, {0}, 0}, "found the shape of a single number"},
    {{"I16", {4, 9, 16}, {2, 12, 16}, {2, 12, 16}, 3}, "tensor `q`: found dtype I16"},
};

START_TEST(wrong_shapes_are_told)
{
    sb_captured c;
    const char *path = make("bad", &bad[_i].l);
    ck_assert_int_eq(sb_captured_scan(path, &qkv, &c), SB_ERR_USAGE);
    ck_assert_msg(strstr(sb_error_text(), bad[_i].text) != NULL, "%s", sb_error_text());
    ck_assert_int_eq(strncmp(sb_error_text(), path, strlen(path)), 0);
}
END_TEST

START_TEST(missing_tensors_are_told_with_what_there_is)
{
    sb_captured c;
    const char *path = make("names", &plain);
    ck_assert_int_eq(sb_captured_scan(path, &(sb_capture_names){"q", "key", "v"}, &c),
                     SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "no tensor `key`: the file has `q`, `k`, `v`"));
    ck_assert_int_eq(sb_captured_scan(path, &(sb_capture_names){"q", "k", "\x1b]0;x"}, &c),
                     SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "no tensor `\\x1b]0;x`"));
    files_write(files_path("empty"), -1, "{}", "", 0);
    ck_assert_int_eq(sb_captured_scan(files_path("empty"), &qkv, &c), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "the file has no tensors"));
}
END_TEST

/* Put bytes at value `i` of the last tensor of `make`'s file. */
static void poke(const char *path, int64_t from_end, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "r+b");
    ck_assert_int_eq(fseek(f, (long)-from_end, SEEK_END), 0);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

/* inf, NaN, a float that rounds to infinity in bf16, a half infinity. */
START_TEST(values_that_are_not_finite_are_counted_and_refused)
{
    static const struct {
        const layout *l;
        uint32_t      bits;
        size_t        bytes;
    } odd[] = {{&plain, 0x7f80, 2},      {&plain, 0xffc1, 2},      {&single, 0x7f800000, 4},
               {&single, 0x7f7fffff, 4}, {&single, 0x7fc00000, 4}, {&half, 0xfc00, 2},
               {&half, 0x7e00, 2}};
    sb_captured c;
    const char *path  = make("odd", odd[_i].l);
    int64_t     bytes = (int64_t)odd[_i].bytes;
    poke(path, 3 * bytes, &odd[_i].bits, odd[_i].bytes);  /* v [1][11][13] */
    poke(path, 17 * bytes, &odd[_i].bits, odd[_i].bytes); /* v [1][10][15] */
    ck_assert_int_eq(sb_captured_scan(path, &qkv, &c), SB_ERR_USAGE);
    ck_assert_msg(strstr(sb_error_text(),
                         "odd: tensor `v`: found 2 values that are not finite in bf16, "
                         "the first at head 1, token 10, dim 15; allowed none") != NULL,
                  "%s", sb_error_text());
}
END_TEST

START_TEST(large_finite_floats_are_fine)
{
    static const uint32_t bits = 0x7f7f7fff; /* rounds down to the largest bf16 */
    sb_captured           c;
    const char           *path = make("large", &single);
    poke(path, 4, &bits, 4);
    ck_assert_int_eq(sb_captured_scan(path, &qkv, &c), SB_OK);
}
END_TEST

START_TEST(a_file_that_changed_is_refused)
{
    sb_captured    seen;
    sb_operands   *o    = NULL;
    const char    *path = make("changing", &plain);
    struct utimbuf then = {1000, 1000};
    ck_assert_int_eq(sb_captured_scan(path, &qkv, &seen), SB_OK);
    ck_assert_int_eq(utime(path, &then), 0);
    ck_assert_int_eq(sb_captured_open(path, &qkv, 1, &seen, &o), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(
        strstr(sb_error_text(), "changing: the file has changed since the run began"));
    ck_assert_ptr_null(o);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(sb_captured_open(path, &qkv, 1, &seen, &o), SB_ERR_USAGE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("captured");
    TCase *t = tcase_create("files");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, shape_and_identity_are_the_operators);
    tcase_add_test(t, identity_is_of_the_values_and_of_which_is_which);
    tcase_add_loop_test(t, rows_are_read_where_they_stand, 0, 3);
    tcase_add_loop_test(t, wrong_shapes_are_told, 0, sizeof bad / sizeof *bad);
    tcase_add_test(t, missing_tensors_are_told_with_what_there_is);
    tcase_add_loop_test(t, values_that_are_not_finite_are_counted_and_refused, 0, 7);
    tcase_add_test(t, large_finite_floats_are_fine);
    tcase_add_test(t, a_file_that_changed_is_refused);
    suite_add_tcase(s, t);
    (void)files_path(""); /* made here, so that forked tests share it */
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    files_clean();
    return failures != 0;
}

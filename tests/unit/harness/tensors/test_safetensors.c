/* Reading and writing safetensors files: round trips, hostile files, damage, failing writes. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/tensors/dtype.h"
#include "harness/tensors/header.h"
#include "kernels/base/rng.h"
#include "tests/unit/harness/tensors/files.h"

static const char data[64] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde";

#define TENSOR(name, dtype, shape, begin, end)                                                     \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end   \
    "]}"

/* ---- good files ---- */

START_TEST(what_is_written_reads_back)
{
    static const sb_file_spec specs[] = {{"ptr", SB_FILE_I64, 1, {3}},
                                         {"x", SB_FILE_BF16, 3, {2, 1, 4}},
                                         {"none", SB_FILE_F32, 2, {0, 5}},
                                         {"one", SB_FILE_F32, 0, {0}}};
    static const sb_file_pair notes[] = {{"who", "a \"test\"\n"}, {"empty", ""}};
    static const int64_t      ptr[3]  = {0, -5, INT64_MAX};
    static const sb_bf16      x[8]    = {1, 2, 3, 4, 5, 6, 7, 0xffff};
    static const float        one     = 1.5f;
    const char               *path    = files_path("good.safetensors");
    sb_safetensors_out       *o       = NULL;
    sb_safetensors           *f       = NULL;
    ck_assert_int_eq(sb_safetensors_create(path, specs, 4, notes, 2, &o), SB_OK);
    ck_assert_int_ne(access(path, F_OK), 0); /* not before it is whole */
    ck_assert_int_eq(sb_safetensors_write(o, ptr, 8), SB_OK);
    ck_assert_int_eq(sb_safetensors_write(o, ptr + 1, 16), SB_OK);
    ck_assert_int_eq(sb_safetensors_write(o, x, sizeof x), SB_OK);
    ck_assert_int_eq(sb_safetensors_write(o, &one, sizeof one), SB_OK);
    ck_assert_int_eq(sb_safetensors_commit(o), SB_OK);
    ck_assert_int_ne(access(files_path("good.safetensors.tmp"), F_OK), 0);

    ck_assert_msg(sb_safetensors_open(path, &f) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(f->n_tensors, 4);
    ck_assert_str_eq(sb_safetensors_note(f, "who"), "a \"test\"\n");
    ck_assert_str_eq(sb_safetensors_note(f, "empty"), "");
    ck_assert_ptr_null(sb_safetensors_note(f, "x"));
    ck_assert_ptr_null(sb_safetensors_find(f, "who"));
    int64_t               ptr2[3] = {0};
    sb_bf16               x2[8] = {0}, one2 = 0;
    float                 back = 0;
    const sb_file_tensor *t    = sb_safetensors_find(f, "ptr");
    ck_assert_int_eq(t->offset_bytes % 64, 0);
    ck_assert_int_eq(sb_safetensors_read(f, t, 0, 3, ptr2), SB_OK);
    ck_assert_int_eq(memcmp(ptr, ptr2, sizeof ptr), 0);
    ck_assert_int_eq(sb_safetensors_read(f, t, 2, 1, ptr2), SB_OK);
    ck_assert(ptr2[0] == INT64_MAX);
    t = sb_safetensors_find(f, "x");
    ck_assert(t->n_dims == 3 && t->shape[0] == 2 && t->shape[1] == 1 && t->shape[2] == 4);
    ck_assert_int_eq(sb_safetensors_read_bf16(f, t, 0, 8, x2), SB_OK);
    ck_assert_int_eq(memcmp(x, x2, sizeof x), 0);
    t = sb_safetensors_find(f, "one");
    ck_assert_int_eq(t->n_values, 1);
    ck_assert_int_eq(sb_safetensors_read(f, t, 0, 1, &back), SB_OK);
    ck_assert_int_eq(sb_safetensors_read_bf16(f, t, 0, 1, &one2), SB_OK);
    ck_assert(back == 1.5f && sb_bf16_to_f32(one2) == 1.5f);
    ck_assert_int_eq(sb_safetensors_find(f, "none")->n_values, 0);
    ck_assert_int_eq(sb_safetensors_read(f, sb_safetensors_find(f, "none"), 0, 0, x2), SB_OK);
    /* past the end, and other dtypes as bf16 */
    ck_assert_int_eq(sb_safetensors_read(f, t, 1, 1, &back), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_safetensors_read(f, t, -1, 1, &back), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_safetensors_read(f, t, INT64_MAX, 1, &back), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_safetensors_read_bf16(f, sb_safetensors_find(f, "ptr"), 0, 1, x2),
                     SB_ERR_USAGE);
    sb_safetensors_close(f);
    sb_safetensors_close(NULL);
}
END_TEST

/* Blanks behind the JSON, tensors out of order, a sub-byte-free file of nothing. */
START_TEST(odd_but_sound_files)
{
    static const char *const headers[] = {
        "{}",
        "  {\n}  ",
        "{" TENSOR("b", "F32", "[2]", "4", "12") "," TENSOR("a", "U8", "[2,2]", "0", "4") "}",
        "{\"__metadata__\":{}," TENSOR("s", "F8_E4M3", "[]", "0", "1") "}",
        "{" TENSOR("x", "I8", "[0]", "0", "0") "," TENSOR("y", "I8", "[0,99999999999]", "0",
                                                          "0") "}",
        "{" TENSOR("\\u00e9\\u001b", "BOOL", "[3]", "0", "3") "}"};
    static const size_t bytes[] = {0, 0, 12, 1, 0, 3};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        sb_safetensors *f = NULL;
        files_write(files_path("odd"), -1, headers[i], data, bytes[i]);
        ck_assert_msg(sb_safetensors_open(files_path("odd"), &f) == SB_OK, "%s: %s", headers[i],
                      sb_error_text());
        sb_safetensors_close(f);
    }
}
END_TEST

/* ---- hostile files ---- */

typedef struct bad_file {
    const char *name; /* in the error */
    int64_t     n;    /* stated header length, -1: true */
    const char *header;
    size_t      bytes;
} bad_file;

#define X(begin, end) TENSOR("x", "F32", "[2]", begin, end)
static const bad_file bad[] = {
    {"allowed a safetensors file of at least 8", 0, NULL, 0},
    {"allowed a safetensors file of at least 8", 0, NULL, 7},
    {"header of 100 bytes in a file of 10", 100, "{}", 0},
    {"allowed at most 33554432", (int64_t)1 << 40, "{}", 0},
    {"allowed at most 33554432", INT64_MAX, "{}", 0},
    {"no JSON", 0, "", 0},
    {"no JSON", -1, "{", 0},
    {"no JSON", -1, "{\"x\":NaN}", 0},
    {"no JSON", -1, "{\"x\":Infinity}", 0},
    {"no JSON", -1, "{\"\\ud800\":1}", 0},
    {"no JSON", -1, "{\"a\\u0000b\":{}}", 0},
    {"no JSON", -1, "{\"\xff\":1}", 0},
    {"no JSON", -1, "{}x", 0},
    {"no mapping, allowed one of tensors", -1, "[]", 0},
    {"duplicate object key", -1, "{" X("0", "8") "," X("0", "8") "}", 8},
    {"duplicate object key", -1,
     "{\"x\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8},
    {"tensor `x`: found no mapping", -1, "{\"x\":7}", 0},
    {"tensor `x`: found no mapping", -1, "{\"x\":null}", 0},
    {"found dtype nothing", -1, "{\"x\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8},
    {"found dtype nothing", -1, "{\"x\":{\"dtype\":32,\"shape\":[2],\"data_offsets\":[0,8]}}", 8},
    {"found dtype F33", -1, "{" TENSOR("x", "F33", "[2]", "0", "8") "}", 8},
    {"found dtype \\x1b[31mF32", -1, "{" TENSOR("x", "\\u001b[31mF32", "[2]", "0", "8") "}", 8},
    {"found no shape", -1, "{\"x\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8},
    {"found no shape", -1, "{" TENSOR("x", "F32", "2", "0", "8") "}", 8},
    {"too many dimensions", -1, "{" TENSOR("x", "F32", "[1,1,1,1,1,1,1,1,2]", "0", "8") "}", 8},
    {"dimension 0 of its shape", -1, "{" TENSOR("x", "F32", "[-2]", "0", "8") "}", 8},
    {"dimension 1 of its shape", -1, "{" TENSOR("x", "F32", "[2,1.0]", "0", "8") "}", 8},
    {"dimension 0 of its shape", -1, "{" TENSOR("x", "F32", "[\"2\"]", "0", "8") "}", 8},
    {"more than 2^63 values", -1, "{" TENSOR("x", "F32", "[4294967296,4294967296]", "0", "8") "}",
     8},
    {"more than 2^63 values", -1, "{" TENSOR("x", "F32", "[9223372036854775807,2]", "0", "8") "}",
     8},
    {"8 bytes for 2305843009213693954 values", -1,
     "{" TENSOR("x", "F64", "[2305843009213693954]", "0", "8") "}", 8},
    {"8 bytes for 9223372036854775807 values", -1,
     "{" TENSOR("x", "F32", "[9223372036854775807]", "0", "8") "}", 8},
    {"too big integer", -1, "{" TENSOR("x", "F32", "[9223372036854775808]", "0", "8") "}", 8},
    {"no data_offsets", -1, "{\"x\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8},
    {"no data_offsets", -1, "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8},
    {"no data_offsets", -1, "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,9]}}",
     8},
    {"no data_offsets", -1, "{" X("-8", "0") "}", 8},
    {"no data_offsets", -1, "{" X("0", "8.0") "}", 8},
    {"found data_offsets 8 to 0", -1, "{" X("8", "0") "}", 8},
    {"found data_offsets 0 to 8", -1, "{" X("0", "8") "}", 7},
    {"found data_offsets 9223372036854775799 to 9223372036854775807", -1,
     "{" X("9223372036854775799", "9223372036854775807") "}", 8},
    {"found 4 bytes for 2 values", -1, "{" X("0", "4") "}", 4},
    {"found 12 bytes for 2 values", -1, "{" X("0", "12") "}", 12},
    {"`y` overlap", -1, "{" X("0", "8") "," TENSOR("y", "U8", "[4]", "6", "10") "}", 10},
    {"overlap", -1, "{" X("0", "8") "," TENSOR("y", "F32", "[2]", "0", "8") "}", 8},
    {"4 bytes before tensor `y`", -1, "{" X("0", "8") "," TENSOR("y", "U8", "[4]", "12", "16") "}",
     16},
    {"1 bytes before tensor `x`", -1, "{" X("1", "9") "}", 9},
    {"3 bytes behind the last tensor", -1, "{" X("0", "8") "}", 11},
    {"5 bytes behind the last tensor", -1, "{}", 5},
    {"found `strides`", -1,
     "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"strides\":[1]}}", 8},
    {"__metadata__: found no mapping", -1, "{\"__metadata__\":[]}", 0},
    {"__metadata__ `k`: found no text", -1, "{\"__metadata__\":{\"k\":{}}}", 0},
};

START_TEST(hostile_file_is_refused)
{
    const bad_file *b    = &bad[_i];
    const char     *path = files_path("bad.safetensors");
    sb_safetensors *f    = NULL;
    if (b->header == NULL)
        files_write_bytes(path, data, b->bytes);
    else
        files_write(path, b->n, b->header, data, b->bytes);
    ck_assert_int_eq(sb_safetensors_open(path, &f), SB_ERR_USAGE);
    ck_assert_ptr_null(f);
    ck_assert_msg(strstr(sb_error_text(), b->name) != NULL, "wanted %s in: %s", b->name,
                  sb_error_text());
    ck_assert_int_eq(strncmp(sb_error_text(), path, strlen(path)), 0);
}
END_TEST

START_TEST(paths_that_are_no_file)
{
    sb_safetensors *f = NULL;
    ck_assert_int_eq(sb_safetensors_open(files_path("none"), &f), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "/none: No such file"));
    ck_assert_int_eq(sb_safetensors_open("/tmp", &f), SB_ERR_USAGE);
    ck_assert_int_eq(mkfifo(files_path("fifo"), 0600), 0);
    ck_assert_int_eq(sb_safetensors_open(files_path("fifo"), &f), SB_ERR_USAGE);
    ck_assert_int_eq(sb_safetensors_open("/dev/zero", &f), SB_ERR_USAGE);
    ck_assert_ptr_null(f);
}
END_TEST

/* What costs a careless parser stack or time: header-sized repetitions. */
START_TEST(a_long_header_of_anything_ends)
{
    static const char *const units[] = {"[", "{\"a\":", "\"", "0", " ", "{\"a\":{},", "[[],"};
    const size_t             n       = 2 << 20;
    char                    *text    = malloc(n + 1);
    sb_safetensors          *f       = NULL;
    for (size_t i = 0; i < n; i++)
        text[i] = units[_i][i % strlen(units[_i])];
    text[n] = '\0';
    files_write(files_path("long"), -1, text, data, 0);
    ck_assert_int_eq(sb_safetensors_open(files_path("long"), &f), SB_ERR_USAGE);
    ck_assert_ptr_null(f);
    free(text);
}
END_TEST

START_TEST(a_file_cut_after_it_was_opened_is_an_error_not_a_signal)
{
    sb_safetensors *f = NULL;
    float           x[2];
    files_write(files_path("cut"), -1, "{" X("0", "8") "}", data, 8);
    ck_assert_int_eq(sb_safetensors_open(files_path("cut"), &f), SB_OK);
    ck_assert_int_eq(truncate(files_path("cut"), 20), 0);
    ck_assert_int_eq(sb_safetensors_read(f, &f->tensors[0], 0, 2, x), SB_ERR_IO);
    ck_assert_ptr_nonnull(
        strstr(sb_error_text(), "cut: tensor `x`: it has been cut: nothing at byte "));
    sb_safetensors_close(f);
}
END_TEST

/* ---- damage ---- */

static uint64_t state = 12345;
static uint32_t draw(uint32_t below)
{
    state = sb_mix(state);
    return (uint32_t)(state >> 33) % below;
}

/* Whatever a damaged file opens as, every tensor lies inside it and can be read. */
static void read_everything(const sb_safetensors *f, int64_t file_bytes)
{
    for (int64_t i = 0; i < f->n_tensors; i++) {
        const sb_file_tensor *t     = &f->tensors[i];
        int64_t               bytes = t->n_values * sb_file_dtype_bytes(t->dtype);
        ck_assert(t->offset_bytes >= 8 && bytes >= 0 && t->offset_bytes + bytes <= file_bytes);
        void *room = malloc((size_t)bytes + 1);
        ck_assert_int_eq(sb_safetensors_read(f, t, 0, t->n_values, room), SB_OK);
        free(room);
    }
}

START_TEST(damaged_files_are_sound_or_refused)
{
    static const char good[] =
        "{\"__metadata__\":{\"k\":\"v\"}," TENSOR("q", "F16", "[1,2,4]", "0", "16") "," TENSOR(
            "k", "BF16", "[2,4]", "16", "32") "," TENSOR("v", "F32", "[3]", "32", "44") "}      ";
    const char *path = files_path("damaged");
    size_t      n    = 0;
    int         fine = 0, refused = 0;
    time_t      start = time(NULL);
    files_write(path, -1, good, data, 44);
    char *whole = files_read(path, &n);
    char  text[1024];
    for (int i = 0; i < 6000 && (i < 1500 || time(NULL) - start < 2); i++) {
        size_t          m = n;
        sb_safetensors *f = NULL;
        memcpy(text, whole, n);
        for (uint32_t left = draw(4) + 1; left > 0; left--) {
            size_t at = draw((uint32_t)m), len = draw(9) + 1, to = draw((uint32_t)m);
            switch (draw(5)) {
            case 0:
                text[at] = (char)draw(256);
                break;
            case 1:
                text[at] = "0123456789[]{},:\"- "[draw(19)];
                break;
            case 2:
                m = at + 1; /* cut short */
                break;
            case 3:
                if (at + len < m && to + len < m)
                    memmove(text + to, text + at, len);
                break;
            default:
                text[at] = (char)(text[at] ^ (1 << draw(8)));
            }
        }
        files_write_bytes(path, text, m);
        sb_status st = sb_safetensors_open(path, &f);
        if (st == SB_OK) {
            read_everything(f, (int64_t)m);
            fine++;
        } else {
            ck_assert_msg(st == SB_ERR_USAGE, "%s", sb_error_text());
            ck_assert_ptr_null(f);
            for (const char *s = sb_error_text(); *s != '\0'; s++)
                if ((unsigned char)*s < 0x20 || *s == 0x7f)
                    ck_abort_msg("a control character in: %s", sb_error_text());
            refused++;
        }
        sb_safetensors_close(f);
    }
    ck_assert_int_gt(fine, 0);
    ck_assert_int_gt(refused, fine);
    free(whole);
}
END_TEST

/* ---- conversions ---- */

START_TEST(every_half_converts_exactly)
{
    int wrong = 0;
    for (uint32_t h = 0; h < 65536; h++) {
        uint32_t e = (h >> 10) & 31, m = h & 1023;
        double   want = e == 0    ? ldexp(m, -24)
                        : e == 31 ? (m == 0 ? INFINITY : NAN)
                                  : ldexp(1024 + m, (int)e - 25);
        float    got  = sbi_f16_to_f32((uint16_t)h);
        want          = h & 0x8000 ? -want : want;
        wrong += isnan(want) ? !isnan(got) : (double)got != want || !signbit(got) != !signbit(want);
    }
    ck_assert_int_eq(wrong, 0);
}
END_TEST

START_TEST(floats_round_to_nearest_even)
{
    static const float in[]   = {1.0f,       0x1.01p0f, 0x1.03p0f, 0x1.010002p0f,
                                 -0x1.03p0f, 3.4e38f,   0x1p-149f};
    static const float want[] = {
        1.0f, 1.0f, 0x1.04p0f, 0x1.02p0f, -0x1.04p0f, 0x1.fep127f + 0x1p120f, 0.0f};
    sb_bf16       out[7];
    unsigned char shifted[7 * 4 + 1]; /* files align nothing */
    memcpy(shifted + 1, in, sizeof in);
    sbi_f32_to_bf16(shifted + 1, 7, out);
    for (int i = 0; i < 7; i++)
        ck_assert_msg(i == 5 ? isinf(sb_bf16_to_f32(out[i])) || out[i] == 0x7f7f
                             : sb_bf16_to_f32(out[i]) == want[i],
                      "%d: %g", i, (double)sb_bf16_to_f32(out[i]));
}
END_TEST

/* ---- failing writes ---- */

START_TEST(a_write_that_fails_leaves_the_old_file)
{
    static const sb_file_spec spec = {"x", SB_FILE_U8, 1, {4000}};
    char                      path[128];
    struct rlimit             limit      = {0}, old;
    char                      room[4000] = {0};
    size_t                    n = 0, n2 = 0;
    sb_safetensors_out       *o = NULL;
    (void)strcpy(path, files_path("full.safetensors"));
    ck_assert_int_eq(sb_safetensors_create(path, &spec, 1, NULL, 0, &o), SB_OK);
    ck_assert_int_eq(sb_safetensors_write(o, room, 4000), SB_OK);
    ck_assert_int_eq(sb_safetensors_commit(o), SB_OK);
    char *before = files_read(path, &n);
    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (rlim_t size = 0; size < 4200; size += size < 140 ? 1 : 997) { /* header, then data */
        limit          = old;
        limit.rlim_cur = size;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        sb_status st = sb_safetensors_create(path, &spec, 1, NULL, 0, &o);
        if (st == SB_OK && (st = sb_safetensors_write(o, room, 4000)) != SB_OK)
            sb_safetensors_abandon(o);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
        ck_assert_int_eq(st, size < 4128 ? SB_ERR_IO : SB_OK);
        if (st == SB_OK)
            ck_assert_int_eq(sb_safetensors_commit(o), SB_OK);
        else
            ck_assert_ptr_nonnull(strstr(sb_error_text(), "full.safetensors.tmp: "));
        ck_assert_int_ne(access(files_path("full.safetensors.tmp"), F_OK), 0);
        char *after = files_read(path, &n2);
        ck_assert(n2 == n && memcmp(before, after, n) == 0);
        free(after);
    }
    free(before);
}
END_TEST

START_TEST(wrong_use_of_the_writer_is_told)
{
    static const sb_file_spec two[] = {{"x", SB_FILE_U8, 1, {4}}, {"x", SB_FILE_U8, 1, {4}}};
    static const sb_file_spec odd   = {"\xff", SB_FILE_U8, 1, {4}};
    sb_safetensors_out       *o     = NULL;
    const char               *path  = files_path("wrong");
    ck_assert_int_eq(sb_safetensors_create(path, two, 2, NULL, 0, &o), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_safetensors_create(path, &odd, 1, NULL, 0, &o), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_safetensors_create(files_path("no/such/dir"), two, 1, NULL, 0, &o),
                     SB_ERR_IO);
    ck_assert_ptr_null(o);
    ck_assert_int_eq(sb_safetensors_create(path, two, 1, NULL, 0, &o), SB_OK);
    ck_assert_int_eq(sb_safetensors_write(o, "12345", 5),
                     SB_ERR_INTERNAL); /* more than announced */
    ck_assert_int_eq(sb_safetensors_write(o, "123", 3), SB_OK);
    ck_assert_int_eq(sb_safetensors_commit(o), SB_ERR_INTERNAL); /* fewer */
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_ne(access(files_path("wrong.tmp"), F_OK), 0);
    sb_safetensors_abandon(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("safetensors");
    TCase *t = tcase_create("files");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_is_written_reads_back);
    tcase_add_test(t, odd_but_sound_files);
    tcase_add_loop_test(t, hostile_file_is_refused, 0, sizeof bad / sizeof *bad);
    tcase_add_test(t, paths_that_are_no_file);
    tcase_add_loop_test(t, a_long_header_of_anything_ends, 0, 7);
    tcase_add_test(t, a_file_cut_after_it_was_opened_is_an_error_not_a_signal);
    tcase_add_test(t, damaged_files_are_sound_or_refused);
    tcase_add_test(t, every_half_converts_exactly);
    tcase_add_test(t, floats_round_to_nearest_even);
    tcase_add_test(t, a_write_that_fails_leaves_the_old_file);
    tcase_add_test(t, wrong_use_of_the_writer_is_told);
    suite_add_tcase(s, t);
    (void)files_path(""); /* made here, so that forked tests share it */
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    files_clean();
    return failures != 0;
}

/* The GGUF reader: what it takes, and a crafted file for each thing it refuses [models 4, 11]. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "harness/model/checkpoint/gguf.h"
#include "tests/unit/harness/model/checkpoint/bytes.h"
#include "tests/unit/harness/model/checkpoint/tiny.h"

/* What a file of one key and one tensor [2][32] is made from; a test changes some of it. */
typedef struct craft {
    const char *magic, *name;
    uint32_t    version, type;
    uint64_t    n_tensors, n_keys, offset, data_bytes;
    int         n_dims;
    int64_t     ne[5];
    void (*keys)(bytes *b);
    const char *second; /* name of a second tensor of the same shape behind the first; NULL */
} craft;

static const craft sound = {.magic      = "GGUF",
                            .name       = "w",
                            .version    = 3,
                            .type       = 8, /* Q8_0 */
                            .n_tensors  = 1,
                            .n_keys     = 1,
                            .data_bytes = 96, /* 68, padded */
                            .n_dims     = 2,
                            .ne         = {32, 2}};

static void one_key(bytes *b) { put_u32_key(b, "x.number", 7); }

static void make(const craft *c, bytes *b)
{
    put(b, c->magic, 4);
    put_uint(b, 4, c->version);
    put_uint(b, 8, c->n_tensors);
    put_uint(b, 8, c->n_keys);
    (c->keys != NULL ? c->keys : one_key)(b);
    put_tensor(b, c->name, c->n_dims, c->ne, c->type, c->offset);
    if (c->second != NULL)
        put_tensor(b, c->second, c->n_dims, c->ne, c->type, c->offset + 96);
    put_pad(b, 32);
    for (uint64_t i = 0; i < c->data_bytes; i++)
        put_uint(b, 1, i % 34 == 1 ? 0x3c : 1);
    bytes_trim(b);
}

/* The bytes stay until the next call. */
static sb_status open_craft(const craft *c, sb_gguf **g)
{
    static bytes b;
    bytes_free(&b);
    make(c, &b);
    *g = NULL;
    return sb_gguf_open_bytes("crafted", b.data, b.n, g);
}

static void refused(const craft *c, sb_status want, const char *text)
{
    sb_gguf *g;
    ck_assert_int_eq(open_craft(c, &g), want);
    ck_assert_msg(strstr(sb_error_text(), text) != NULL, "`%s` not in `%s`", text, sb_error_text());
    ck_assert_msg(strncmp(sb_error_text(), "crafted: ", 9) == 0, "%s", sb_error_text());
}

START_TEST(a_sound_file)
{
    sb_gguf *g;
    int64_t  v = 0;
    ck_assert_msg(open_craft(&sound, &g) == SB_OK, "%s", sb_error_text());
    const sb_gguf_tensor *t = sb_gguf_find_tensor(g, "w");
    ck_assert_ptr_nonnull(t);
    ck_assert(t->type == SB_BLOCK_Q8_0 && t->n_values == 64 && t->bytes == 68 && t->ne[0] == 32 &&
              t->ne[1] == 2 && t->ne[2] == 1);
    ck_assert_uint_eq(t->data[1], 0x3c);
    ck_assert_ptr_null(sb_gguf_find_tensor(g, "v"));
    ck_assert_ptr_null(sb_gguf_find_key(g, "x.numbe"));
    ck_assert_int_eq(sb_gguf_int(g, "x.number", 0, 7, &v), SB_OK);
    ck_assert_int_eq(v, 7);
    sb_gguf_close(g);
    craft two      = sound; /* v2 has the same layout; the last padding may be missing */
    two.version    = 2;
    two.data_bytes = 68;
    ck_assert_int_eq(open_craft(&two, &g), SB_OK);
    sb_gguf_close(g);
}
END_TEST

#define REFUSE(status, text, change)                                                               \
    do {                                                                                           \
        craft c = sound;                                                                           \
        change;                                                                                    \
        refused(&c, status, text);                                                                 \
    } while (0)

START_TEST(headers_that_are_refused)
{
    REFUSE(SB_ERR_USAGE, "is it a GGUF file", c.magic = "GGML");
    REFUSE(SB_ERR_UNSUPPORTED, "32-bit lengths", c.version = 1);
    REFUSE(SB_ERR_UNSUPPORTED, "version 4", c.version = 4);
    REFUSE(SB_ERR_UNSUPPORTED, "big-endian", c.version = 3u << 24);
    REFUSE(SB_ERR_USAGE, "keys and", c.n_keys = UINT64_MAX);
    REFUSE(SB_ERR_USAGE, "keys and", c.n_keys = 1000);
    REFUSE(SB_ERR_USAGE, "tensors, the file has", c.n_tensors = (uint64_t)1 << 63);
    REFUSE(SB_ERR_USAGE, "tensors, the file has", c.n_tensors = 1000);
}
END_TEST

START_TEST(tensors_that_are_refused)
{
    char long_name[65];
    memset(long_name, 'n', 64);
    long_name[64] = '\0';
    REFUSE(SB_ERR_USAGE, "64 bytes, allowed 1 to 63", c.name = long_name);
    REFUSE(SB_ERR_USAGE, "0 bytes, allowed 1 to 63", c.name = "");
    REFUSE(SB_ERR_USAGE, "5 dimensions", c.n_dims = 5);
    REFUSE(SB_ERR_USAGE, "0 dimensions", c.n_dims = 0);
    REFUSE(SB_ERR_USAGE, "a dimension of 0", c.ne[1] = 0);
    REFUSE(SB_ERR_USAGE, "a dimension of 18446744073709551615", c.ne[1] = -1);
    REFUSE(SB_ERR_USAGE, "more than 2^63 values", c.ne[1] = INT64_MAX);
    REFUSE(SB_ERR_USAGE, "more than 2^63 bytes", (c.type = 0, c.ne[1] = INT64_MAX / 64));
    REFUSE(SB_ERR_UNSUPPORTED, "type 4", c.type = 4);
    REFUSE(SB_ERR_UNSUPPORTED, "type 10", c.type = 10); /* Q2_K */
    REFUSE(SB_ERR_USAGE, "multiples of 32 for Q8_0", c.ne[0] = 33);
    REFUSE(SB_ERR_USAGE, "multiples of 256 for Q4_K", c.type = 12);
    REFUSE(SB_ERR_USAGE, "`w`: found twice", (c.n_tensors = 2, c.second = "w", c.data_bytes = 192));
    REFUSE(SB_ERR_USAGE, "where the one before ends", c.offset = 32);
    REFUSE(SB_ERR_USAGE, "is it cut short", c.data_bytes = 67);
    REFUSE(SB_ERR_USAGE, "is it cut short",
           (c.n_tensors = 2, c.second = "v", c.data_bytes = 96 + 67));
}
END_TEST

static void key_empty(bytes *b) { put_u32_key(b, "", 7); }
static void key_twice(bytes *b)
{
    put_u32_key(b, "x.same", 7);
    put_u32_key(b, "x.same", 8);
}
static void key_type(bytes *b) { put_key(b, "x.odd", 13); }
static void key_bool(bytes *b)
{
    put_key(b, "x.flag", 7);
    put_uint(b, 1, 2);
}
static void key_bools(bytes *b)
{
    put_key(b, "x.flags", 9);
    put_uint(b, 4, 7);
    put_uint(b, 8, 2);
    put_uint(b, 2, 0x0201);
}
static void key_text(bytes *b)
{
    put_key(b, "x.text", 8);
    put_uint(b, 8, UINT64_MAX);
}
static void key_array(bytes *b)
{
    put_key(b, "x.list", 9);
    put_uint(b, 4, 5);
    put_uint(b, 8, (uint64_t)1 << 62);
}
static void key_texts(bytes *b)
{
    put_key(b, "x.texts", 9);
    put_uint(b, 4, 8);
    put_uint(b, 8, 3);
    put_text(b, "a");
    put_uint(b, 8, 1 << 20);
}
static void key_nested(bytes *b)
{
    put_key(b, "x.lists", 9);
    put_uint(b, 4, 9);
    put_uint(b, 8, 1);
}
static void key_split(bytes *b)
{
    put_key(b, "split.count", 2);
    put_uint(b, 2, 3);
}
static void align_0(bytes *b) { put_u32_key(b, "general.alignment", 0); }
static void align_48(bytes *b) { put_u32_key(b, "general.alignment", 48); }
static void align_u64(bytes *b)
{
    put_key(b, "general.alignment", 10);
    put_uint(b, 8, 32);
}
static void align_64(bytes *b) { put_u32_key(b, "general.alignment", 64); }

START_TEST(keys_that_are_refused)
{
    REFUSE(SB_ERR_USAGE, "name of 0 bytes", c.keys = key_empty);
    REFUSE(SB_ERR_USAGE, "`x.same`: found twice", (c.keys = key_twice, c.n_keys = 2));
    REFUSE(SB_ERR_USAGE, "`x.odd`: found type 13", c.keys = key_type);
    REFUSE(SB_ERR_USAGE, "`x.flag`: found a bool of 2", c.keys = key_bool);
    REFUSE(SB_ERR_USAGE, "`x.flags`: found a bool of 2", c.keys = key_bools);
    REFUSE(SB_ERR_USAGE, "`x.text`: 18446744073709551615 bytes", c.keys = key_text);
    REFUSE(SB_ERR_USAGE, "`x.list`: found an array of 4611686018427387904", c.keys = key_array);
    REFUSE(SB_ERR_USAGE, "`x.texts`: 1048576 bytes wanted", c.keys = key_texts);
    REFUSE(SB_ERR_UNSUPPORTED, "`x.lists`: found an array of arrays", c.keys = key_nested);
    REFUSE(SB_ERR_UNSUPPORTED, "one of 3 files", c.keys = key_split);
    REFUSE(SB_ERR_USAGE, "allowed a power of two", c.keys = align_0);
    REFUSE(SB_ERR_USAGE, "found 48", c.keys = align_48);
    REFUSE(SB_ERR_USAGE, "32-bit unsigned", c.keys = align_u64);
    craft    wide = sound;
    sb_gguf *g;
    wide.keys = align_64; /* the header ends before byte 128: padded to it by 32 and by 64 */
    ck_assert_msg(open_craft(&wide, &g) == SB_OK, "%s", sb_error_text());
    sb_gguf_close(g);
}
END_TEST

static void all_types(bytes *b)
{
    static const double d = 2.5;
    static const struct {
        uint32_t type;
        int      size;
        uint64_t v;
    } ints[]     = {{0, 1, 200},    {1, 1, 0xff},        {2, 2, 60000},
                    {3, 2, 0xfffe}, {4, 4, 4000000000u}, {5, 4, 0xfffffffd},
                    {7, 1, 1},      {10, 8, UINT64_MAX}, {11, 8, UINT64_MAX - 3}};
    char name[3] = "i0";
    for (size_t i = 0; i < 9; i++, name[1]++) {
        put_key(b, name, ints[i].type);
        put_uint(b, ints[i].size, ints[i].v);
    }
    put_f32_key(b, "f", 1.5f);
    put_key(b, "d", 12);
    put(b, &d, sizeof d);
    put_text_key(b, "t", "text");
    put_key(b, "nul", 8);
    put_uint(b, 8, 3);
    put(b, "a\0b", 3);
    put_key(b, "same", 9);
    put_uint(b, 4, 5);
    put_uint(b, 8, 2);
    put_uint(b, 4, 9);
    put_uint(b, 4, 9);
    put_key(b, "differ", 9);
    put_uint(b, 4, 5);
    put_uint(b, 8, 2);
    put_uint(b, 4, 9);
    put_uint(b, 4, 8);
}

START_TEST(values_of_keys)
{
    static const int64_t want[] = {200, -1, 60000, -2, 4000000000, -3, 1, 0, -4};
    craft                c      = sound;
    sb_gguf             *g;
    char                 name[3] = "i0", *text = NULL;
    int64_t              v;
    double               r;
    c.keys   = all_types;
    c.n_keys = 15;
    ck_assert_msg(open_craft(&c, &g) == SB_OK, "%s", sb_error_text());
    for (int i = 0; i < 9; i++, name[1]++) {
        v = -77;
        if (i == 7) { /* 2^64 - 1 is above every range */
            ck_assert_int_eq(sb_gguf_int(g, name, INT64_MIN, INT64_MAX, &v), SB_ERR_USAGE);
            ck_assert_int_eq(v, -77);
            continue;
        }
        ck_assert_msg(sb_gguf_int(g, name, INT64_MIN, INT64_MAX, &v) == SB_OK, "%s",
                      sb_error_text());
        ck_assert_int_eq(v, want[i]);
    }
    ck_assert_int_eq(sb_gguf_int(g, "i0", 1, 199, &v), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "`i0`: found 200, allowed 1 to 199"));
    ck_assert_int_eq(sb_gguf_int(g, "i5", 1, 9, &v), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "found -3"));
    ck_assert_int_eq(sb_gguf_int(g, "none", 1, 9, &v), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "`none` is missing"));
    ck_assert_int_eq(sb_gguf_int(g, "t", 1, 9, &v), SB_ERR_USAGE);
    ck_assert_int_eq(sb_gguf_int(g, "f", 1, 9, &v), SB_ERR_USAGE);
    ck_assert_int_eq(sb_gguf_int(g, "same", 1, 9, &v), SB_OK);
    ck_assert_int_eq(v, 9);
    ck_assert_int_eq(sb_gguf_int(g, "differ", 1, 9, &v), SB_ERR_UNSUPPORTED);
    ck_assert(sb_gguf_real(g, "f", &r) == SB_OK && r == 1.5);
    ck_assert(sb_gguf_real(g, "d", &r) == SB_OK && r == 2.5);
    ck_assert_int_eq(sb_gguf_real(g, "i0", &r), SB_ERR_USAGE);
    ck_assert_int_eq(sb_gguf_text(g, "t", &text), SB_OK);
    ck_assert_str_eq(text, "text");
    free(text);
    ck_assert_int_eq(sb_gguf_text(g, "nul", &text), SB_ERR_USAGE);
    ck_assert_int_eq(sb_gguf_text(g, "i0", &text), SB_ERR_USAGE);
    sb_gguf_close(g);
}
END_TEST

/* Cut at every byte: never sound before the last byte of the last tensor. */
START_TEST(truncation_at_every_byte)
{
    bytes b = {0};
    make(&sound, &b);
    size_t whole = b.n - (96 - 68);
    for (size_t n = 0; n <= b.n; n++) {
        unsigned char *own = malloc(n > 0 ? n : 1);
        sb_gguf       *g   = NULL;
        memcpy(own, b.data, n);
        ck_assert_int_eq(sb_gguf_open_bytes("cut", own, n, &g) == SB_OK, n >= whole);
        sb_gguf_close(g);
        free(own);
    }
    bytes_free(&b);
}
END_TEST

START_TEST(files_that_are_none)
{
    sb_gguf *g = NULL;
    ck_assert_int_eq(sb_gguf_open("/nonexistent.gguf", &g), SB_ERR_USAGE);
    ck_assert_int_eq(sb_gguf_open("/tmp", &g), SB_ERR_USAGE);
    const char *path = tiny_path("empty.gguf");
    tiny_write(path, "", 0);
    ck_assert_int_eq(sb_gguf_open(path, &g), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "an empty file"));
    ck_assert_ptr_null(g);
    tiny_clean();
}
END_TEST

int main(void)
{
    Suite   *s  = suite_create("gguf");
    TCase   *tc = tcase_create("reader");
    SRunner *sr;
    int      failed;
    tcase_add_test(tc, a_sound_file);
    tcase_add_test(tc, headers_that_are_refused);
    tcase_add_test(tc, tensors_that_are_refused);
    tcase_add_test(tc, keys_that_are_refused);
    tcase_add_test(tc, values_of_keys);
    tcase_add_test(tc, truncation_at_every_byte);
    tcase_add_test(tc, files_that_are_none);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}

/* Seeded mutations of sound tokenizer files through the fuzzer's entry: nothing crashes, leaks or
 * hangs, whatever stands in the file. Bytes are changed anywhere; in JSON also whole values, which
 * gets past the parser. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/common.h"
#include "tests/unit/workloads/tokenizer/case.h"
#include "tests/unit/workloads/tokenizer/gguf_file.h"

#define ROUNDS 1500

static uint64_t state;

static size_t below(size_t n) { return n == 0 ? 0 : (size_t)(next_random(&state) % n); }

/* A copy of exactly its size, so that the sanitizer sees one byte too many. */
static void feed(const unsigned char *data, size_t n)
{
    unsigned char *own = malloc(n > 0 ? n : 1);
    ck_assert_ptr_nonnull(own);
    memcpy(own, data, n);
    ck_assert_int_eq(LLVMFuzzerTestOneInput(own, n), 0);
    free(own);
}

/* One to six changes: bits, bytes, numbers with all bits set or one, pieces moved, cut out,
 * doubled. */
static size_t mutate(unsigned char *d, size_t n, size_t room)
{
    static const unsigned char odd[][8] = {{0},
                                           {255, 255, 255, 255, 255, 255, 255, 255},
                                           {0, 0, 0, 0, 0, 0, 0, 128},
                                           {255, 255, 255, 255},
                                           {1},
                                           {0, 0, 1},
                                           {9},
                                           {0, 0, 0, 128}};
    for (size_t k = 1 + below(6); k > 0 && n > 16; k--) {
        size_t at = below(n - 8), len = 1 + below(n - at < 40 ? n - at : 40), to = below(n - len);
        switch (below(7)) {
        case 0:
            d[at] ^= (unsigned char)(1u << below(8));
            break;
        case 1:
            d[at] = (unsigned char)next_random(&state);
            break;
        case 2:
            memcpy(d + at, odd[below(8)], below(2) == 0 ? 4 : 8);
            break;
        case 3:
            memmove(d + to, d + at, len);
            break;
        case 4:
            memmove(d + at, d + at + len, n - at - len);
            n -= len;
            break;
        case 5:
            if (n + len <= room) {
                memmove(d + at + len, d + at, n - at);
                n += len;
            }
            break;
        default:
            n = below(20) == 0 ? at : n;
        }
    }
    return n;
}

#define JSON_FILES 6 /* the others are no JSON */
static const char *const seed_file[] = {
    FIXTURES "gpt2.json",     FIXTURES "llama3.json",   FIXTURES "qwen2.json",
    FIXTURES "smollm.json",   FIXTURES "sp_llama.json", FIXTURES "sp_words.json",
    FIXTURES "sp_llama.gguf", FIXTURES "sp_gemma.gguf", FIXTURES "sp_mistral.model"};

START_TEST(json_bytes)
{
    enum { ROOM = 32768 };
    unsigned char *seed = malloc(ROOM), *d = malloc(ROOM);
    FILE          *f = fopen(seed_file[_i], "rb");
    size_t         n;
    ck_assert(seed != NULL && d != NULL && f != NULL);
    n = fread(seed, 1, ROOM, f);
    (void)fclose(f);
    state = 100 + (uint64_t)_i;
    feed(seed, n);
    for (int r = 0; r < ROUNDS / 3; r++) {
        memcpy(d, seed, n);
        feed(d, mutate(d, n, ROOM));
    }
    for (size_t cut = 0; cut < n; cut += 97)
        feed(seed, cut);
    free(seed);
    free(d);
}
END_TEST

START_TEST(gguf_bytes)
{
    static const char *const pre[] = {"gpt-2", "llama-bpe", "qwen2", "smollm"};
    static gguf_file         g, d;
    state = 200 + (uint64_t)_i;
    gguf_small(&g, "gpt2", pre[_i], _i == 2 ? G_ADD_BOS : 0);
    feed(g.data, g.n);
    for (int r = 0; r < ROUNDS; r++) {
        d = g;
        feed(d.data, mutate(d.data, d.n, sizeof d.data));
    }
}
END_TEST

static json_t *any_value(void)
{
    switch (below(16)) {
    case 0:
        return json_null();
    case 1:
        return json_true();
    case 2:
        return json_false();
    case 3:
        return json_integer(0);
    case 4:
        return json_integer(-1);
    case 5:
        return json_integer((json_int_t)below(300));
    case 6:
        return json_integer(INT64_MAX);
    case 7:
        return json_real(0.5);
    case 8:
        return json_string("");
    case 9:
        return json_string("a b");
    case 10:
        return json_string("<|end|>");
    case 11:
        return json_string("\xC3\xA9\xF0\x9F\x98\x80 \xC4\xA0");
    case 12:
        return json_array();
    case 13:
        return json_object();
    case 14:
        return json_pack("[s,s]", "a", "b");
    default:
        return json_pack("{s:s,s:i}", "type", "ByteLevel", "id", 3);
    }
}

/* Goes down from v by chance and replaces, removes or adds what it ends at. */
static void change_value(json_t *v)
{
    for (int depth = 0; depth < 8; depth++) {
        size_t      n = json_is_object(v) ? json_object_size(v) : json_array_size(v), at = below(n);
        json_t     *kid;
        const char *key = NULL;
        if (n == 0)
            return;
        if (json_is_object(v)) {
            void *it = json_object_iter(v);
            while (at-- > 0)
                it = json_object_iter_next(v, it);
            key = json_object_iter_key(it);
            kid = json_object_iter_value(it);
        } else {
            kid = json_array_get(v, at);
        }
        if ((json_is_object(kid) || json_is_array(kid)) && below(4) != 0) {
            v = kid;
            continue;
        }
        switch (below(4)) {
        case 0:
            (void)(key != NULL ? json_object_del(v, key) : json_array_remove(v, at));
            return;
        case 1:
            (void)(key != NULL ? json_object_set_new(v, "type", any_value())
                               : json_array_append(v, kid));
            return;
        default:
            (void)(key != NULL ? json_object_set_new(v, key, any_value())
                               : json_array_set_new(v, at, any_value()));
            return;
        }
    }
}

START_TEST(json_values)
{
    json_error_t e;
    json_t      *seed = json_load_file(seed_file[_i], 0, &e);
    ck_assert_ptr_nonnull(seed);
    state = 300 + (uint64_t)_i;
    for (int r = 0; r < (_i < 4 ? ROUNDS : ROUNDS / 3); r++) { /* the others are larger */
        json_t *v = json_deep_copy(seed);
        char   *text;
        for (size_t k = 1 + below(3); k > 0; k--)
            change_value(v);
        text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
        ck_assert_ptr_nonnull(text);
        feed((const unsigned char *)text, strlen(text));
        free(text);
        json_decref(v);
    }
    json_decref(seed);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fuzz");
    TCase *t = tcase_create("fuzz");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, json_bytes, 0, (int)(sizeof seed_file / sizeof seed_file[0]));
    tcase_add_loop_test(t, gguf_bytes, 0, 4);
    tcase_add_loop_test(t, json_values, 0, JSON_FILES);
    suite_add_tcase(s, t);
    return run_suite(s);
}

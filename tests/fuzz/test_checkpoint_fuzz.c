/* Seeded mutations of a sound GGUF file through the fuzzer's entry, and of the files of a folder:
 * nothing crashes, leaks or hangs, whatever stands in the file [models 11]. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/model/checkpoint/checkpoint.h"
#include "tests/fuzz/common.h"
#include "tests/unit/harness/model/checkpoint/tiny.h"

enum { ROUNDS = 10000 };

static uint64_t state;

static size_t below(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return n == 0 ? 0 : (size_t)((state >> 33) % n);
}

/* A copy of exactly its size, so that the sanitizer sees one byte too many. */
static void feed(const unsigned char *data, size_t n)
{
    unsigned char *own = malloc(n > 0 ? n : 1);
    ck_assert_ptr_nonnull(own);
    memcpy(own, data, n);
    ck_assert_int_eq(LLVMFuzzerTestOneInput(own, n), 0);
    free(own);
}

/* One to four changes within the first `head` bytes: bits, bytes, numbers of all ones or few,
 * moves, an end. */
static size_t mutate(unsigned char *d, size_t n, size_t head)
{
    static const unsigned char odd[][8] = {{0},
                                           {255, 255, 255, 255, 255, 255, 255, 255},
                                           {0, 0, 0, 0, 0, 0, 0, 128},
                                           {255, 255, 255, 255, 255, 255, 255, 127},
                                           {1},
                                           {0, 0, 0, 64},
                                           {9},
                                           {0, 0, 1}};
    for (size_t k = 1 + below(4); k > 0; k--) {
        size_t at = below(head - 8), len = 1 + below(24), to = below(head - len);
        switch (below(6)) {
        case 0:
        case 1:
            d[at] ^= (unsigned char)(1u << below(8));
            break;
        case 2:
            d[at] = (unsigned char)below(256);
            break;
        case 3:
            memcpy(d + at, odd[below(8)], below(2) == 0 ? 4 : 8);
            break;
        case 4:
            memmove(d + to, d + (at < head - len ? at : 0), len);
            break;
        default:
            n = below(30) == 0 ? at + 8 : n;
            if (n < head)
                return n;
        }
    }
    return n;
}

START_TEST(gguf_headers)
{
    static const char *const families[] = {"llama", "qwen2", "gemma3"};
    tiny           t = tiny_llama;
    bytes          b = {0};
    unsigned char *d;
    t.layers = 1;
    t.width = t.mlp = t.head_dim = 32;
    t.vocab                      = 8;
    t.heads = t.kv_heads = 1;
    t.family             = families[_i % 3];
    state                = 100 + (uint64_t)_i;
    tiny_gguf_bytes(&t, &b);
    feed(b.data, b.n);
    d = malloc(b.n);
    for (int r = 0; r < ROUNDS / 4; r++) {
        memcpy(d, b.data, b.n);
        feed(d, mutate(d, b.n, b.n < 1700 ? b.n : 1700));
    }
    free(d);
    bytes_free(&b);
}
END_TEST

static size_t slurp(const char *name, unsigned char *d, size_t room)
{
    char path[600];
    (void)snprintf(path, sizeof path, "%s/%s", tiny_path("hf"), name);
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(d, 1, room, f);
    (void)fclose(f);
    ck_assert(n > 0 && n < room);
    return n;
}

/* A folder whose header of tensors or configuration is damaged opens or is refused. */
START_TEST(folders)
{
    enum { ROOM = 1 << 18, TRIES = 600 };
    static const tiny *const all[] = {&tiny_llama, &tiny_gemma3, &tiny_transnormer};
    static unsigned char     was[ROOM], d[ROOM];
    tiny                     t      = *all[_i / 2];
    const char              *name   = _i % 2 == 0 ? "model.safetensors" : "config.json";
    int                      opened = 0;
    char                     path[600];
    t.layers = 2;
    t.width = t.mlp = 32;
    t.head_dim      = 16;
    t.vocab         = 8;
    t.heads         = 2;
    t.kv_heads      = all[_i / 2] == &tiny_transnormer ? 2 : 1;
    state           = 900 + (uint64_t)_i;
    tiny_folder(&t, tiny_path("hf"));
    size_t n     = slurp(name, was, ROOM);
    size_t begin = _i % 2 == 0 ? 8 : 0, head = _i % 2 == 0 ? (size_t)was[0] + 256u * was[1] : n;
    (void)snprintf(path, sizeof path, "%s/%s", tiny_path("hf"), name);
    for (int r = 0; r < TRIES; r++) {
        sb_checkpoint *c = NULL;
        memcpy(d, was, n);
        (void)mutate(d + begin, n, head); /* its length stays: what is cut is told earlier */
        tiny_write(path, d, n);
        if (sb_checkpoint_open(tiny_path("hf"), &c) == SB_OK)
            opened++;
        else
            ck_assert_uint_gt(strlen(sb_error_text()), 0);
        sb_checkpoint_close(c);
    }
    ck_assert_int_lt(opened, TRIES);
    tiny_clean();
}
END_TEST

int main(void)
{
    Suite   *s  = suite_create("checkpoint fuzz");
    TCase   *tc = tcase_create("fuzz");
    SRunner *sr;
    int      failed;
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, gguf_headers, 0, 6);
    tcase_add_loop_test(tc, folders, 0, 6);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}

/* The cuda backend on a real device: memory round trips, order on its own stream, refusals.
 * Without a device: skipped (77), after checking that the backend says so instead of crashing. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/arena.h"
#include "kernels/base/backend.h"
#include "kernels/base/rng.h"
#include "tests/cuda/device_main.h"

static const sb_backend *const b = &sb_backend_cuda;

static unsigned char *noise(size_t bytes, uint64_t seed)
{
    unsigned char *p = malloc(bytes > 0 ? bytes : 1);
    sb_rng         r = {seed};
    ck_assert_ptr_nonnull(p);
    for (size_t i = 0; i < bytes; i++)
        p[i] = (unsigned char)sb_rng_next(&r);
    return p;
}

START_TEST(facts_describe_the_device)
{
    sb_device_facts f;
    ck_assert_int_eq(b->facts(&f), SB_OK);
    ck_assert_int_ge(f.count, 1);
    ck_assert_int_gt(f.memory_bytes, (int64_t)1 << 30);
    ck_assert_uint_gt(strlen(f.name), 3);
    ck_assert_ptr_nonnull(strstr(f.detail, "compute capability"));
    (void)printf("%s x%d, %lld bytes, %s\n", f.name, f.count, (long long)f.memory_bytes, f.detail);
}
END_TEST

START_TEST(bytes_come_back)
{
    static const size_t sizes[] = {0, 1, 63, 4096, 1000003, (size_t)64 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t         n   = sizes[i];
        unsigned char *src = noise(n, i), *back = noise(n, i + 100);
        void          *first = NULL, *second = NULL;
        ck_assert_int_eq(b->alloc(n, &first), SB_OK);
        ck_assert_int_eq(b->alloc(n, &second), SB_OK);
        ck_assert_ptr_nonnull(first);
        ck_assert_uint_eq((uintptr_t)first % SB_ARENA_ALIGN, 0);
        ck_assert_int_eq(b->copy(first, src, n, SB_COPY_TO_DEVICE, NULL), SB_OK);
        ck_assert_int_eq(b->copy(second, first, n, SB_COPY_ON_DEVICE, NULL), SB_OK);
        ck_assert_int_eq(b->fill(first, 0xEE, n, NULL),
                         SB_OK); /* after the copy out of it, in stream order */
        ck_assert_int_eq(b->copy(back, second, n, SB_COPY_TO_HOST, NULL), SB_OK);
        ck_assert_int_eq(b->sync(NULL), SB_OK);
        ck_assert_int_eq(memcmp(src, back, n), 0);
        ck_assert_int_eq(b->copy(back, first, n, SB_COPY_TO_HOST, NULL), SB_OK);
        ck_assert_int_eq(b->sync(NULL), SB_OK);
        size_t wrong = 0;
        for (size_t k = 0; k < n; k++)
            wrong += back[k] != 0xEE;
        ck_assert_uint_eq(wrong, 0);
        b->free(first);
        b->free(second);
        free(src);
        free(back);
    }
    b->free(NULL);
}
END_TEST

START_TEST(part_of_a_buffer)
{
    unsigned char *src = noise(1000, 1), *back = noise(1000, 2);
    void          *p = NULL;
    ck_assert_int_eq(b->alloc(1000, &p), SB_OK);
    ck_assert_int_eq(b->fill(p, 0, 1000, NULL), SB_OK);
    ck_assert_int_eq(b->copy((char *)p + 100, src + 100, 50, SB_COPY_TO_DEVICE, NULL), SB_OK);
    ck_assert_int_eq(b->copy(back, p, 1000, SB_COPY_TO_HOST, NULL), SB_OK);
    ck_assert_int_eq(b->sync(NULL), SB_OK);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(back[i], i >= 100 && i < 150 ? src[i] : 0);
    b->free(p);
    free(src);
    free(back);
}
END_TEST

/* ---- graphs ---- */

static unsigned first_byte(const void *p)
{
    unsigned char c = 0;
    ck_assert_int_eq(b->copy(&c, p, 1, SB_COPY_TO_HOST, NULL), SB_OK);
    ck_assert_msg(b->sync(NULL) == SB_OK, "%s", sb_error_text());
    return c;
}

/* On the backend's own stream and on one of its own: what is noted is not done; each launch does it
 * with what stands in memory then. */
START_TEST(a_graph_is_done_at_each_launch)
{
    void     *stream = NULL, *from = NULL, *to = NULL;
    sb_graph *g = NULL;
    if (_i == 1)
        ck_assert_int_eq(b->stream_open(&stream), SB_OK);
    ck_assert_int_eq(b->alloc(4096, &from), SB_OK);
    ck_assert_int_eq(b->alloc(4096, &to), SB_OK);
    ck_assert_int_eq(b->fill(from, 1, 4096, NULL), SB_OK);
    ck_assert_int_eq(b->fill(to, 0, 4096, NULL), SB_OK);
    ck_assert_int_eq(b->sync(NULL), SB_OK);
    ck_assert_msg(b->graph_begin(stream) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(b->copy(to, from, 4096, SB_COPY_ON_DEVICE, stream), SB_OK);
    ck_assert_int_eq(b->fill(from, 9, 4096, stream), SB_OK);
    ck_assert_msg(b->graph_end(stream, &g) == SB_OK, "%s", sb_error_text());
    ck_assert_uint_eq(first_byte(to), 0);
    ck_assert_uint_eq(first_byte(from), 1);
    for (int i = 0; i < 3; i++) { /* 1, then the 9 that the launch before left */
        ck_assert_msg(b->graph_launch(g, stream) == SB_OK, "%s", sb_error_text());
        ck_assert_int_eq(b->sync(stream), SB_OK);
        ck_assert_uint_eq(first_byte(to), i == 0 ? 1 : 9);
    }
    b->graph_close(g);
    b->graph_close(NULL);
    if (stream != NULL)
        b->stream_close(stream);
    b->free(from);
    b->free(to);
}
END_TEST

/* Given up, or spoilt by a call that waits: nothing was done, and everything works as before. */
START_TEST(a_graph_that_fails_leaves_all_usable)
{
    void     *p = NULL;
    sb_graph *g = NULL;
    ck_assert_int_eq(b->alloc(64, &p), SB_OK);
    ck_assert_int_eq(b->fill(p, 3, 64, NULL), SB_OK);
    for (int spoilt = 0; spoilt < 2; spoilt++) {
        ck_assert_msg(b->graph_begin(NULL) == SB_OK, "%s", sb_error_text());
        ck_assert_int_eq(b->fill(p, 4, 64, NULL), SB_OK);
        if (spoilt) {
            ck_assert_int_ne(b->sync(NULL), SB_OK);
            ck_assert_int_eq(b->graph_end(NULL, &g), SB_ERR_UNSUPPORTED);
            ck_assert_ptr_nonnull(strstr(sb_error_text(), "cuda graphs: end of capture"));
            ck_assert_ptr_null(g);
        } else {
            ck_assert_int_eq(b->graph_end(NULL, NULL), SB_OK);
        }
        ck_assert_uint_eq(first_byte(p), 3);
    }
    ck_assert_int_eq(b->fill(p, 5, 64, NULL), SB_OK);
    ck_assert_uint_eq(first_byte(p), 5);
    b->free(p);
}
END_TEST

START_TEST(what_cannot_be_had_is_refused_and_forgotten)
{
    void *p = (void *)b;
    ck_assert_int_eq(b->alloc((size_t)1 << 60, &p), SB_ERR_NOMEM);
    ck_assert_ptr_eq(p, (const void *)b);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "1152921504606846976 bytes"));
    ck_assert_int_eq(b->copy(NULL, NULL, 4, SB_COPY_COUNT, NULL), SB_ERR_INTERNAL);
    ck_assert_int_eq(b->alloc(1024, &p), SB_OK); /* the error does not stick */
    ck_assert_int_eq(b->sync(NULL), SB_OK);
    b->free(p);
}
END_TEST

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("backend cuda");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, facts_describe_the_device);
    tcase_add_test(t, bytes_come_back);
    tcase_add_test(t, part_of_a_buffer);
    tcase_add_loop_test(t, a_graph_is_done_at_each_launch, 0, 2);
    tcase_add_test(t, a_graph_that_fails_leaves_all_usable);
    tcase_add_test(t, what_cannot_be_had_is_refused_and_forgotten);
    suite_add_tcase(s, t);
    return device_run(s);
}

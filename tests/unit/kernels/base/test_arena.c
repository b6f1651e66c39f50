/* The arena: a counted size serves the real one, and no overrun of any allocation goes unseen. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/arena.h"
#include "kernels/base/rng.h"

enum { N = 12, ROOM = 1 << 16 };

static unsigned char *room(void)
{
    unsigned char *p = aligned_alloc(SB_ARENA_ALIGN, ROOM);
    ck_assert_ptr_nonnull(p);
    return p;
}

/* The same mixed sequence over any arena, as a layout() does it. */
static void allocate(sb_arena *a, void *p[N], size_t bytes[N], uint64_t seed)
{
    sb_rng r = {seed};
    for (int i = 0; i < N; i++) {
        size_t  elem  = (size_t)1 << sb_rng_below(&r, 4);
        int64_t count = (int64_t)sb_rng_below(&r, 200);
        bytes[i]      = elem * (size_t)count;
        ck_assert_int_eq(sb_arena_alloc(a, count, elem, "part", &p[i]), SB_OK);
    }
}

START_TEST(counting_gives_the_size_that_the_real_arena_needs)
{
    const sb_arena_flags flags[] = {SB_ARENA_PLAIN, SB_ARENA_GUARD};
    for (uint64_t seed = 0; seed < 50; seed++) {
        sb_arena c;
        void    *p[N];
        size_t   bytes[N];
        sb_arena_init_count(&c);
        allocate(&c, p, bytes, seed);
        for (int i = 0; i < N; i++)
            ck_assert_ptr_null(p[i]);
        unsigned char *mem = room();
        for (int f = 0; f < 2; f++) {
            sb_arena a;
            sb_arena_init(&a, mem, c.used_bytes,
                          flags[f]); /* exactly as counted: one byte less would fail */
            allocate(&a, p, bytes, seed);
            ck_assert_uint_eq(a.used_bytes, c.used_bytes);
            ck_assert_uint_eq(a.high_water_bytes, c.high_water_bytes);
            void *more;
            ck_assert_int_eq(sb_arena_alloc(&a, 0, 1, "more", &more), SB_ERR_NOMEM);
        }
        free(mem);
    }
}
END_TEST

START_TEST(allocations_are_aligned_and_apart)
{
    unsigned char *mem = room();
    sb_arena       a;
    void          *p[N];
    size_t         bytes[N];
    sb_arena_init(&a, mem, ROOM, SB_ARENA_PLAIN);
    allocate(&a, p, bytes, 3);
    for (int i = 0; i < N; i++) {
        ck_assert_uint_eq((uintptr_t)p[i] % SB_ARENA_ALIGN, 0);
        if (i > 0)
            ck_assert((unsigned char *)p[i - 1] + bytes[i - 1] <= (unsigned char *)p[i]);
        memset(p[i], i, bytes[i]);
    }
    for (int i = 0; i < N; i++)
        for (size_t b = 0; b < bytes[i]; b++)
            ck_assert_int_eq(((unsigned char *)p[i])[b], i);
    free(mem);
}
END_TEST

START_TEST(too_much_is_refused_by_name)
{
    unsigned char *mem = room();
    sb_arena       a;
    void          *p = mem;
    sb_arena_init(&a, mem, 1024, SB_ARENA_PLAIN);
    ck_assert_int_eq(sb_arena_alloc(&a, 2000, 1, "wide table", &p), SB_ERR_NOMEM);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "wide table"));
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "2000"));
    ck_assert_ptr_eq(p, mem); /* outputs change on success only */
    ck_assert_uint_eq(a.used_bytes, 0);
    free(mem);
}
END_TEST

START_TEST(products_that_overflow_are_refused)
{
    static const struct {
        int64_t count;
        size_t  elem_bytes;
    } bad[] = {{-1, 1},        {INT64_MIN, 1},        {INT64_MAX, 4},
               {INT64_MAX, 2}, {INT64_MAX, SIZE_MAX}, {1, SIZE_MAX}};
    sb_arena a;
    void    *p = &a;
    sb_arena_init_count(&a);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(sb_arena_alloc(&a, bad[i].count, bad[i].elem_bytes, "big", &p),
                         SB_ERR_NOMEM);
        ck_assert_uint_eq(a.used_bytes, 0);
    }
    ck_assert_ptr_eq(p, &a);
    /* and sums: two halves of the address space */
    ck_assert_int_eq(sb_arena_alloc(&a, INT64_MAX, 1, "half", &p), SB_OK);
    ck_assert_int_eq(sb_arena_alloc(&a, INT64_MAX, 1, "half", &p), SB_ERR_NOMEM);
}
END_TEST

START_TEST(fresh_memory_is_nan_and_guarded)
{
    unsigned char *mem = room();
    sb_arena       a;
    void          *p;
    sb_arena_init(&a, mem, ROOM, SB_ARENA_GUARD);
    ck_assert_int_eq(sb_arena_alloc(&a, 10, sizeof(float), "x", &p), SB_OK);
    for (int i = 0; i < 10; i++) {
        float f;
        memcpy(&f, (float *)p + i, sizeof f);
        ck_assert(f != f);
    }
    ck_assert(sb_arena_canaries_intact(&a));
    free(mem);
}
END_TEST

START_TEST(an_overrun_of_any_allocation_is_seen)
{
    unsigned char *mem = room();
    sb_arena       a;
    void          *p[N];
    size_t         bytes[N];
    sb_arena_init(&a, mem, ROOM, SB_ARENA_GUARD);
    allocate(&a, p, bytes, 9);
    for (int i = 0; i < N; i++)
        memset(p[i], 0, bytes[i]); /* full use is no overrun */
    ck_assert(sb_arena_canaries_intact(&a));
    for (int i = 0; i < N; i++) {
        unsigned char *end = i + 1 < N ? p[i + 1] : mem + a.used_bytes;
        for (unsigned char *at = (unsigned char *)p[i] + bytes[i]; at < end; at++) {
            *at ^= 0x40; /* one flipped bit, anywhere up to the next allocation */
            ck_assert_msg(!sb_arena_canaries_intact(&a), "allocation %d, %td bytes past its end", i,
                          at - ((unsigned char *)p[i] + bytes[i]));
            *at ^= 0x40;
        }
        ck_assert(sb_arena_canaries_intact(&a));
    }
    mem[a.used_bytes] ^= 1; /* behind the last one */
    ck_assert(!sb_arena_canaries_intact(&a));
    mem[a.used_bytes] ^= 1;
    mem[ROOM - 1] ^= 1;
    ck_assert(!sb_arena_canaries_intact(&a));
    free(mem);
}
END_TEST

START_TEST(a_spoiled_record_never_leads_the_check_astray)
{
    unsigned char *mem = room(); /* heap, so that the sanitizer sees a read outside */
    sb_arena       a;
    void          *p;
    sb_arena_init(&a, mem, ROOM, SB_ARENA_GUARD);
    ck_assert_int_eq(sb_arena_alloc(&a, 100, 1, "one", &p), SB_OK);
    ck_assert_int_eq(sb_arena_alloc(&a, 100, 1, "two", &p), SB_OK);
    static const uint64_t odd[] = {0,
                                   1,
                                   15,
                                   16,
                                   63,
                                   64,
                                   191,
                                   193,
                                   200,
                                   255,
                                   256,
                                   368,
                                   375,
                                   376,
                                   383,
                                   384,
                                   385,
                                   512,
                                   ROOM,
                                   UINT64_MAX,
                                   UINT64_MAX - 15,
                                   UINT64_MAX - 191,
                                   (uint64_t)1 << 63};
    unsigned char         kept[64];
    unsigned char        *tail = mem + a.used_bytes - sizeof kept;
    memcpy(kept, tail, sizeof kept);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        for (size_t j = 0; j < sizeof odd / sizeof *odd; j++) {
            uint64_t words[2] = {odd[i], odd[j]};
            memcpy(tail + sizeof kept - sizeof words, words, sizeof words);
            if (memcmp(tail, kept, sizeof kept) != 0)
                ck_assert(!sb_arena_canaries_intact(&a));
        }
    memcpy(tail, kept, sizeof kept);
    ck_assert(sb_arena_canaries_intact(&a));
    free(mem);
}
END_TEST

START_TEST(mark_and_reset_give_back_what_came_after)
{
    unsigned char *mem = room();
    sb_arena       a;
    void          *kept, *first, *second;
    sb_arena_init(&a, mem, ROOM, SB_ARENA_GUARD);
    ck_assert_int_eq(sb_arena_alloc(&a, 100, 4, "kept", &kept), SB_OK);
    memset(kept, 7, 400);
    size_t mark = sb_arena_mark(&a);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(sb_arena_alloc(&a, 1000, 4, "scratch", &first), SB_OK);
        ck_assert_int_eq(sb_arena_alloc(&a, 10, 4, "more", &second), SB_OK);
        memset(first, 0, 4000);
        memset(second, 0, 40);
        ck_assert(sb_arena_canaries_intact(&a));
        ck_assert_uint_gt(a.high_water_bytes, mark + 4000);
        sb_arena_reset(&a, mark);
        ck_assert_uint_eq(a.used_bytes, mark);
        ck_assert(sb_arena_canaries_intact(&a));
        ck_assert_int_eq(((unsigned char *)first)[0], 0xA5); /* use after reset shows */
    }
    for (int i = 0; i < 400; i++)
        ck_assert_int_eq(((unsigned char *)kept)[i], 7);
    size_t high = a.high_water_bytes;
    sb_arena_reset(&a, 0);
    ck_assert_uint_eq(a.high_water_bytes, high);
    ck_assert(sb_arena_canaries_intact(&a));
    free(mem);
}
END_TEST

START_TEST(nothing_is_a_legal_amount)
{
    unsigned char *mem = room();
    sb_arena       a;
    void          *p = NULL, *q = NULL;
    sb_arena_init(&a, mem, ROOM, SB_ARENA_GUARD);
    ck_assert_int_eq(sb_arena_alloc(&a, 0, 8, "none", &p), SB_OK);
    ck_assert_int_eq(sb_arena_alloc(&a, 5, 0, "none", &q), SB_OK);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_ne(p, q);
    ck_assert(sb_arena_canaries_intact(&a));
    *(unsigned char *)p = 0; /* even one byte written there is seen */
    ck_assert(!sb_arena_canaries_intact(&a));
    free(mem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("arena");
    TCase *t = tcase_create("arena");
    tcase_add_test(t, counting_gives_the_size_that_the_real_arena_needs);
    tcase_add_test(t, allocations_are_aligned_and_apart);
    tcase_add_test(t, too_much_is_refused_by_name);
    tcase_add_test(t, products_that_overflow_are_refused);
    tcase_add_test(t, fresh_memory_is_nan_and_guarded);
    tcase_add_test(t, an_overrun_of_any_allocation_is_seen);
    tcase_add_test(t, a_spoiled_record_never_leads_the_check_astray);
    tcase_add_test(t, mark_and_reset_give_back_what_came_after);
    tcase_add_test(t, nothing_is_a_legal_amount);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}

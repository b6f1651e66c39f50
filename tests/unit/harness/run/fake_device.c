#include "tests/unit/harness/run/fake_device.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { POISON = 0xEE };

fake_rooms fake_device;

static sb_status fake_available(void) { return SB_OK; }

static sb_status call(const char *name)
{
    return ++fake_device.calls == fake_device.fail_at
               ? sb_fail(SB_ERR_DEVICE, "fake: call %d, %s, fails", fake_device.calls, name)
               : SB_OK;
}

static sb_status fake_alloc(size_t bytes, void **out)
{
    int       i  = 0;
    sb_status st = call("alloc");
    if (st != SB_OK)
        return st;
    if (fake_device.used + bytes > fake_device.limit)
        return sb_fail(SB_ERR_NOMEM, "fake: full");
    while (i < FAKE_ROOMS && fake_device.at[i] != NULL)
        i++;
    ck_assert_int_lt(i, FAKE_ROOMS);
    fake_device.at[i]    = malloc(bytes + 1);
    fake_device.bytes[i] = bytes;
    fake_device.used += bytes;
    fake_device.most = fake_device.used > fake_device.most ? fake_device.used : fake_device.most;
    memset(fake_device.at[i], POISON, bytes);
    *out = fake_device.at[i];
    return SB_OK;
}

/* The room that holds [p, p + bytes), -1 for host memory. */
int fake_room_of(const void *p, size_t bytes)
{
    const unsigned char *at = p;
    for (int i = 0; i < FAKE_ROOMS; i++)
        if (fake_device.at[i] != NULL && at >= fake_device.at[i] &&
            at + bytes <= fake_device.at[i] + fake_device.bytes[i])
            return i;
    return -1;
}

static void fake_free(void *p)
{
    int i = fake_room_of(p, 0);
    ck_assert(i >= 0 && fake_device.at[i] == p);
    fake_device.used -= fake_device.bytes[i];
    free(p);
    fake_device.at[i] = NULL;
}

static sb_status fake_copy(void *dst, const void *src, size_t bytes, sb_copy_kind kind,
                           void *stream)
{
    sb_status st = call("copy");
    (void)stream;
    ck_assert_int_eq(fake_room_of(dst, bytes) >= 0, kind != SB_COPY_TO_HOST);
    ck_assert_int_eq(fake_room_of(src, bytes) >= 0, kind != SB_COPY_TO_DEVICE);
    if (st == SB_OK)
        memcpy(dst, src, bytes);
    return st;
}

static sb_status fake_fill(void *dst, int byte, size_t bytes, void *stream)
{
    sb_status st = call("fill");
    (void)stream;
    ck_assert_int_ge(fake_room_of(dst, bytes), 0);
    if (st == SB_OK)
        memset(dst, byte, bytes);
    return st;
}

static sb_status fake_sync(void *stream)
{
    (void)stream;
    fake_device.syncs++;
    return call("sync");
}

const sb_backend fake_backend = {.name      = "fake",
                                 .id        = SB_CUDA,
                                 .available = fake_available,
                                 .alloc     = fake_alloc,
                                 .free      = fake_free,
                                 .copy      = fake_copy,
                                 .fill      = fake_fill,
                                 .sync      = fake_sync};

void fake_reset(void)
{
    memset(&fake_device, 0, sizeof fake_device);
    fake_device.limit = (size_t)1 << 30;
}

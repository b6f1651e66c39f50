#include "tests/unit/harness/run/fake_device.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { POISON = 0xFF, PAGE = 4096, STREAMS = 8 }; /* poison: NaN in bf16 and fp32 */

/* Also in programs that are no Check suites: a test fails by the signal. */
#define REQUIRE(ok)                                                                                \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            (void)fprintf(stderr, "fake device: %s:%d: %s\n", __FILE__, __LINE__, #ok);            \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

fake_rooms fake_device;

/* ---- memory ---- */

static int inside; /* kernels and copies that are under way, one in the other */

static size_t mapped(size_t bytes) { return (bytes + PAGE) / PAGE * PAGE; }

static void protect(int how)
{
    for (int i = 0; i < FAKE_ROOMS; i++)
        if (fake_device.at[i] != NULL)
            REQUIRE(mprotect(fake_device.at[i], mapped(fake_device.bytes[i]), how) == 0);
}

static void open_memory(void)
{
    if (inside++ == 0)
        protect(PROT_READ | PROT_WRITE);
}

static void close_memory(void)
{
    if (--inside == 0)
        protect(PROT_NONE);
}

static sb_status fake_available(void) { return SB_OK; }

static sb_status fake_facts(sb_device_facts *out)
{
    *out = (sb_device_facts){.count = 1, .memory_bytes = (int64_t)fake_device.limit};
    (void)snprintf(out->name, sizeof out->name, "a device that is none");
    (void)snprintf(out->uuid, sizeof out->uuid, "%s",
                   fake_device.uuid != NULL ? fake_device.uuid : "");
    return SB_OK;
}

static int noting, spoilt; /* a graph; by a call that waits, takes memory or moves data */

static sb_status call(const char *name)
{
    int fails = fake_device.fail_call != NULL && strcmp(fake_device.fail_call, name) == 0;
    if (noting && strncmp(name, "graph", 5) != 0) {
        spoilt = 1;
        return sb_fail(SB_ERR_DEVICE, "fake: %s while a graph is noted", name);
    }
    return ++fake_device.calls == fake_device.fail_at || fails
               ? sb_fail(SB_ERR_DEVICE, "fake: call %d, %s, fails", fake_device.calls, name)
               : SB_OK;
}

/* A page behind the room is nobody's. */
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
    REQUIRE(i < FAKE_ROOMS);
    void *p = mmap(NULL, mapped(bytes) + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(p != MAP_FAILED);
    fake_device.at[i]    = p;
    fake_device.bytes[i] = bytes;
    fake_device.used += bytes;
    fake_device.most = fake_device.used > fake_device.most ? fake_device.used : fake_device.most;
    REQUIRE(mprotect(p, mapped(bytes), PROT_READ | PROT_WRITE) == 0);
    memset(p, POISON, bytes);
    if (inside == 0)
        REQUIRE(mprotect(p, mapped(bytes), PROT_NONE) == 0);
    *out = p;
    return SB_OK;
}

int fake_room_of(const void *p, size_t bytes)
{
    uintptr_t at = (uintptr_t)p;
    for (int i = 0; i < FAKE_ROOMS; i++) {
        uintptr_t room = (uintptr_t)fake_device.at[i];
        if (room != 0 && at >= room && at + bytes <= room + fake_device.bytes[i])
            return i;
    }
    return -1;
}

static void flush_all(void);

static void fake_free(void *p)
{
    int i = fake_room_of(p, 0);
    REQUIRE(i >= 0 && fake_device.at[i] == p);
    flush_all(); /* as a driver does */
    fake_device.used -= fake_device.bytes[i];
    fake_device.at[i] = NULL;
    REQUIRE(munmap(p, mapped(fake_device.bytes[i]) + PAGE) == 0);
}

/* ---- streams ---- */

typedef struct step {
    void       *dst;
    const void *src; /* NULL: fill */
    size_t      bytes;
    int         byte, other; /* other >= 0: wait for the steps of that stream up to `upto` */
    int64_t     upto;
} step;

typedef struct queue {
    int     is_open;
    step   *steps;
    int64_t n, capacity, done;
} queue;

static queue streams[STREAMS]; /* the first is the backend's own */

static queue *queue_of(void *stream)
{
    int i = stream == NULL ? 0 : (int)((queue *)stream - streams);
    REQUIRE(i >= 0 && i < STREAMS && (i == 0 || streams[i].is_open));
    return &streams[i];
}

static void put(queue *q, step s)
{
    if (q->n == q->capacity) {
        q->capacity = 2 * q->capacity + 16;
        q->steps    = realloc(q->steps, (size_t)q->capacity * sizeof *q->steps);
        REQUIRE(q->steps != NULL);
    }
    q->steps[q->n++] = s;
}

static void flush(queue *q, int64_t upto)
{
    open_memory();
    while (q->done < upto) {
        step s = q->steps[q->done++];
        if (s.other >= 0)
            flush(&streams[s.other], s.upto);
        else if (s.src != NULL)
            memmove(s.dst, s.src, s.bytes);
        else
            memset(s.dst, s.byte, s.bytes);
    }
    close_memory();
}

static void flush_all(void)
{
    for (int i = 0; i < STREAMS; i++)
        flush(&streams[i], streams[i].n);
}

void fake_enter(void *stream)
{
    queue *q = queue_of(stream);
    REQUIRE(!noting); /* a kernel that would run now: it is to go by fake_kernel */
    flush(q, q->n);
    open_memory();
}

void fake_leave(void) { close_memory(); }

static sb_status fake_copy(void *dst, const void *src, size_t bytes, sb_copy_kind kind,
                           void *stream)
{
    sb_status st = call("copy");
    REQUIRE((fake_room_of(dst, bytes) >= 0) == (kind != SB_COPY_TO_HOST));
    REQUIRE((fake_room_of(src, bytes) >= 0) == (kind != SB_COPY_TO_DEVICE));
    if (st == SB_OK && bytes > 0)
        put(queue_of(stream), (step){.dst = dst, .src = src, .bytes = bytes, .other = -1});
    return st;
}

static sb_status fake_copy_rows(void *dst, size_t dst_step, const void *src, size_t src_step,
                                size_t bytes, size_t rows, sb_copy_kind kind, void *stream)
{
    sb_status st = SB_OK;
    for (size_t i = 0; st == SB_OK && i < rows; i++)
        st = fake_copy((char *)dst + i * dst_step, (const char *)src + i * src_step, bytes, kind,
                       stream);
    return st;
}

static sb_status fake_fill(void *dst, int byte, size_t bytes, void *stream)
{
    sb_status st = call("fill");
    REQUIRE(fake_room_of(dst, bytes) >= 0);
    if (st == SB_OK)
        put(queue_of(stream), (step){.dst = dst, .bytes = bytes, .byte = byte, .other = -1});
    return st;
}

static sb_status fake_sync(void *stream)
{
    queue *q = queue_of(stream);
    fake_device.syncs++;
    sb_status st = call("sync");
    if (st == SB_OK)
        flush(q, q->n);
    return st;
}

static sb_status fake_stream_open(void **out)
{
    int       i  = 1;
    sb_status st = call("stream_open");
    while (i < STREAMS && streams[i].is_open)
        i++;
    REQUIRE(i < STREAMS);
    if (st == SB_OK) {
        streams[i].is_open = 1;
        *out               = &streams[i];
    }
    return st;
}

static void fake_stream_close(void *stream)
{
    queue *q = queue_of(stream);
    flush(q, q->n);
    q->is_open = 0;
}

static sb_status fake_stream_after(void *stream, void *other)
{
    queue    *q = queue_of(stream), *o = queue_of(other);
    sb_status st = call("stream_after");
    if (st == SB_OK)
        put(q, (step){.other = (int)(o - streams), .upto = o->n});
    return st;
}

/* Asked twice at least. */
static sb_status fake_stream_idle(void *stream, int *idle)
{
    queue    *q  = queue_of(stream);
    sb_status st = call("stream_idle");
    *idle        = q->done == q->n;
    if (st == SB_OK)
        flush(q, q->n);
    return st;
}

static sb_status fake_pinned_alloc(size_t bytes, void **out)
{
    sb_status st = call("pinned_alloc");
    if (st == SB_OK && (*out = malloc(bytes + 1)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "fake: no pinned memory");
    return st;
}

/* ---- graphs ---- */

typedef struct note {
    fake_kernel_fn run;
    void          *arg;
} note;

struct sb_graph {
    note   *notes;
    int64_t n, capacity;
};

static sb_graph *noted; /* while noting */
static queue    *noted_on;

sb_status fake_kernel(void *stream, fake_kernel_fn run, const void *arg, size_t bytes)
{
    void *copy = malloc(bytes + 1);
    REQUIRE(copy != NULL);
    memcpy(copy, arg, bytes);
    if (!noting) {
        fake_enter(stream);
        sb_status st = run(copy);
        fake_leave();
        free(copy);
        return st;
    }
    REQUIRE(queue_of(stream) == noted_on);
    if (noted->n == noted->capacity) {
        noted->capacity = 2 * noted->capacity + 16;
        noted->notes    = realloc(noted->notes, (size_t)noted->capacity * sizeof *noted->notes);
        REQUIRE(noted->notes != NULL);
    }
    noted->notes[noted->n++] = (note){run, copy};
    fake_device.noted++;
    return SB_OK;
}

static void graph_close(sb_graph *g)
{
    for (int64_t i = 0; g != NULL && i < g->n; i++)
        free(g->notes[i].arg);
    if (g != NULL) {
        free(g->notes);
        fake_device.graphs--;
    }
    free(g);
}

static sb_status graph_begin(void *stream)
{
    sb_status st = call("graph_begin");
    REQUIRE(!noting);
    if (st != SB_OK)
        return st;
    noted = calloc(1, sizeof *noted);
    REQUIRE(noted != NULL);
    noted_on = queue_of(stream);
    noting   = 1;
    spoilt   = 0;
    fake_device.begins++;
    fake_device.graphs++;
    return SB_OK;
}

static sb_status graph_end(void *stream, sb_graph **out)
{
    sb_status st = out != NULL ? call("graph_end") : SB_OK;
    REQUIRE(noting && queue_of(stream) == noted_on);
    noting = 0;
    fake_device.ends++;
    if (st == SB_OK && out != NULL && spoilt)
        st = sb_fail(SB_ERR_UNSUPPORTED, "fake: a graph that was spoilt");
    if (st == SB_OK && out != NULL)
        *out = noted;
    else
        graph_close(noted);
    noted = NULL;
    return st;
}

static sb_status graph_launch(sb_graph *g, void *stream)
{
    sb_status st = call("graph_launch");
    REQUIRE(!noting);
    for (int64_t i = 0; st == SB_OK && i < g->n; i++) {
        fake_enter(stream);
        REQUIRE(g->notes[i].run(g->notes[i].arg) == SB_OK);
        fake_leave();
    }
    if (st == SB_OK)
        fake_device.launches++;
    return st;
}

#define CALLS                                                                                      \
    .name = "fake", .id = SB_CUDA, .available = fake_available, .facts = fake_facts,               \
    .alloc = fake_alloc, .free = fake_free, .copy = fake_copy, .copy_rows = fake_copy_rows,        \
    .fill = fake_fill, .sync = fake_sync, .stream_open = fake_stream_open,                         \
    .stream_close = fake_stream_close, .stream_after = fake_stream_after,                          \
    .stream_idle = fake_stream_idle, .pinned_alloc = fake_pinned_alloc, .pinned_free = free

const sb_backend fake_backend        = {CALLS};
const sb_backend fake_backend_graphs = {CALLS, .graph_begin = graph_begin, .graph_end = graph_end,
                                        .graph_launch = graph_launch, .graph_close = graph_close};

void fake_reset(void)
{
    REQUIRE(!noting);
    for (int i = 0; i < STREAMS; i++)
        streams[i].n = streams[i].done = streams[i].is_open = 0;
    memset(&fake_device, 0, sizeof fake_device);
    fake_device.limit = (size_t)1 << 30;
}

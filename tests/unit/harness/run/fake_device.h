/* A device that is none: memory of its own, seen only through the backend's table. Kernels of the
 * CPU can work there, between fake_enter and fake_leave; outside of that, and outside of copies,
 * its memory cannot be touched: code that takes it for the host's ends in a fault. Copies and fills
 * are queued, in streams, and carried out when somebody waits for them, or when a kernel of their
 * stream begins: what is not waited for is not there. With graphs, kernels that go by fake_kernel
 * can be noted in place of run; whatever else is asked for meanwhile spoils the graph, as it does
 * on a real one. */
#ifndef SB_TESTS_UNIT_HARNESS_RUN_FAKE_DEVICE_H
#define SB_TESTS_UNIT_HARNESS_RUN_FAKE_DEVICE_H

#include "kernels/base/backend.h"

enum { FAKE_ROOMS = 64 };

typedef struct fake_rooms {
    unsigned char *at[FAKE_ROOMS];
    size_t         bytes[FAKE_ROOMS];
    size_t         limit, used, most;
    int            attends, syncs;
    int            calls, fail_at; /* the fail_at-th call that may fail does; 0: none */
    const char    *fail_call;      /* each call of this name fails; NULL: none */
    int            begins, ends, launches, graphs; /* of graphs; how many there are now */
    int            noted;                          /* kernels, ever */
    const char    *uuid;           /* of the device; NULL: "" */
} fake_rooms;

extern fake_rooms       fake_device;
extern const sb_backend fake_backend; /* id SB_CUDA; copies check which side memory is on */
extern const sb_backend fake_backend_graphs; /* the same with graphs */

void fake_reset(void); /* empty, of 1 GiB */

/* The room that holds [p, p + bytes), -1 for host memory. */
int fake_room_of(const void *p, size_t bytes);

/* A kernel of `stream` begins, and ends; may be nested. */
void fake_enter(void *stream);
void fake_leave(void);

/* A kernel of `stream` over what arg points to, bytes that are copied: run now, between enter and
 * leave, or noted, whereupon it runs at each launch. */
typedef sb_status (*fake_kernel_fn)(void *arg);
sb_status fake_kernel(void *stream, fake_kernel_fn run, const void *arg, size_t bytes);

#endif

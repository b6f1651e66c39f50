/* Status codes and the error text that travels with them.
 *
 * A function that can fail returns sb_status. Whoever first knows the cause writes one sentence with sb_fail();
 * callers pass the status on, and sb_wrap() only what the callee could not know. The text is thread-local. */
#ifndef SB_KERNELS_BASE_STATUS_H
#define SB_KERNELS_BASE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sb_status {
    SB_OK = 0,
    SB_ERR_NOMEM,       /* host or device memory */
    SB_ERR_IO,          /* file system, database */
    SB_ERR_USAGE,       /* bad command line, sweep file or data file: the user can mend it */
    SB_ERR_UNSUPPORTED, /* this method, shape, backend: stored as a row with the reason */
    SB_ERR_NO_FIT,      /* would need more memory than there is: stored as a row */
    SB_ERR_DEVICE,      /* CUDA and friends */
    SB_ERR_COMM,        /* MPI, NCCL */
    SB_ERR_PEER,        /* another rank failed; its own message says why */
    SB_ERR_STOPPED,     /* a signal or the time limit: resumable */
    SB_ERR_INTERNAL,    /* our own invariant */
    SB_STATUS_COUNT
} sb_status;

/* Set the thread's error text (file:line is kept apart, see sb_error_where) and return st. Replaces an older text. */
sb_status sb_fail_at(const char *file, int line, sb_status st, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 4, 5)))
#endif
    ;
#define sb_fail(...) sb_fail_at(__FILE__, __LINE__, __VA_ARGS__)

/* Put "fmt: " in front of the thread's error text; returns st, so that `return sb_wrap(st, ...)` reads well. */
sb_status sb_wrap(sb_status st, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

const char *sb_error_text(void);  /* "" when nothing failed; valid until the thread's next sb_fail */
const char *sb_error_where(void); /* "kernels/base/arena.c:41" of the first cause */
const char *sb_status_name(sb_status st); /* "no_memory", "unsupported", ... for logs and rows */
void        sb_error_clear(void);

#ifdef __cplusplus
}
#endif
#endif

/* Faults for a whole program, from outside: preload this library and name one in FAULT.
 *
 *   FAULT="kind=write k=3 do=fail errno=28 stay=1 rank=1"
 *
 *   kind  mpi     a call of MPI that moves data or meets other ranks
 *         link    of these, MPI_Isend, MPI_Irecv and MPI_Wait: what a ring is made of
 *         omp     the start of a parallel region: inside computing
 *         alloc   malloc, calloc, realloc, aligned_alloc, strdup, strndup called by the program
 *         lib     the same called by SQLite, Jansson, libyaml, libcsv or PCRE2
 *         write   write, pwrite, ftruncate, fwrite, fputs, fputc, fflush, fclose
 *         sync    fsync, fdatasync
 *         rename  rename, unlink, link
 *   k     the k-th of its kind is the one (1: the first); stay=1: and every one after it
 *   do    fail (an error of the call; errno says which), hang, kill (SIGKILL)
 *   rank  only in this rank of an MPI job; -1: all
 *
 * FAULT_LOG=FILE: at the end, one line `kind count` for each kind, `hit 1` if the fault happened,
 * and `live N`: blocks that the program or one of those libraries allocated and did not free; a
 * rank of an MPI job writes FILE.RANK. FAULT_HIT=FILE is made right before the fault.
 * FAULT_SITES=FILE: at the end, one line `kind first second last` for each place that calls were
 * made from, told by their innermost FAULT_FRAMES return addresses (4): which of their kind it
 * made; 0: none. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <mpi.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MPI, LINK, OMP, ALLOC, LIB, WRITE, SYNC, RENAME, CLOCK, KINDS };
enum { FAIL, HANG, KILL };

static const char *const names[KINDS] = {"mpi",   "link", "omp",    "alloc", "lib",
                                         "write", "sync", "rename", "clock"};

/* Calls that were counted, by kind. */
static long   count[KINDS];
static int    kind = -1, what, number = ENOSPC, stay, hit, is_ours, ready, in_range_of_fault = 1;
static long   at;
static size_t least;

/* ---- where calls come from ---- */

typedef struct range {
    uintptr_t from, to;
} range;
enum { MAX_RANGES = 8 };
static range own, me, library[MAX_RANGES];
static int   n_libraries;

static int note_object(struct dl_phdr_info *i, size_t size, void *arg)
{
    static const char *const known[] = {"libsqlite3", "libjansson", "libyaml", "libcsv",
                                        "libpcre2"};
    int                     *first   = arg;
    range                    r       = {UINTPTR_MAX, 0};
    (void)size;
    for (int p = 0; p < i->dlpi_phnum; p++)
        if (i->dlpi_phdr[p].p_type == PT_LOAD) {
            uintptr_t a = i->dlpi_addr + i->dlpi_phdr[p].p_vaddr, b = a + i->dlpi_phdr[p].p_memsz;
            r.from = a < r.from ? a : r.from;
            r.to   = b > r.to ? b : r.to;
        }
    if (*first)
        own = r;
    if (r.from <= (uintptr_t)(void *)&n_libraries && (uintptr_t)(void *)&n_libraries < r.to)
        me = r;
    for (size_t l = 0; l < sizeof known / sizeof *known; l++)
        if (strstr(i->dlpi_name, known[l]) != NULL && n_libraries < MAX_RANGES)
            library[n_libraries++] = r;
    *first = 0;
    return 0;
}

static int within(range r, const void *p) { return (uintptr_t)p - r.from < r.to - r.from; }

/* ALLOC, LIB or -1. */
static int allocator(const void *caller)
{
    if (!ready)
        return -1;
    if (within(own, caller))
        return ALLOC;
    for (int i = 0; i < n_libraries; i++)
        if (within(library[i], caller))
            return LIB;
    return -1;
}

/* ---- sites ---- */

enum { SITES = 1 << 16, MOST_FRAMES = 32, OWN_FRAMES = 4 };
typedef struct site {
    uint64_t hash; /* 0: none */
    long     first, second, last;
    int      kind;
} site;
static site           *sites;
static int             n_frames   = 4;
static pthread_mutex_t sites_lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int    in_site; /* what unwinding does itself */

/* The n-th call of kind k is made here. */
static void note_site(int k, long n)
{
    void    *at[MOST_FRAMES + OWN_FRAMES];
    uint64_t h = (uint64_t)k + 1;
    if (in_site)
        return;
    in_site = 1;
    int m = backtrace(at, n_frames + OWN_FRAMES), i = 0;
    while (i < m && within(me, at[i]))
        i++;
    for (int end = i + n_frames; i < m && i < end; i++)
        h = (h ^ (uint64_t)(uintptr_t)at[i]) * 0x9E3779B97F4A7C15u, h ^= h >> 29;
    pthread_mutex_lock(&sites_lock);
    size_t s = (size_t)(h % SITES), looked = 0;
    while (sites[s].hash != 0 && sites[s].hash != h && looked++ < SITES)
        s = (s + 1) % SITES;
    if (sites[s].hash == 0)
        sites[s] = (site){.hash = h, .first = n, .kind = k};
    else if (sites[s].second == 0)
        sites[s].second = n;
    sites[s].last = n;
    pthread_mutex_unlock(&sites_lock);
    in_site = 0;
}

/* ---- set-up ---- */

static const char *word(const char *all, const char *name)
{
    const char *p = strstr(all, name);
    return p != NULL ? p + strlen(name) : NULL;
}

static void set_up(void) __attribute__((constructor));
static void set_up(void)
{
    const char *f = getenv("FAULT"), *v, *rank = getenv("OMPI_COMM_WORLD_RANK");
    int         first = 1;
    if (strcmp(program_invocation_short_name, "spanbench") != 0)
        return; /* a launcher, a shell, gnuplot */
    dl_iterate_phdr(note_object, &first);
    if (f != NULL && (v = word(f, "kind=")) != NULL) {
        for (int i = 0; i < KINDS; i++)
            if (strncmp(v, names[i], strlen(names[i])) == 0)
                kind = i;
        at     = (v = word(f, "k=")) != NULL ? strtol(v, NULL, 10) : 1;
        stay   = (v = word(f, "stay=")) != NULL && *v == '1';
        least  = (v = word(f, "min=")) != NULL ? (size_t)strtol(v, NULL, 10) : 0;
        number = (v = word(f, "errno=")) != NULL ? atoi(v) : ENOSPC;
        what   = (v = word(f, "do=")) == NULL ? FAIL : *v == 'h' ? HANG : *v == 'k' ? KILL : FAIL;
        if (rank != NULL && (v = word(f, "rank=")) != NULL && atoi(v) >= 0 && atoi(v) != atoi(rank))
            in_range_of_fault = 0;
    }
    is_ours = 1;
    if (getenv("FAULT_SITES") != NULL) {
        void *at[2];
        sites = calloc(SITES, sizeof *sites);
        if ((v = getenv("FAULT_FRAMES")) != NULL && atoi(v) > 0 && atoi(v) <= MOST_FRAMES)
            n_frames = atoi(v);
        (void)backtrace(at, 2); /* loads what it needs */
    }
}

/* What CUDA's run time, linked in, does before main is not the program's. */
static int (*program_main)(int, char **, char **);

static int begin_main(int argc, char **argv, char **env)
{
    ready = is_ours;
    return program_main(argc, argv, env);
}

int __libc_start_main(int (*main_)(int, char **, char **), int argc, char **argv,
                      void (*init)(void), void (*fini)(void), void (*rtld_fini)(void), void *end)
{
    int (*real)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),
                void (*)(void), void *);
    *(void **)&real = dlsym(RTLD_NEXT, "__libc_start_main");
    program_main    = main_;
    return real(begin_main, argc, argv, init, fini, rtld_fini, end);
}

/* By the system call itself: whatever is preloaded stays out of it. */
static void note_hit(void)
{
    const char *path = getenv("FAULT_HIT");
    if (path != NULL)
        (void)syscall(SYS_close,
                      (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT, 0666));
}

/* 1: this call fails. Does not return when it hangs. */
static int strikes(int k)
{
    long n = ready ? __atomic_add_fetch(&count[k], 1, __ATOMIC_RELAXED) : 0;
    if (sites != NULL && ready)
        note_site(k, n);
    if (k != kind || !in_range_of_fault || !ready || !(n == at || (stay && n > at)))
        return 0;
    hit = 1;
    note_hit();
    if (what == HANG)
        for (;;)
            pause();
    if (what == KILL)
        raise(SIGKILL);
    errno = number;
    return 1;
}

/* ---- memory ---- */

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);
extern void  __libc_free(void *p);

/* Addresses of live blocks: open addressing; what does not fit is not watched. */
enum { SLOTS = 1 << 20 };
static uintptr_t       live[SLOTS];
static long            n_live;
static pthread_mutex_t live_lock = PTHREAD_MUTEX_INITIALIZER;

static size_t slot_of(uintptr_t p) { return (size_t)((p >> 4) * 0x9E3779B97F4A7C15u >> 44); }

static void *born(void *p)
{
    if (p == NULL)
        return NULL;
    pthread_mutex_lock(&live_lock);
    size_t s = slot_of((uintptr_t)p);
    while (live[s] > 1) /* 0 free, 1 was used */
        s = (s + 1) % SLOTS;
    if (n_live < SLOTS / 2) {
        live[s] = (uintptr_t)p;
        n_live++;
    }
    pthread_mutex_unlock(&live_lock);
    return p;
}

static void gone(void *p)
{
    pthread_mutex_lock(&live_lock);
    for (size_t s = slot_of((uintptr_t)p), i = 0; live[s] != 0 && i < SLOTS;
         s = (s + 1) % SLOTS, i++)
        if (live[s] == (uintptr_t)p) {
            live[s] = 1;
            n_live--;
            break;
        }
    pthread_mutex_unlock(&live_lock);
}

static int refused(int a, size_t n) { return a >= 0 && n >= least && strikes(a); }

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t n)
{
    int a = allocator(CALLER);
    if (a < 0)
        return __libc_malloc(n);
    return refused(a, n) ? no_memory() : born(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
    int a = allocator(CALLER);
    if (a < 0)
        return __libc_calloc(n, size);
    return refused(a, n * size) ? no_memory() : born(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
    int a = allocator(CALLER);
    if (refused(a, n))
        return no_memory();
    if (p != NULL && ready)
        gone(p);
    void *q = __libc_realloc(p, n);
    if (q == NULL && n > 0 && p != NULL && a >= 0)
        (void)born(p);
    return a >= 0 ? born(q) : q;
}

void *aligned_alloc(size_t align, size_t n)
{
    int a = allocator(CALLER);
    if (a < 0)
        return __libc_memalign(align, n);
    return refused(a, n) ? no_memory() : born(__libc_memalign(align, n));
}

void free(void *p)
{
    if (p != NULL && ready)
        gone(p);
    __libc_free(p);
}

static char *copy_of(int a, const char *s, size_t n)
{
    char *p = __libc_malloc(n + 1);
    if (a >= 0)
        (void)born(p);
    if (p != NULL) {
        memcpy(p, s, n);
        p[n] = '\0';
    }
    return p;
}

char *strdup(const char *s)
{
    int a = allocator(CALLER);
    return refused(a, strlen(s) + 1) ? no_memory() : copy_of(a, s, strlen(s));
}

char *strndup(const char *s, size_t n)
{
    int a = allocator(CALLER);
    return refused(a, strnlen(s, n) + 1) ? no_memory() : copy_of(a, s, strnlen(s, n));
}

/* ---- files ---- */

#define REAL(type, name, params, args, k, bad)                                                     \
    type name params                                                                               \
    {                                                                                              \
        static type(*real) params;                                                                 \
        if (real == NULL)                                                                          \
            real = (type(*) params)dlsym(RTLD_NEXT, #name);                                        \
        return strikes(k) ? (bad) : real args;                                                     \
    }

/* Not what goes to the terminal: a message that cannot be written is not a fault of files. */
#define ON_FILE(type, name, params, args, fd, bad)                                                 \
    type name params                                                                               \
    {                                                                                              \
        static type(*real) params;                                                                 \
        if (real == NULL)                                                                          \
            real = (type(*) params)dlsym(RTLD_NEXT, #name);                                        \
        return (fd) > STDERR_FILENO && within_us(CALLER) && strikes(WRITE) ? (bad) : real args;    \
    }

static int within_us(const void *caller) { return allocator(caller) >= 0; }

ON_FILE(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), fd, -1)
ON_FILE(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t o), (fd, p, n, o), fd, -1)
ON_FILE(int, ftruncate64, (int fd, off64_t n), (fd, n), fd, -1)
ON_FILE(size_t, fwrite, (const void *p, size_t n, size_t m, FILE *f), (p, n, m, f), fileno(f), 0)
ON_FILE(int, fputs, (const char *s, FILE *f), (s, f), fileno(f), EOF)
ON_FILE(int, fputc, (int c, FILE *f), (c, f), fileno(f), EOF)
REAL(int, fsync, (int fd), (fd), SYNC, -1)
REAL(int, fdatasync, (int fd), (fd), SYNC, -1)
REAL(int, rename, (const char *a, const char *b), (a, b), RENAME, -1)

/* SQLite's: a journal that cannot be removed. What the program removes after a failure may stay. */
int unlink(const char *a)
{
    static int (*real)(const char *);
    if (real == NULL)
        real = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    return allocator(CALLER) == LIB && strikes(RENAME) ? -1 : real(a);
}

/* ---- clocks ---- */

/* The time of day jumps by a day, to and fro; monotonic clocks go on. */
static long jump(void)
{
    long n = __atomic_add_fetch(&count[CLOCK], 1, __ATOMIC_RELAXED);
    hit |= kind == CLOCK && n >= at;
    return kind == CLOCK && n >= at ? (n % 2 ? 86400 : -86400) : 0;
}

int clock_gettime(clockid_t which, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, which, t);
    if (rc == 0 && which == CLOCK_REALTIME)
        t->tv_sec += jump();
    return rc;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    int rc = clock_gettime(CLOCK_REALTIME, &now);
    *t     = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return rc;
}

time_t time(time_t *t)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (t != NULL)
        *t = now.tv_sec;
    return now.tv_sec;
}

int fflush(FILE *f)
{
    static int (*real)(FILE *);
    if (real == NULL)
        real = (int (*)(FILE *))dlsym(RTLD_NEXT, "fflush");
    int yes = f != NULL && fileno(f) > STDERR_FILENO && within_us(CALLER) && strikes(WRITE);
    return yes ? EOF : real(f);
}

/* Closes in any case: the descriptor is gone, and what was buffered may be lost. */
int fclose(FILE *f)
{
    static int (*real)(FILE *);
    if (real == NULL)
        real = (int (*)(FILE *))dlsym(RTLD_NEXT, "fclose");
    int yes = fileno(f) > STDERR_FILENO && within_us(CALLER) && strikes(WRITE);
    int rc  = real(f);
    if (yes)
        errno = number;
    return yes ? EOF : rc;
}

/* ---- ranks ---- */

static int of_mpi(void) { return strikes(MPI) ? MPI_ERR_OTHER : MPI_SUCCESS; }
static int of_link(void) { return strikes(MPI) | strikes(LINK) ? MPI_ERR_OTHER : MPI_SUCCESS; }

#define MPI_CALL(name, params, args, check)                                                        \
    int MPI_##name params                                                                          \
    {                                                                                              \
        int rc = check();                                                                          \
        return rc != MPI_SUCCESS ? rc : PMPI_##name args;                                          \
    }

MPI_CALL(Allreduce, (const void *s, void *r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c),
         (s, r, n, t, o, c), of_mpi)
MPI_CALL(Allgatherv,
         (const void *s, int n, MPI_Datatype t, void *r, const int *m, const int *d, MPI_Datatype u,
          MPI_Comm c),
         (s, n, t, r, m, d, u, c), of_mpi)
MPI_CALL(Bcast, (void *p, int n, MPI_Datatype t, int root, MPI_Comm c), (p, n, t, root, c), of_mpi)
MPI_CALL(Barrier, (MPI_Comm c), (c), of_mpi)
MPI_CALL(Sendrecv,
         (const void *s, int n, MPI_Datatype t, int to, int a, void *r, int m, MPI_Datatype u,
          int from, int b, MPI_Comm c, MPI_Status *st),
         (s, n, t, to, a, r, m, u, from, b, c, st), of_mpi)
MPI_CALL(Comm_dup, (MPI_Comm c, MPI_Comm *o), (c, o), of_mpi)
MPI_CALL(Comm_split_type, (MPI_Comm c, int t, int k, MPI_Info i, MPI_Comm *o), (c, t, k, i, o),
         of_mpi)
MPI_CALL(Isend, (const void *p, int n, MPI_Datatype t, int to, int a, MPI_Comm c, MPI_Request *r),
         (p, n, t, to, a, c, r), of_link)
MPI_CALL(Irecv, (void *p, int n, MPI_Datatype t, int from, int a, MPI_Comm c, MPI_Request *r),
         (p, n, t, from, a, c, r), of_link)
MPI_CALL(Wait, (MPI_Request * r, MPI_Status *s), (r, s), of_link)

void GOMP_parallel(void (*fn)(void *), void *data, unsigned n, unsigned flags);
void GOMP_parallel(void (*fn)(void *), void *data, unsigned n, unsigned flags)
{
    static void (*real)(void (*)(void *), void *, unsigned, unsigned);
    if (real == NULL)
        real = (void (*)(void (*)(void *), void *, unsigned, unsigned))dlsym(RTLD_NEXT,
                                                                             "GOMP_parallel");
    (void)strikes(OMP);
    real(fn, data, n, flags);
}

/* ---- the account ---- */

static void tell_sites(void)
{
    const char *path = getenv("FAULT_SITES");
    FILE       *f    = sites != NULL ? fopen(path, "w") : NULL;
    for (size_t s = 0; f != NULL && s < SITES; s++)
        if (sites[s].hash != 0)
            (void)fprintf(f, "%s %ld %ld %ld\n", names[sites[s].kind], sites[s].first,
                          sites[s].second, sites[s].last);
    if (f != NULL)
        (void)fclose(f);
}

static void tell(void) __attribute__((destructor));
static void tell(void)
{
    char        line[64], file[4096];
    const char *path = getenv("FAULT_LOG"), *rank = getenv("OMPI_COMM_WORLD_RANK");
    long        left = n_live;
    int         on   = ready;
    ready            = 0;
    if (on)
        tell_sites();
    if (!on || path == NULL)
        return;
    (void)snprintf(file, sizeof file, "%s%s%s", path, rank != NULL ? "." : "",
                   rank != NULL ? rank : "");
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    for (int i = 0; i < KINDS + 2; i++) {
        int n = i < KINDS ? snprintf(line, sizeof line, "%s %ld\n", names[i], count[i])
                          : snprintf(line, sizeof line, i == KINDS ? "hit %ld\n" : "live %ld\n",
                                     i == KINDS ? (long)hit : left);
        if (write(fd, line, (size_t)n) < 0)
            break;
    }
    close(fd);
}

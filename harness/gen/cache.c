#include "harness/gen/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "harness/gen/parts.h"
#include "workloads/base/sha256.h"

enum {
    KEY_DIGITS    = 64,
    PREFIX_DIGITS = 2,
    TRIES         = 4,         /* of a fetch that meets a store */
    POLL_NS       = 200000000, /* signals restart flock, so waiting must wake by itself */
    PIECE_BYTES   = 65536,
    SUM_MAX_BYTES = 1 << 20
};

struct sb_gen_cache {
    char *dir, *sets;
};

/* The names of one entry. */
typedef struct entry {
    char *folder, *rows, *sum, *lock;
} entry;

struct sb_gen_cache_lock {
    entry e;
    char  key[KEY_DIGITS + 1];
    int   fd;
};

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "cache: no memory"); }

static char *join(const char *a, const char *b, const char *c)
{
    size_t room = strlen(a) + strlen(b) + strlen(c) + 1;
    char  *out  = malloc(room);
    if (out != NULL)
        (void)snprintf(out, room, "%s%s%s", a, b, c);
    return out;
}

/* ---- the place ---- */

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static sb_status default_dir(char **out)
{
    const char *own = variable("SPAN_CACHE_DIR"), *xdg = variable("XDG_CACHE_HOME"),
               *user = variable("HOME");
    if (own != NULL)
        *out = join(own, "", "");
    else if (xdg != NULL && xdg[0] == '/')
        *out = join(xdg, "/spanbench", "");
    else if (user != NULL)
        *out = join(user, "/.cache/spanbench", "");
    else
        return sb_fail(SB_ERR_IO, "cache: no folder: none of SPAN_CACHE_DIR, XDG_CACHE_HOME "
                                  "(absolute) and HOME is set");
    return *out != NULL ? SB_OK : no_memory();
}

/* Permissions alone do not tell (root, read-only mounts, quotas): a file is made there. */
static sb_status try_to_write(const char *folder)
{
    char *name = join(folder, "/.try-XXXXXX", "");
    if (name == NULL)
        return no_memory();
    sb_status st = SB_OK;
    int       fd = mkstemp(name);
    if (fd < 0)
        st = sb_fail(SB_ERR_IO, "cache %s: cannot be written: %s", folder, strerror(errno));
    else {
        (void)close(fd);
        (void)unlink(name);
    }
    free(name);
    return st;
}

sb_status sb_gen_cache_open(const char *dir, sb_gen_cache **out)
{
    sb_status     st = SB_OK;
    sb_gen_cache *c  = calloc(1, sizeof *c);
    if (c == NULL)
        return no_memory();
    if (dir == NULL)
        st = default_dir(&c->dir);
    else if ((c->dir = join(dir, "", "")) == NULL)
        st = no_memory();
    if (st == SB_OK && (c->sets = join(c->dir, "/sets", "")) == NULL)
        st = no_memory();
    if (st == SB_OK && (st = sbi_gen_make_folder(c->sets)) != SB_OK)
        (void)sb_wrap(st, "cache");
    if (st == SB_OK)
        st = try_to_write(c->sets);
    if (st != SB_OK) {
        sb_gen_cache_close(c);
        return st;
    }
    *out = c;
    return SB_OK;
}

void sb_gen_cache_close(sb_gen_cache *c)
{
    if (c == NULL)
        return;
    free(c->dir);
    free(c->sets);
    free(c);
}

const char *sb_gen_cache_dir(const sb_gen_cache *c) { return c->dir; }

/* ---- names ---- */

static void entry_fini(entry *e)
{
    free(e->folder);
    free(e->rows);
    free(e->sum);
    free(e->lock);
    *e = (entry){0};
}

static sb_status entry_init(const sb_gen_cache *c, const char *key, entry *e)
{
    char  part[PREFIX_DIGITS + 2] = "/";
    char *stem;
    *e = (entry){0};
    if (strlen(key) != KEY_DIGITS || strspn(key, "0123456789abcdef") != KEY_DIGITS)
        return sb_fail(SB_ERR_INTERNAL, "cache: key `%s`, allowed 64 hex digits", key);
    memcpy(part + 1, key, PREFIX_DIGITS);
    e->folder = join(c->sets, part, "");
    stem      = e->folder != NULL ? join(e->folder, "/", key) : NULL;
    if (stem != NULL) {
        e->rows = join(stem, ".rows", "");
        e->sum  = join(stem, ".sum", "");
        e->lock = join(stem, ".lock", "");
    }
    free(stem);
    if (e->rows != NULL && e->sum != NULL && e->lock != NULL)
        return SB_OK;
    entry_fini(e);
    return no_memory();
}

/* ---- reading ---- */

/* The text of an entry's sum, NULL where there is none. */
static sb_status read_sum(const char *path, char **out)
{
    *out    = NULL;
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return errno == ENOENT ? SB_OK : sb_fail(SB_ERR_IO, "cache %s: %s", path, strerror(errno));
    char *text = calloc(1, SUM_MAX_BYTES + 1);
    if (text != NULL) /* one that cannot be read is one whose hashes do not fit */
        (void)!fread(text, 1, SUM_MAX_BYTES, f);
    (void)fclose(f);
    *out = text;
    return text != NULL ? SB_OK : no_memory();
}

static sb_status hash_text(const char *text, char sha256[65])
{
    sbi_sha256 h;
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, text, strlen(text));
    return sbi_sha256_hex(&h, sha256);
}

/* The three parts of a sum; *fits 0: it is none, or its note was changed. */
static sb_status take_apart(const char *text, char sha256[65], const char **note, int *fits)
{
    const char *second = text + KEY_DIGITS + 1, *third = second + KEY_DIGITS + 1;
    char        now[65];
    sb_status   st;
    *fits = 0;
    if (strlen(text) < 2 * (KEY_DIGITS + 1) || second[-1] != '\n' || third[-1] != '\n')
        return SB_OK;
    if ((st = hash_text(third, now)) != SB_OK)
        return st;
    *fits = memcmp(now, second, KEY_DIGITS) == 0;
    memcpy(sha256, text, KEY_DIGITS);
    sha256[KEY_DIGITS] = '\0';
    *note              = third;
    return SB_OK;
}

/* Errors of reading are told in *bad_read; the status is about out. */
static sb_status copy(FILE *in, sbi_gen_file *out, int *bad_read)
{
    char      piece[PIECE_BYTES];
    size_t    n;
    sb_status st = SB_OK;
    while (st == SB_OK && (n = fread(piece, 1, sizeof piece, in)) > 0)
        st = sbi_gen_file_put(out, piece, n);
    *bad_read = st == SB_OK && ferror(in);
    return st;
}

/* Copy to dest if the rows have the hash; *fits says so. */
static sb_status copy_checked(const char *rows, const char *sha256, const char *dest, int *fits)
{
    char          now[65];
    int           bad_read = 0;
    sbi_gen_file *out      = NULL;
    FILE         *in       = fopen(rows, "rb");
    *fits                  = 0;
    if (in == NULL)
        return errno == ENOENT ? SB_OK : sb_fail(SB_ERR_IO, "cache %s: %s", rows, strerror(errno));
    sb_status st = sbi_gen_file_open(dest, &out);
    if (st == SB_OK && (st = copy(in, out, &bad_read)) == SB_OK &&
        (st = sbi_gen_file_sum(out, now)) == SB_OK)
        *fits = !bad_read && strcmp(now, sha256) == 0;
    (void)fclose(in);
    if (st == SB_OK && *fits)
        return sbi_gen_file_close(out, NULL);
    sbi_gen_file_drop(out);
    return st;
}

/* The sum goes first: without it there is no entry. */
static sb_status remove_damaged(const entry *e, sb_gen_cache_hit *hit)
{
    int gone =
        (unlink(e->sum) == 0 || errno == ENOENT) && (unlink(e->rows) == 0 || errno == ENOENT);
    const char *why  = gone ? "" : strerror(errno);
    size_t      room = strlen(e->rows) + strlen(why) + 128;
    if ((hit->damaged = malloc(room)) == NULL)
        return no_memory();
    (void)snprintf(hit->damaged, room, "cache: %s is damaged, its hash does not fit; %s%s", e->rows,
                   gone ? "removed" : "it cannot be removed: ", why);
    return SB_OK;
}

/* One look. *again: the entry was replaced between the reading of its two files. */
static sb_status fetch_once(const entry *e, const char *dest, sb_gen_cache_hit *hit, int *again)
{
    char       *text = NULL, *later = NULL;
    const char *note = NULL;
    int         fits = 0;
    sb_status   st   = read_sum(e->sum, &text);
    *again           = 0;
    if (st != SB_OK || text == NULL)
        return st;
    st = take_apart(text, hit->sha256, &note, &fits);
    if (st == SB_OK && fits && (hit->note = join(note, "", "")) == NULL)
        st = no_memory(); /* before dest is touched */
    if (st == SB_OK && fits)
        st = copy_checked(e->rows, hit->sha256, dest, &fits);
    hit->found = st == SB_OK && fits;
    if (!hit->found) {
        free(hit->note);
        hit->note = NULL;
    }
    if (st == SB_OK && !fits && (st = read_sum(e->sum, &later)) == SB_OK) {
        *again = later == NULL || strcmp(text, later) != 0;
        if (!*again)
            st = remove_damaged(e, hit);
    }
    free(text);
    free(later);
    return st;
}

sb_status sb_gen_cache_fetch(const sb_gen_cache *c, const char *key, const char *dest,
                             sb_gen_cache_hit *hit)
{
    entry            e;
    sb_gen_cache_hit h     = {0};
    int              again = 1;
    sb_status        st    = entry_init(c, key, &e);
    for (int i = 0; st == SB_OK && again && i < TRIES; i++)
        st = fetch_once(&e, dest, &h, &again);
    entry_fini(&e);
    if (st != SB_OK) {
        sb_gen_cache_hit_fini(&h);
        return st;
    }
    *hit = h;
    return SB_OK;
}

void sb_gen_cache_hit_fini(sb_gen_cache_hit *hit)
{
    free(hit->note);
    free(hit->damaged);
    *hit = (sb_gen_cache_hit){0};
}

/* ---- making ---- */

static sb_status wait_for(const char *path, int fd, int (*should_stop)(void *arg), void *arg)
{
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return sb_fail(SB_ERR_IO, "cache %s: cannot be locked: %s", path, strerror(errno));
        if (should_stop != NULL && should_stop(arg))
            return sb_fail(SB_ERR_STOPPED, "stopped while another process makes %s", path);
        (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
    return SB_OK;
}

sb_status sb_gen_cache_lock_key(const sb_gen_cache *c, const char   *key,
                                int (*should_stop)(void *arg), void *arg, sb_gen_cache_lock **out)
{
    sb_gen_cache_lock *l = calloc(1, sizeof *l);
    if (l == NULL)
        return no_memory();
    l->fd        = -1;
    sb_status st = entry_init(c, key, &l->e);
    if (st == SB_OK && (st = sbi_gen_make_folder(l->e.folder)) != SB_OK)
        (void)sb_wrap(st, "cache");
    if (st == SB_OK && (l->fd = open(l->e.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666)) < 0)
        st = sb_fail(SB_ERR_IO, "cache %s: %s", l->e.lock, strerror(errno));
    if (st == SB_OK)
        st = wait_for(l->e.lock, l->fd, should_stop, arg);
    if (st != SB_OK) {
        sb_gen_cache_unlock(l);
        return st;
    }
    memcpy(l->key, key, sizeof l->key);
    *out = l;
    return SB_OK;
}

void sb_gen_cache_unlock(sb_gen_cache_lock *l)
{
    if (l == NULL)
        return;
    if (l->fd >= 0)
        (void)close(l->fd); /* the last descriptor: this frees the lock */
    entry_fini(&l->e);
    free(l);
}

/* Of makers that died: whoever holds the lock is the only one that writes here. */
static void sweep_partial(const sb_gen_cache_lock *l)
{
    DIR *d = opendir(l->e.folder);
    if (d == NULL)
        return;
    for (struct dirent *f; (f = readdir(d)) != NULL;)
        if (strncmp(f->d_name, l->key, KEY_DIGITS) == 0 && strstr(f->d_name, ".partial-") != NULL)
            (void)unlinkat(dirfd(d), f->d_name, 0);
    (void)closedir(d);
}

static sb_status store_rows(const sb_gen_cache_lock *l, const char *path, char sha256[65])
{
    int           bad_read = 0;
    sbi_gen_file *out      = NULL;
    FILE         *in       = fopen(path, "rb");
    if (in == NULL)
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    sb_status st = sbi_gen_file_open(l->e.rows, &out);
    if (st == SB_OK && (st = copy(in, out, &bad_read)) == SB_OK && bad_read)
        st = sb_fail(SB_ERR_IO, "%s: cannot be read", path);
    (void)fclose(in);
    if (st == SB_OK)
        return sbi_gen_file_close(out, sha256);
    sbi_gen_file_drop(out);
    return st;
}

static sb_status store_sum(const sb_gen_cache_lock *l, const char *rows_sha256, const char *note)
{
    char          note_sha256[65];
    sbi_gen_file *out = NULL;
    sb_status     st  = hash_text(note, note_sha256);
    if (st == SB_OK && (st = sbi_gen_file_open(l->e.sum, &out)) == SB_OK &&
        (st = sbi_gen_file_put(out, rows_sha256, KEY_DIGITS)) == SB_OK &&
        (st = sbi_gen_file_put(out, "\n", 1)) == SB_OK &&
        (st = sbi_gen_file_put(out, note_sha256, KEY_DIGITS)) == SB_OK &&
        (st = sbi_gen_file_put(out, "\n", 1)) == SB_OK &&
        (st = sbi_gen_file_put(out, note, strlen(note))) == SB_OK)
        return sbi_gen_file_close(out, NULL);
    sbi_gen_file_drop(out);
    return st;
}

sb_status sb_gen_cache_store(const sb_gen_cache_lock *l, const char *path, const char *note)
{
    char      sha256[65];
    sb_status st;
    if (strlen(note) > SUM_MAX_BYTES - 2 * (KEY_DIGITS + 1))
        return sb_fail(SB_ERR_INTERNAL, "cache: a note of %zu bytes", strlen(note));
    sweep_partial(l);
    if (unlink(l->e.sum) != 0 && errno != ENOENT) /* old sum, new rows would be a damaged entry */
        return sb_fail(SB_ERR_IO, "cache %s: %s", l->e.sum, strerror(errno));
    if ((st = store_rows(l, path, sha256)) == SB_OK)
        st = store_sum(l, sha256, note);
    return st == SB_OK ? st : sb_wrap(st, "cache");
}

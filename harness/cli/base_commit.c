/* Commits of a database, and git asked about them. */
#include "harness/cli/base_commit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_COMMITS = 4096 };

typedef struct commit_list { /* by last run, newest first */
    char (*v)[SB_COMMIT_BYTES];
    int64_t n, capacity;
} commit_list;

static sb_status add_commit(const sb_row *row, void *arg)
{
    commit_list *l    = arg;
    const char  *text = sb_row_text(row, 0);
    if (text == NULL || strlen(text) >= SB_COMMIT_BYTES || l->n == MAX_COMMITS)
        return SB_OK;
    if (l->n == l->capacity) {
        int64_t wider                 = l->capacity == 0 ? 16 : 2 * l->capacity;
        char(*moved)[SB_COMMIT_BYTES] = realloc(l->v, (size_t)wider * sizeof *moved);
        if (moved == NULL)
            return sb_fail(SB_ERR_NOMEM, "no memory for commits");
        l->v        = moved;
        l->capacity = wider;
    }
    (void)snprintf(l->v[l->n++], SB_COMMIT_BYTES, "%s", text);
    return SB_OK;
}

static sb_status read_commits(sb_store *s, commit_list *l)
{
    return sb_store_each(
        s, "SELECT commit_id FROM run GROUP BY commit_id ORDER BY max(started_utc) DESC, commit_id",
        NULL, 0, add_commit, l);
}

/* ---- git ---- */

/* Lines of `git ARGS` to fn until it returns 1. 0 when git ran well (or fn had enough). */
static int git_lines(const char *repo, char *const *args, int (*fn)(const char *line, void *arg),
                     void *arg)
{
    int   fds[2], status = 0, enough = 0, n = 0;
    char  line[512];
    char *argv[16] = {"git", "-c", "safe.directory=*", "-C", (char *)repo};
    pid_t child;
    for (n = 5; *args != NULL && n < 15; n++)
        argv[n] = *args++;
    if (pipe(fds) != 0)
        return -1;
    child = fork();
    if (child == 0) {
        (void)dup2(fds[1], 1);
        (void)close(fds[0]);
        (void)close(fds[1]);
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(127);
        execvp("git", argv);
        _exit(127);
    }
    (void)close(fds[1]);
    FILE *in = child < 0 ? NULL : fdopen(fds[0], "r");
    while (in != NULL && !enough && fgets(line, sizeof line, in) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        enough                      = fn(line, arg);
    }
    if (in != NULL)
        (void)fclose(in);
    else
        (void)close(fds[0]);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return enough || (WIFEXITED(status) && WEXITSTATUS(status) == 0) ? 0 : -1;
}

static int take_line(const char *line, void *arg)
{
    (void)snprintf(arg, SB_COMMIT_BYTES, "%.79s", line);
    return 1;
}

/* The full name of a commit, "" when git does not know it. */
static void git_resolve(const char *repo, const char *name, char out[SB_COMMIT_BYTES])
{
    char  revision[512];
    char *args[] = {"rev-parse", "--verify", "--quiet", "--end-of-options", revision, NULL};
    out[0]       = '\0';
    (void)snprintf(revision, sizeof revision, "%s^{commit}", name);
    if (git_lines(repo, args, take_line, out) != 0)
        out[0] = '\0';
}

/* Bytes of a recorded commit without "-dirty". */
static size_t clean_bytes(const char *commit)
{
    size_t n = strlen(commit);
    return n > 6 && strcmp(commit + n - 6, "-dirty") == 0 ? n - 6 : n;
}

/* Is the recorded commit the one with this full name? */
static int is_full(const char *recorded, const char *full)
{
    size_t n = clean_bytes(recorded);
    return n >= 7 && strncmp(recorded, full, n) == 0;
}

/* ---- by name ---- */
static sb_status refuse(const char *path, const char *wanted, const char *found,
                        const commit_list *l)
{
    char   text[512] = "";
    size_t at        = 0;
    for (int64_t i = 0; i < l->n && i < 8 && at < sizeof text - 100; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i > 0 ? ", " : "", l->v[i]);
    return sb_fail(SB_ERR_USAGE, "%s: commit: found %s%s%s, allowed one with runs there: %s%s",
                   path, found, wanted[0] != '\0' ? " " : "", wanted, l->n > 0 ? text : "(none)",
                   l->n > 8 ? ", ..." : "");
}

sb_status sb_commit_find(sb_store *s, const char *path, const char *repo, const char *wanted,
                         char out[SB_COMMIT_BYTES])
{
    commit_list l   = {0};
    int64_t     hit = -1, n_hits = 0;
    char        full[SB_COMMIT_BYTES];
    sb_status   st = read_commits(s, &l);
    if (st == SB_OK && wanted == NULL && l.n > 0)
        hit = 0, n_hits = 1;
    for (int64_t i = 0; st == SB_OK && wanted != NULL && i < l.n; i++)
        if (strcmp(l.v[i], wanted) == 0)
            hit = i, n_hits = 1;
    for (int64_t i = 0; st == SB_OK && wanted != NULL && hit < 0 && strlen(wanted) >= 4 && i < l.n;
         i++)
        if (strncmp(l.v[i], wanted, strlen(wanted)) == 0)
            hit = n_hits++ == 0 ? i : hit;
    if (st == SB_OK && hit < 0 && wanted != NULL) {
        git_resolve(repo, wanted, full);
        for (int64_t i = 0; full[0] != '\0' && i < l.n; i++)
            if (is_full(l.v[i], full) && (hit < 0 || strlen(l.v[i]) == clean_bytes(l.v[i])))
                hit = i, n_hits = 1; /* the clean one of two */
    }
    if (st == SB_OK && n_hits > 1)
        st = refuse(path, wanted, "several that begin with", &l);
    else if (st == SB_OK && hit < 0)
        st = refuse(path, wanted == NULL ? "" : wanted, wanted == NULL ? "no run" : "", &l);
    if (st == SB_OK)
        (void)snprintf(out, SB_COMMIT_BYTES, "%s", l.v[hit]);
    free(l.v);
    return st;
}

/* ---- by ancestry ---- */
typedef struct walk {
    const commit_list *l;
    const char        *of;
    int64_t            found;
} walk;

/* A clean recorded commit of that name is taken before a dirty one. */
static int is_recorded(const char *line, void *arg)
{
    walk *w = arg;
    for (int64_t i = 0; i < w->l->n; i++)
        if (strcmp(w->l->v[i], w->of) != 0 && is_full(w->l->v[i], line) &&
            strlen(w->l->v[i]) == clean_bytes(w->l->v[i])) {
            w->found = i;
            return 1;
        }
    return 0;
}

static sb_status take_first(const sb_row *row, void *arg)
{
    const char *text = sb_row_text(row, 0);
    if (text != NULL)
        (void)snprintf(arg, SB_COMMIT_BYTES, "%.79s", text);
    return SB_OK;
}

sb_status sb_commit_base(sb_store *s, const char *path, const char *repo, const char *of,
                         char out[SB_COMMIT_BYTES], char how[SB_HOW_BYTES])
{
    commit_list l = {0};
    char        full[SB_COMMIT_BYTES], name[SB_COMMIT_BYTES], by_order[SB_COMMIT_BYTES] = "";
    sb_status   st = read_commits(s, &l);
    (void)snprintf(name, sizeof name, "%.*s", (int)clean_bytes(of), of);
    if (st == SB_OK)
        git_resolve(repo, name, full);
    if (st == SB_OK && full[0] != '\0') {
        walk  w      = {&l, of, -1};
        char *args[] = {"rev-list", "--topo-order", full, NULL};
        if (git_lines(repo, args, is_recorded, &w) == 0 && w.found >= 0) {
            (void)snprintf(out, SB_COMMIT_BYTES, "%s", l.v[w.found]);
            (void)snprintf(how, SB_HOW_BYTES, "nearest ancestor of %s with runs, by git in %.100s",
                           of, repo);
            free(l.v);
            return SB_OK;
        }
        free(l.v);
        return w.found < 0
                   ? sb_fail(SB_ERR_USAGE,
                             "%s: no ancestor of %s has runs there (git in %s); --base names "
                             "one all the same",
                             path, of, repo)
                   : SB_OK;
    }
    free(l.v);
    if (st == SB_OK)
        st = sb_store_each(
            s,
            "SELECT commit_id FROM run WHERE commit_id <> ?1 AND started_utc < (SELECT "
            "min(started_utc) FROM run WHERE commit_id = ?1) ORDER BY started_utc DESC, uuid LIMIT "
            "1",
            &of, 1, take_first, by_order);
    if (st == SB_OK && by_order[0] == '\0')
        st = sb_fail(SB_ERR_USAGE, "%s: no run of another commit before those of %s", path, of);
    if (st == SB_OK) {
        (void)snprintf(out, SB_COMMIT_BYTES, "%s", by_order);
        (void)snprintf(how, SB_HOW_BYTES,
                       "recorded last before %s (git in %.100s does not know that commit)", of,
                       repo);
    }
    return st;
}

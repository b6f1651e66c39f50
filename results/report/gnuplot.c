/* See gnuplot.h. Commands and complaints go through files in memory, the drawing through a pipe: no
 * order of reading and writing can lock up, and nothing touches a disk. */
#include "results/report/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int sbi_gnuplot_timeout_ms = 60000;

#define NEEDED "5.4"
#define ADVICE                                                                                     \
    "install gnuplot " NEEDED                                                                      \
    " or later (Debian: gnuplot-nox), or use --no-plots for the tables alone"

typedef struct child {
    int   in, err, out[2]; /* -1: none */
    pid_t pid;
} child;

static sb_status failed(const char *what)
{
    return sb_fail(SB_ERR_IO, "gnuplot: %s: %s", what, strerror(errno));
}

static void shut(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static sb_status write_all(int fd, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        ssize_t n = write(fd, text, left);
        if (n < 0)
            return failed("writing its commands");
        text += n;
        left -= (size_t)n;
    }
    return lseek(fd, 0, SEEK_SET) < 0 ? failed("rewinding its commands") : SB_OK;
}

static sb_status start(child *c, char *const argv[])
{
    posix_spawn_file_actions_t acts;
    if (posix_spawn_file_actions_init(&acts) != 0)
        return sb_fail(SB_ERR_NOMEM, "gnuplot: no memory to start it");
    int rc = posix_spawn_file_actions_adddup2(&acts, c->in, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&acts, c->out[1], 1);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&acts, c->err, 2);
    if (rc == 0)
        rc = posix_spawnp(&c->pid, argv[0], &acts, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&acts);
    if (rc == ENOENT || rc == EACCES)
        return sb_fail(SB_ERR_USAGE, "gnuplot: not found on PATH; " ADVICE);
    if (rc != 0)
        return sb_fail(SB_ERR_IO, "gnuplot: cannot be started: %s", strerror(rc));
    return SB_OK;
}

/* Everything until it closes its output. */
static sb_status read_all(int fd, FILE *to)
{
    char          buf[65536];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (;;) {
        int ready = poll(&p, 1, sbi_gnuplot_timeout_ms);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0)
            return failed("waiting for it");
        if (ready == 0)
            return sb_fail(SB_ERR_IO, "gnuplot: wrote nothing for %d ms: given up",
                           sbi_gnuplot_timeout_ms);
        ssize_t n = read(fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed("reading its drawing");
        if (n == 0)
            return SB_OK;
        if (fwrite(buf, 1, (size_t)n, to) != (size_t)n)
            return sb_fail(SB_ERR_NOMEM, "gnuplot: no memory for its drawing");
    }
}

/* How it ended; its complaints, shortened, when badly. */
static sb_status ended(child *c, int status)
{
    char    text[400];
    ssize_t n           = pread(c->err, text, sizeof text - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    for (char *p = text; *p != '\0'; p++)
        if (*p == '\n' || *p == '\r' || *p == '\t')
            *p = ' ';
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return sb_fail(SB_ERR_USAGE, "gnuplot: cannot be run (exit code 127); " ADVICE);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return sb_fail(SB_ERR_IO, "gnuplot: ended with %s %d: %s",
                       WIFEXITED(status) ? "exit code" : "signal",
                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), text);
    return SB_OK;
}

static sb_status run(char *const argv[], const char *commands, char **out)
{
    child     c    = {.in = -1, .err = -1, .out = {-1, -1}, .pid = -1};
    char     *text = NULL;
    size_t    n    = 0;
    sb_status st   = SB_OK;
    FILE     *to   = open_memstream(&text, &n);
    if (to == NULL)
        return sb_fail(SB_ERR_NOMEM, "gnuplot: no memory for its drawing");
    c.in  = memfd_create("commands", MFD_CLOEXEC);
    c.err = memfd_create("complaints", MFD_CLOEXEC);
    if (c.in < 0 || c.err < 0 || pipe2(c.out, O_CLOEXEC) != 0)
        st = failed("no file descriptor for it");
    if (st == SB_OK)
        st = write_all(c.in, commands);
    if (st == SB_OK)
        st = start(&c, argv);
    shut(&c.out[1]);
    if (st == SB_OK) {
        int status = 0;
        st         = read_all(c.out[0], to);
        if (st != SB_OK)
            (void)kill(c.pid, SIGKILL);
        while (waitpid(c.pid, &status, 0) < 0 && errno == EINTR)
            ;
        if (st == SB_OK)
            st = ended(&c, status);
    }
    shut(&c.in), shut(&c.err), shut(&c.out[0]);
    if (fclose(to) != 0 && st == SB_OK)
        st = sb_fail(SB_ERR_NOMEM, "gnuplot: no memory for its drawing");
    if (st == SB_OK)
        *out = text;
    else
        free(text);
    return st;
}

sb_status sbi_gnuplot_run(const char *commands, char **svg)
{
    char *const argv[] = {(char[]){"gnuplot"}, (char[]){"-d"}, NULL};
    return run(argv, commands, svg);
}

sb_status sbi_gnuplot_check(void)
{
    char *const argv[] = {(char[]){"gnuplot"}, (char[]){"--version"}, NULL};
    char       *told   = NULL;
    int         major = 0, minor = 0;
    sb_status   st = run(argv, "", &told);
    if (st != SB_OK)
        return st;
    if (sscanf(told, "gnuplot %d.%d", &major, &minor) != 2)
        st = sb_fail(SB_ERR_USAGE, "gnuplot: found one that says `%.60s` for --version; " ADVICE,
                     told);
    else if (major < 5 || (major == 5 && minor < 4))
        st = sb_fail(SB_ERR_USAGE, "gnuplot: found %d.%d, allowed " NEEDED " or later; " ADVICE,
                     major, minor);
    free(told);
    return st;
}

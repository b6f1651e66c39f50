#include "harness/run/progress.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/base/phase.h"
#include "results/stats/stats.h"

/* mpirun gives its ranks a pipe for stderr and copies it to its own, which may well be the terminal
 * that somebody looks at. */
static int stderr_is_terminal(void)
{
    char path[64];
    if (isatty(STDERR_FILENO))
        return 1;
    (void)snprintf(path, sizeof path, "/proc/%ld/fd/2", (long)getppid());
    if (getenv("OMPI_COMM_WORLD_SIZE") == NULL)
        return 0;
    int fd       = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK);
    int terminal = fd >= 0 && isatty(fd);
    if (fd >= 0)
        (void)close(fd);
    return terminal;
}

void sb_progress_init(sb_progress *p, int32_t on)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term     = getenv("TERM");
    *p                   = (sb_progress){.on = on, .start_ns = sb_now_ns()};
    p->terminal          = on && term != NULL && strcmp(term, "dumb") != 0 && stderr_is_terminal();
    p->colour            = p->terminal && (no_color == NULL || no_color[0] == '\0');
}

/* Attention is quadratic, the rest linear: a few thousand tokens of width stand for the layers'
 * other work. */
double sb_progress_work(const sb_point *p)
{
    double n = (double)p->length_tokens;
    if (p->length_tokens == 0) /* as its rows are: some length, so that rates have a divisor */
        n = 4096;
    if (p->input == NULL)
        return n * (n / 2 + 4096);
    double q = (double)p->input->n_queries;
    return (double)(p->input->heads * p->input->head_dim) * q * (n - q / 2 + 1024);
}

void sb_progress_clear(sb_progress *p)
{
    if (p->terminal)
        (void)fputs("\r\033[K", stderr);
}

static void left_text(double s, char *buf, size_t n)
{
    if (!isfinite(s) || s < 0)
        (void)snprintf(buf, n, "first pass");
    else if (s < 60)
        (void)snprintf(buf, n, "%.0f s left", s);
    else if (s < 3600)
        (void)snprintf(buf, n, "%d:%02d min left", (int)s / 60, (int)s % 60);
    else
        (void)snprintf(buf, n, "%d:%02d h left", (int)s / 3600, (int)s / 60 % 60);
}

static void rewrite(sb_progress *p, int64_t pass, int64_t n_passes)
{
    char   left[32], at[48] = "", rate[48] = "";
    double elapsed = (double)(sb_now_ns() - p->start_ns) * 1e-9;
    double point_s = (double)(sb_now_ns() - p->point_ns) * 1e-9;
    if (!p->terminal)
        return;
    left_text(p->work_done > 0 ? elapsed * (p->work_total - p->work_done) / p->work_done : NAN,
              left, sizeof left);
    if (p->passes > 0 && point_s > 0)
        (void)snprintf(rate, sizeof rate, ", %.0f tokens/s",
                       (double)p->passes * (double)p->point->length_tokens / point_s);
    if (n_passes > 0)
        (void)snprintf(at, sizeof at, ", pass %lld/%lld", (long long)pass, (long long)n_passes);
    /* No wrapping at the margin (DECAWM): a second line would stay behind. What may be cut off
     * comes last. */
    (void)fprintf(stderr,
                  "\r\033[K\033[?7l%s[%lld/%lld]%s %s%s, row %lld/%lld%s: %s, %s %lld\033[?7h",
                  p->colour ? "\033[36m" : "", (long long)p->point_no, (long long)p->n_points,
                  p->colour ? "\033[0m" : "", left, rate, (long long)p->row + 1, (long long)p->rows,
                  at, p->label, p->point->task_name, (long long)p->point->length_tokens);
    (void)fflush(stderr);
}

void sb_progress_point(sb_progress *p, const sb_point *point, int64_t point_no)
{
    p->point    = point;
    p->point_no = point_no;
    p->rows     = point->samples;
    p->point_ns = sb_now_ns();
    p->run_here = p->ok = p->failed = p->passes = 0;
    p->score_sum = p->ms_sum = 0;
    p->reason[0]             = '\0';
    if (sb_point_label(point, p->label, sizeof p->label) != SB_OK)
        (void)snprintf(p->label, sizeof p->label, "%s", point->method->name);
}

void sb_progress_sample(sb_progress *p, int64_t row)
{
    p->row = row;
    rewrite(p, 0, 0);
}

void sb_progress_pass(void *arg, int64_t pass, int64_t n_passes)
{
    sb_progress *p = arg;
    if (!p->on)
        return;
    p->passes++;
    p->work_done += sb_progress_work(p->point) / (double)n_passes;
    rewrite(p, pass, n_passes);
}

void sb_progress_skipped(sb_progress *p) { p->work_total -= sb_progress_work(p->point); }

void sb_progress_result(sb_progress *p, const char *status, const char *reason, double score,
                        double ms)
{
    p->run_here++;
    if (strcmp(status, "ok") == 0) {
        p->ok++;
        p->score_sum += score;
        p->ms_sum += ms;
    } else {
        p->failed += strcmp(status, "failed") == 0;
        p->work_total -= sb_progress_work(p->point);
        (void)snprintf(p->reason, sizeof p->reason, "%s: %s", status, reason);
    }
}

void sb_progress_point_end(sb_progress *p)
{
    if (!p->on || p->run_here == 0)
        return;
    sb_progress_clear(p);
    (void)fprintf(stderr, "[%lld/%lld] %s, %s %lld%s:", (long long)p->point_no,
                  (long long)p->n_points, p->label, p->point->task_name,
                  (long long)p->point->length_tokens,
                  p->point->anchor_only ? " (dense anchor)" : "");
    if (p->ok + p->failed > 0 && sb_point_asks(p->point) &&
        !isnan(p->score_sum)) /* NaN: of times alone */
        (void)fprintf(stderr, " score %.3f ±%.2f,", p->score_sum / (double)(p->ok + p->failed),
                      sb_stats_wilson_half(p->score_sum, p->ok + p->failed));
    if (p->ok + p->failed > 0)
        (void)fprintf(stderr, " n %lld", (long long)(p->ok + p->failed));
    if (p->ok > 0 && !isnan(p->ms_sum)) /* NaN: nothing is timed */
        (void)fprintf(stderr, ", %s %.1f ms", sb_point_asks(p->point) ? "prefill" : "attention",
                      p->ms_sum / (double)p->ok);
    if (p->reason[0] != '\0')
        (void)fprintf(stderr, " %s", p->reason);
    (void)fputc('\n', stderr);
}

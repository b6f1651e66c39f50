/* See trials.h. */
#include "tests/unit/results/gate/trials.h"

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double uniform(sb_xoshiro *x)
{
    return ((double)(sb_xoshiro_next(x) >> 11) + 0.5) * 0x1p-53;
}

static double normal(sb_xoshiro *x)
{
    double u = uniform(x), v = uniform(x);
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

void trials_choose(sb_xoshiro *x, int64_t of, int64_t n, int64_t *out)
{
    int64_t *all = malloc((size_t)of * sizeof *all);
    ck_assert(all != NULL && n <= of);
    for (int64_t i = 0; i < of; i++)
        all[i] = i;
    for (int64_t i = 0; i < n; i++) {
        int64_t j = i + (int64_t)(sb_xoshiro_next(x) % (uint64_t)(of - i));
        int64_t t = all[i];
        all[i]    = all[j];
        all[j]    = t;
        out[i]    = all[i];
    }
    free(all);
}

/* ---- pools ---- */
static int64_t method_of(trials_pool *p, const char *name)
{
    for (int64_t i = 0; i < p->n_methods; i++)
        if (strcmp(p->methods[i], name) == 0)
            return i;
    ck_assert_int_lt(p->n_methods, TRIALS_METHODS);
    (void)snprintf(p->methods[p->n_methods], sizeof p->methods[0], "%s", name);
    return p->n_methods++;
}

void trials_read(const char *path, trials_pool *p)
{
    char    run[64], last[64] = "", method[32], line[4096];
    int64_t capacity = 0, lines = 0, whole = 0;
    FILE   *f = fopen(path, "r");
    *p        = (trials_pool){0};
    ck_assert_msg(f != NULL, "%s: cannot be read", path);
    while (fgets(line, sizeof line, f) != NULL) {
        int64_t row, k = 0;
        int     at = 0;
        if (line[0] == '#')
            continue;
        ck_assert_msg(sscanf(line, "%63[^,],%31[^,],%" SCNd64 ",%n", run, method, &row, &at) == 3 &&
                          at > 0,
                      "%s", line);
        if (strcmp(run, last) != 0) {
            if (p->n_runs > 0 && whole > 0 && lines < whole)
                p->n_runs--;
            whole = lines > whole ? lines : whole;
            lines = 0;
            (void)snprintf(last, sizeof last, "%s", run);
            p->runs = sbi_gate_grow(p->runs, p->n_runs, &capacity, sizeof *p->runs);
            ck_assert_ptr_nonnull(p->runs);
            p->runs[p->n_runs++] = (trials_run){0};
        }
        int64_t m = method_of(p, method);
        ck_assert_int_lt(row, TRIALS_ROWS);
        for (char *s = strtok(line + at, "\" \r\n"); s != NULL && k < TRIALS_REPS;
             s       = strtok(NULL, "\" \r\n"))
            p->runs[p->n_runs - 1].ns[m][row][k++] = strtoll(s, NULL, 10);
        p->n_reps = k;
        p->n_rows = row + 1 > p->n_rows ? row + 1 : p->n_rows;
        lines++;
    }
    if (lines < whole)
        p->n_runs--;
    (void)fclose(f);
    ck_assert_str_eq(p->methods[0], "dense");
}

void trials_invent(trials_pool *p, int64_t n_runs, double drift, uint64_t seed)
{
    sb_xoshiro x;
    sb_xoshiro_init(&x, seed);
    *p      = (trials_pool){.n_methods = 4, .n_rows = 8, .n_reps = 12, .n_runs = n_runs};
    p->runs = calloc((size_t)n_runs, sizeof *p->runs);
    ck_assert_ptr_nonnull(p->runs);
    for (int64_t m = 0; m < 4; m++)
        (void)snprintf(p->methods[m], sizeof p->methods[m], m == 0 ? "dense" : "method_%d", (int)m);
    for (int64_t r = 0; r < n_runs; r++)
        for (int64_t m = 0; m < 4; m++) {
            double run = drift * normal(&x) / sqrt(2), wander = 0;
            for (int64_t i = 0; i < 8; i++)
                for (int64_t k = 0; k < 12; k++) {
                    wander      = 0.9 * wander + 0.01 * normal(&x);
                    double tail = uniform(&x) < 0.1 ? fmin(30, pow(uniform(&x), -1 / 1.5)) : 1;
                    p->runs[r].ns[m][i][k] =
                        (int64_t)(1e6 * exp(run + wander + 0.01 * normal(&x)) * tail);
                }
        }
}

void trials_free(trials_pool *p)
{
    free(p->runs);
    *p = (trials_pool){0};
}

/* ---- sides ---- */
/* Texts of a side that outlive it: their making is no part of a trial. */
static const char *sha_of(int64_t i)
{
    static char shas[1024][65];
    ck_assert_int_lt(i, 1024);
    if (shas[i][0] == '\0')
        (void)snprintf(shas[i], sizeof shas[i], "%064" PRIx64, (uint64_t)i);
    return shas[i];
}

static void add_times(const trials_pool *p, const trials_plan *plan, int64_t m, sbi_gate_times *t)
{
    int64_t most = plan->n_runs * plan->n_rows * plan->n_reps;
    t->reps      = calloc((size_t)most, sizeof *t->reps);
    ck_assert_ptr_nonnull(t->reps);
    for (int64_t r = 0; r < plan->n_runs; r++)
        for (int64_t i = 0; i < plan->n_rows; i++) {
            const char *sha = sha_of(i);
            for (int64_t k = 0; k < plan->n_reps; k++) {
                double ns = (double)p->runs[plan->runs[r]].ns[m][i][k];
                t->reps[t->n++] =
                    (sbi_gate_rep){sha, r, (int64_t)(m == plan->slower ? ns * plan->factor : ns)};
            }
        }
}

static void add_scores(const trials_plan *plan, int64_t m, sbi_gate_cell *c)
{
    sb_xoshiro answers, rerun;
    sb_xoshiro_init(&answers, plan->answers + (uint64_t)m);
    sb_xoshiro_init(&rerun, plan->rerun + 1000 * (uint64_t)m);
    for (int64_t i = 0; i < c->n_samples; i++) {
        double value = uniform(&answers) < plan->right;
        double flip = uniform(&rerun), loss = uniform(&rerun);
        /* as many are lost as are won */
        if (flip < (value > 0 ? plan->flips : plan->flips * plan->right / (1 - plan->right)))
            value = 1 - value;
        /* of all inputs, `loss` lose what they had right */
        if (m == plan->worse && value > 0 && loss < plan->loss / plan->right)
            value = 0;
        c->samples[i].scores = calloc(1, sizeof *c->samples[i].scores);
        ck_assert_ptr_nonnull(c->samples[i].scores);
        c->samples[i].scores[0]  = (sbi_gate_score){"exact@1", value, 1};
        c->samples[i].n_scores   = 1;
        c->samples[i].prediction = value > 0 ? "yes" : "no";
    }
}

void trials_side(const trials_pool *p, const trials_plan *plan, const sb_gate_rules *rules,
                 sbi_gate_side *side)
{
    *side       = (sbi_gate_side){0};
    side->cells = calloc((size_t)p->n_methods, sizeof *side->cells);
    side->runs  = calloc((size_t)plan->n_runs, sizeof *side->runs);
    ck_assert(side->cells != NULL && side->runs != NULL);
    side->n_runs = plan->n_runs;
    for (int64_t r = 0; r < plan->n_runs; r++)
        side->runs[r] = (sbi_gate_run){r, "a device", 0};
    for (int64_t m = 0; m < p->n_methods; m++) {
        if (m == plan->absent)
            continue;
        sbi_gate_cell *c = &side->cells[side->n_cells++];
        *c               = (sbi_gate_cell){.hash          = sha_of(m + 1),
                                           .method        = p->methods[m],
                                           .method_json   = "{}",
                                           .model         = "none",
                                           .suite         = "synthetic",
                                           .task          = "random",
                                           .backend       = "cpu",
                                           .sharding      = "allgather/block_striped",
                                           .decode        = "none",
                                           .experiment    = "task",
                                           .model_json    = "{}",
                                           .task_json     = "{}",
                                           .length_tokens = 1024,
                                           .ranks         = 1,
                                           .place         = "here",
                                           .group         = ""};
        c->n_samples     = plan->n_inputs > plan->n_rows ? plan->n_inputs : plan->n_rows;
        c->samples       = calloc((size_t)c->n_samples, sizeof *c->samples);
        ck_assert_ptr_nonnull(c->samples);
        for (int64_t i = 0; i < c->n_samples; i++)
            c->samples[i] =
                (sbi_gate_sample){.sha = sha_of(i), .row_no = i, .status = "ok", .error = ""};
        for (int64_t k = 0; k < rules->phases.n; k++)
            c->times[k].phase = rules->phases.v[k];
        add_times(p, plan, m, &c->times[0]);
        if (plan->n_inputs > 0)
            add_scores(plan, m, c);
    }
}

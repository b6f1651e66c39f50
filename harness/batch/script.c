/* The job script: slurm/templates/job.sbatch with {{NAME}} replaced. A line with a name that has no
 * text is left out, so that what a site does not ask for leaves no trace. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "harness/batch/batch.h"
#include "harness/batch/quote.h"
#include "harness/batch/template.h"

enum { MAX_VALUES = 64 };

typedef struct values {
    sbi_value_text v[MAX_VALUES];
    int            n;
    sb_status      st;
} values;

/* The text of a name is what is written between open and close. */
static FILE *open_value(values *v, const char *name, size_t *room)
{
    if (v->st == SB_OK && v->n == MAX_VALUES)
        v->st = sb_fail(SB_ERR_INTERNAL, "batch: more than %d values", MAX_VALUES);
    if (v->st != SB_OK)
        return NULL;
    v->v[v->n] = (sbi_value_text){.name = name};
    FILE *f    = open_memstream(&v->v[v->n].text, room);
    if (f == NULL)
        v->st = sb_fail(SB_ERR_NOMEM, "batch: no memory for the script");
    return f;
}

static void close_value(values *v, FILE *f)
{
    if (fclose(f) != 0)
        v->st = sb_fail(SB_ERR_NOMEM, "batch: no memory for the script");
    v->n++;
}

static void put(values *v, const char *name, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;
static void put(values *v, const char *name, const char *fmt, ...)
{
    size_t  room;
    va_list args;
    FILE   *f = open_value(v, name, &room);
    if (f == NULL)
        return;
    va_start(args, fmt);
    (void)vfprintf(f, fmt, args);
    va_end(args);
    close_value(v, f);
}

static void put_none(values *v, const char *name)
{
    if (v->st == SB_OK && v->n == MAX_VALUES)
        v->st = sb_fail(SB_ERR_INTERNAL, "batch: more than %d values", MAX_VALUES);
    if (v->st == SB_OK)
        v->v[v->n++] = (sbi_value_text){.name = name};
}

/* text through one of quote.h; NULL is no text. */
static void put_quoted(values *v, const char *name, const char *text,
                       void (*quote)(const char *, FILE *))
{
    size_t room;
    FILE  *f = text != NULL ? open_value(v, name, &room) : NULL;
    if (text == NULL)
        put_none(v, name);
    if (f == NULL)
        return;
    quote(text, f);
    close_value(v, f);
}

static const char *span(double s, char buf[32])
{
    if (s < 90)
        (void)snprintf(buf, 32, "%.0f s", s);
    else if (s < 5400)
        (void)snprintf(buf, 32, "%.0f min", s / 60);
    else
        (void)snprintf(buf, 32, "%.1f h", s / 3600);
    return buf;
}

/* ---- groups of values ---- */
static void put_elements(values *v, const sb_sweep *s, const sb_batch_job *j)
{
    size_t room;
    char   t[32];
    FILE  *f = open_value(v, "ELEMENTS", &room);
    if (f == NULL)
        return;
    for (int64_t k = 0; k < j->n_elements; k++) {
        const sb_batch_element *e = &j->elements[k];
        const sb_point         *a = &s->points[e->first], *b = &s->points[e->last];
        char                    range[48];
        (void)snprintf(range, sizeof range, "%lld-%lld", (long long)e->first, (long long)e->last);
        (void)fprintf(f, "%s    %-13s # %lld: ", k > 0 ? "\n" : "", range, (long long)k);
        sbi_quote_name(a->task_name, f);
        if (strcmp(a->task_name, b->task_name) != 0) {
            (void)fputs(" to ", f);
            sbi_quote_name(b->task_name, f);
        }
        (void)fprintf(f, " at %lld", (long long)a->length_tokens);
        if (a->length_tokens != b->length_tokens)
            (void)fprintf(f, " to %lld", (long long)b->length_tokens);
        (void)fprintf(f, " tokens, %s, about %s", sb_scheme_name(a->scheme), span(e->seconds, t));
    }
    close_value(v, f);
}

static void put_facts(values *v, const sb_sweep *s, const sb_batch_job *j, const sb_site *site,
                      const sb_batch_texts *t)
{
    char a[32];
    put_quoted(v, "SWEEP_NAME", s->name, sbi_quote_name);
    put_quoted(v, "VERSION", t->version, sbi_quote_name);
    put_quoted(v, "SITE", site->name, sbi_quote_name);
    put(v, "BASIS", "%s", t->basis);
    put(v, "POINTS", "%lld", (long long)j->n_points);
    put(v, "COUNT", "%lld", (long long)j->n_elements);
    put(v, "TOTAL", "%s", span(j->total_s, a));
    put(v, "LONGEST", "%s", span(j->longest_s, a));
    if (j->host_bytes > 0)
        put(v, "MEMORY", "%.2f GiB of the host, %.2f GiB of a GPU", (double)j->host_bytes / 0x1p30,
            (double)j->device_bytes / 0x1p30);
    else
        put_none(v, "MEMORY");
    put(v, "FOLLOWS", "merge%s%s", t->report ? ", report" : "", t->base_db != NULL ? ", gate" : "");
    put(v, "LIST", "%s", s->hash);
    put_elements(v, s, j);
}

static void put_ask(values *v, const sb_sweep *s, const sb_batch_job *j, const sb_site *site,
                    const sb_batch_texts *t)
{
    size_t room;
    FILE  *f = open_value(v, "JOB_NAME", &room);
    if (f == NULL)
        return;
    (void)fputs("span-", f);
    sbi_quote_name(s->name, f);
    close_value(v, f);
    put_quoted(v, "ACCOUNT", site->account, sbi_quote_sbatch);
    put_quoted(v, "PARTITION", site->partition, sbi_quote_sbatch);
    put_quoted(v, "QOS", site->qos, sbi_quote_sbatch);
    put_quoted(v, "CONSTRAINT", site->constraint, sbi_quote_sbatch);
    put_quoted(v, "RESERVATION", site->reservation, sbi_quote_sbatch);
    put_quoted(v, "MAIL_USER", site->mail_user, sbi_quote_sbatch);
    put_quoted(v, "MAIL_TYPE", site->mail_type, sbi_quote_sbatch);
    put(v, "RANKS", "%lld", (long long)j->ranks);
    put(v, "NODES", "%lld", (long long)j->nodes);
    put(v, "TASKS_PER_NODE", "%lld", (long long)j->tasks_per_node);
    put(v, "CPUS", "%lld", (long long)j->cpus_per_task);
    put(v, "MINUTES", "%lld", (long long)j->minutes);
    put(v, "SIGNAL_S", "%.0f", site->signal_s);
    put(v, "REQUEUES", "%lld", (long long)j->requeues);
    if (j->gpus_per_node > 0)
        put(v, "GRES", "%s:%lld", site->gres, (long long)j->gpus_per_node);
    else
        put_none(v, "GRES");
    /* the plan is of the program's own arrays: a quarter and half a GiB on top, up to all there is
     */
    double mib = ceil(((double)j->host_bytes * 1.25 / 0x1p20 + 512) * (double)j->tasks_per_node);
    if (site->memory_gib > 0)
        mib = fmin(mib, floor(site->memory_gib * 1024));
    if (j->host_bytes > 0)
        put(v, "MEM", "%.0fM", mib);
    else
        put_none(v, "MEM");
    if (t->throttle > 0)
        put(v, "ARRAY", "0-%lld%%%lld", (long long)j->n_elements - 1, (long long)t->throttle);
    else
        put(v, "ARRAY", "0-%lld", (long long)j->n_elements - 1);
    if ((f = open_value(v, "LOGS", &room)) == NULL)
        return;
    sbi_quote_log(t->folder, "/logs/%x-%A_%a.log", f);
    close_value(v, f);
    if ((f = open_value(v, "MORE_SBATCH", &room)) == NULL)
        return;
    for (int64_t i = 0; i < site->sbatch.n; i++)
        (void)fprintf(f, "#SBATCH %s\n", site->sbatch.v[i]);
    close_value(v, f);
}

/* NAME=VALUE behind what stands there. */
static void option(FILE *f, const char *name, const char *value)
{
    if (value == NULL)
        return;
    (void)fprintf(f, "%s%s=", ftell(f) > 0 ? " " : "", name);
    sbi_quote_word(value, f);
}

/* The finishing job: one task, none of the array's GPUs. */
static void put_finish(values *v, const sb_site *site, const sb_batch_texts *t)
{
    size_t room;
    FILE  *f = open_value(v, "FINISH_ASK", &room);
    if (f == NULL)
        return;
    option(f, "--account", site->account);
    option(f, "--partition", site->partition);
    option(f, "--qos", site->qos);
    option(f, "--reservation", site->reservation);
    option(f, "--mail-user", site->mail_user);
    option(f, "--mail-type", site->mail_type);
    close_value(v, f);
    put(v, "FINISH_MINUTES", "%lld", (long long)(site->max_minutes < 60 ? site->max_minutes : 60));
    if (t->report)
        put(v, "REPORT", "%s", "");
    else
        put_none(v, "REPORT");
    put_quoted(v, "BASE", t->base_db, sbi_quote_word);
    if ((f = open_value(v, "GATES", &room)) == NULL)
        return;
    if (t->gates != NULL) {
        (void)fputs(" --gates ", f);
        sbi_quote_word(t->gates, f);
    }
    close_value(v, f);
}

static void put_words(values *v, const char *name, const sb_site_words *words)
{
    size_t room;
    FILE  *f = open_value(v, name, &room);
    if (f == NULL)
        return;
    for (int64_t i = 0; i < words->n; i++) {
        sbi_quote_word(words->v[i], f);
        (void)fputc(' ', f);
    }
    close_value(v, f);
}

static void put_setup(values *v, const sb_site *site)
{
    size_t room;
    FILE  *f;
    if (site->modules.n + site->module_paths.n == 0) {
        put_none(v, "MODULES");
    } else if ((f = open_value(v, "MODULES", &room)) != NULL) {
        for (int64_t i = 0; i < site->module_paths.n + site->modules.n; i++) {
            int64_t k = i - site->module_paths.n;
            (void)fprintf(f, "%s    module %s ", i > 0 ? "\n" : "", k < 0 ? "use" : "load");
            sbi_quote_word(k < 0 ? site->module_paths.v[i] : site->modules.v[k], f);
        }
        close_value(v, f);
    }
    if (site->env_names.n == 0) {
        put_none(v, "ENVIRONMENT");
    } else if ((f = open_value(v, "ENVIRONMENT", &room)) != NULL) {
        for (int64_t i = 0; i < site->env_names.n; i++) {
            (void)fprintf(f, "%s    export %s=", i > 0 ? "\n" : "", site->env_names.v[i]);
            sbi_quote_word(site->env_values.v[i], f);
        }
        close_value(v, f);
    }
}

static void put_run(values *v, const sb_batch_job *j, const sb_site *site, const sb_batch_texts *t)
{
    static const char *const mpi[SB_SITE_MPI_COUNT] = {"auto", "pmix", "pmi2", "srun", "mpirun"};
    size_t                   room;
    FILE                    *f;
    put_quoted(v, "SWEEP_PATH", t->sweep_path, sbi_quote_word);
    put_quoted(v, "FOLDER", t->folder, sbi_quote_word);
    put_quoted(v, "MAIN", t->main_db, sbi_quote_word);
    put_words(v, "CONTAINER", &site->container);
    put_quoted(v, "PROGRAM", t->program, sbi_quote_word);
    put_quoted(v, "NODE_LOCAL", site->node_local, sbi_quote_path);
    put(v, "PUBLISH_S", "%g", site->publish_s);
    put(v, "MPI", "%s", mpi[site->mpi]);
    if ((f = open_value(v, "SETS", &room)) == NULL)
        return;
    for (int64_t i = 0; i < t->n_sets; i++) {
        char  *text  = NULL;
        size_t bytes = 0;
        FILE  *one   = open_memstream(&text, &bytes);
        if (one != NULL)
            (void)fprintf(one, "%s=%s", t->sets[i].path, t->sets[i].value);
        if (one == NULL || fclose(one) != 0)
            v->st = sb_fail(SB_ERR_NOMEM, "batch: no memory for the script");
        (void)fputs(i > 0 ? " --set " : "--set ", f);
        if (text != NULL)
            sbi_quote_word(text, f);
        free(text);
    }
    close_value(v, f);
    if ((f = open_value(v, "SRUN", &room)) == NULL)
        return;
    /* Slurm from 22.05 on does not hand a job's --cpus-per-task on to its steps */
    (void)fprintf(f, " --ntasks=%lld --ntasks-per-node=%lld --cpus-per-task=%lld",
                  (long long)j->ranks, (long long)j->tasks_per_node, (long long)j->cpus_per_task);
    option(f, "--cpu-bind", site->cpu_bind);
    option(f, "--gpu-bind", j->gpus_per_node > 0 ? site->gpu_bind : NULL);
    for (int64_t i = 0; i < site->srun.n; i++) {
        (void)fputc(' ', f);
        sbi_quote_word(site->srun.v[i], f);
    }
    close_value(v, f);
}

sb_status sb_batch_write(const sb_sweep *s, const sb_batch_job *j, const sb_site *site,
                         const sb_batch_texts *t, FILE *out)
{
    values v = {.st = SB_OK};
    put_facts(&v, s, j, site, t);
    put_ask(&v, s, j, site, t);
    put_finish(&v, site, t);
    put_setup(&v, site);
    put_run(&v, j, site, t);
    if (v.st == SB_OK)
        v.st = sbi_template_fill(sbi_batch_job, v.v, v.n, out);
    for (int i = 0; i < v.n; i++)
        free(v.v[i].text);
    return v.st;
}

/* All files are opened and understood before the first row is scored, so that a wrong option costs
 * nothing; then row by row, each with every metric. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/score/figures.h"
#include "harness/score/put.h"
#include "harness/score/score.h"
#include "harness/score/source.h"
#include "workloads/metrics/jieba.h"

enum { METRICS_MOST = 16 };

typedef struct job {
    const sb_score_options *o;
    sb_score_outcome       *outcome;
    sbi_source            **files; /* [o->n_files] NULL: cannot be read */
    sbi_choice              choices[METRICS_MOST];
    int64_t                 n_choices;
    sb_jieba               *jieba;
    int32_t                 jieba_tried;
    char                   *no_jieba; /* why it cannot be had */
    sbi_tally               tally;
    FILE                   *out;
    char                   *out_name; /* while it is written */
    sbi_put                *put;
} job;

void sb_score_format_names(char *buf, size_t n) { sbi_format_names(buf, n); }

const char *sb_score_format_name(int64_t i, const char **what)
{
    if (sbi_formats[i] == NULL)
        return NULL;
    *what = sbi_formats[i]->what;
    return sbi_formats[i]->name;
}

static void note(const job *j, const char *text)
{
    if (j->o->note != NULL)
        j->o->note(j->o->arg, text);
}

static void note_bad(job *j)
{
    j->outcome->bad++;
    note(j, sb_error_text());
}

/* ---- before the first row ---- */

static sb_status parse_metrics(job *j)
{
    sb_status st = SB_OK;
    if (j->o->n_metrics > METRICS_MOST)
        return sb_fail(SB_ERR_USAGE, "--metric: found %" PRId64 " of them, allowed %d",
                       j->o->n_metrics, METRICS_MOST);
    if (j->o->n_metrics == 0)
        st = sbi_choice_parse("own", &j->choices[j->n_choices++]);
    for (int64_t i = 0; st == SB_OK && i < j->o->n_metrics; i++) {
        for (int64_t k = 0; k < i; k++)
            if (strcmp(j->o->metrics[i], j->o->metrics[k]) == 0)
                return sb_fail(SB_ERR_USAGE, "--metric: %s is there twice", j->o->metrics[i]);
        st = sbi_choice_parse(j->o->metrics[i], &j->choices[j->n_choices++]);
    }
    return st;
}

static sb_status open_files(job *j)
{
    const sbi_context c      = {.suite         = j->o->suite,
                                .task          = j->o->task,
                                .filter        = j->o->filter,
                                .length_tokens = j->o->length_tokens};
    const sbi_format *format = NULL;
    int64_t           opened = 0;
    if (j->o->format != NULL && (format = sbi_format_find(j->o->format)) == NULL) {
        char names[160];
        sbi_format_names(names, sizeof names);
        return sb_fail(SB_ERR_USAGE, "--format: found %s, allowed auto, %s", j->o->format, names);
    }
    for (int64_t i = 0; i < j->o->n_files; i++) {
        char      text[512], length[32] = "";
        sb_status st = sbi_source_open(j->o->files[i], format, &c, &j->files[i]);
        if (st == SB_ERR_IO) { /* the others are scored */
            note_bad(j);
            continue;
        }
        if (st != SB_OK)
            return st;
        opened++;
        if (sbi_source_context(j->files[i])->length_tokens > 0)
            (void)snprintf(length, sizeof length, ", length %" PRId64,
                           sbi_source_context(j->files[i])->length_tokens);
        (void)snprintf(text, sizeof text, "%s: read as %s (%s)%s", j->o->files[i],
                       sbi_source_format(j->files[i])->name, sbi_source_format(j->files[i])->what,
                       length);
        note(j, text);
    }
    return opened > 0 ? SB_OK : sb_fail(SB_ERR_IO, "no file could be read");
}

static sb_status open_out(job *j)
{
    if (j->o->out == NULL)
        return SB_OK;
    if (asprintf(&j->out_name, "%s.partial", j->o->out) < 0) {
        j->out_name = NULL;
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", j->o->out);
    }
    j->out = fopen(j->out_name, "wb");
    return j->out != NULL ? SB_OK : sb_fail(SB_ERR_IO, "%s: %s", j->out_name, strerror(errno));
}

/* Which files, in which order, and how they were read: kept with the run row. */
static sb_status open_db(job *j)
{
    json_t   *all, *files, *metrics;
    char     *text;
    sb_status st;
    int       bad;
    if (j->o->db == NULL)
        return SB_OK;
    all     = json_pack("{s:[], s:[]}", "files", "metrics");
    files   = json_object_get(all, "files");
    metrics = json_object_get(all, "metrics");
    bad     = all == NULL;
    for (int64_t i = 0; !bad && i < j->o->n_files; i++)
        if (j->files[i] != NULL)
            bad = json_array_append_new(files,
                                        json_pack("{s:s, s:s, s:s}", "path", j->o->files[i],
                                                  "format", sbi_source_format(j->files[i])->name,
                                                  "sha256", sbi_source_sha256(j->files[i]))) != 0;
    for (int64_t i = 0; !bad && i < j->n_choices; i++)
        bad = json_array_append_new(metrics, json_string(j->choices[i].name)) != 0;
    text = bad ? NULL : sbi_dump(all, JSON_COMPACT | JSON_SORT_KEYS);
    st   = text != NULL ? sbi_put_open(j->o, text, &j->put)
                        : sb_fail(SB_ERR_NOMEM, "%s: no memory", j->o->db);
    free(text);
    json_decref(all);
    return st;
}

/* ---- a row ---- */

/* The dictionary is opened when the first row needs it. Without one those rows say why. */
static sb_status need_jieba(job *j)
{
    sb_status st;
    if (!j->jieba_tried) {
        j->jieba_tried = 1;
        st             = sb_jieba_open(j->o->jieba, &j->jieba);
        if (st == SB_ERR_NOMEM)
            return st;
        if (st != SB_OK && (j->no_jieba = strdup(sb_error_text())) == NULL)
            return sb_fail(SB_ERR_NOMEM, "no memory");
    }
    return j->jieba != NULL ? SB_OK : sb_fail(SB_ERR_UNSUPPORTED, "%s", j->no_jieba);
}

typedef struct scored {
    sb_score_facts facts[METRICS_MOST];
    int64_t        n;
    uint8_t       *hits;
    int32_t        has_hits;
    char          *unscored;
} scored;

/* Two --metric can lead to one scorer: its score is stored once. */
static int is_there(const scored *all, const sb_scorer *s)
{
    for (int64_t i = 0; i < all->n; i++)
        if (strcmp(all->facts[i].metric, s->name) == 0)
            return 1;
    return 0;
}

static sb_status write_score(job *j, int64_t file, const sbi_prediction *p, const sb_scorer *s,
                             const sb_text_score *score, const uint8_t *hit)
{
    static const struct {
        uint32_t    flag;
        const char *name;
    } flags[] = {{SB_SCORE_EMPTY, "empty"}, {SB_SCORE_NULL, "null"}, {SB_SCORE_RAISES, "raises"}};
    json_t *o, *hits = NULL;
    char   *text;
    int     bad;
    if (j->out == NULL)
        return SB_OK;
    o   = json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:f}", "file", j->o->files[file],
                    "line", (json_int_t)p->row.line, "suite", p->suite, "task", p->task, "length",
                    (json_int_t)p->length_tokens, "row", (json_int_t)p->row.row, "id", p->row.id,
                    "sha256", p->row.sha256, "metric", s->name, "score", score->value);
    bad = o == NULL;
    if (score->n_hits >= 0 && !bad) {
        bad = (hits = json_array()) == NULL;
        for (int64_t i = 0; !bad && i < p->row.n_refs; i++)
            bad = json_array_append_new(hits, json_integer(hit[i])) != 0;
        bad |= json_object_set_new(o, "hits", hits) != 0;
    }
    for (size_t i = 0; !bad && i < sizeof flags / sizeof *flags; i++)
        if ((score->flags & flags[i].flag) != 0)
            bad = json_object_set_new(o, flags[i].name, json_true()) != 0;
    text = bad ? NULL : sbi_dump(o, JSON_COMPACT);
    json_decref(o);
    if (text == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", j->o->out);
    bad = fputs(text, j->out) < 0 || fputc('\n', j->out) < 0;
    free(text);
    return bad ? sb_fail(SB_ERR_IO, "%s: %s", j->out_name, strerror(errno)) : SB_OK;
}

static sb_status score_one(job *j, int64_t file, const sbi_row_source *src, const sbi_prediction *p,
                           int32_t choice, uint32_t members, scored *all)
{
    const sb_scorer *s = NULL;
    sb_text_score    score;
    sbi_group       *g;
    uint8_t         *hit;
    sb_status        st = sbi_choice_scorer(&j->choices[choice], src, p, &s);
    if (st != SB_OK || (st = sbi_tally_group(&j->tally, p, choice, s, &g)) != SB_OK)
        return st;
    if ((hit = calloc((size_t)p->row.n_refs, 1)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", src->path);
    if ((s->needs & SB_NEED_JIEBA) != 0)
        st = need_jieba(j);
    if (st == SB_OK)
        st = sbi_score_prediction(s, p, j->jieba, hit, &score);
    if (st == SB_ERR_UNSUPPORTED) {
        if (all->unscored == NULL && (all->unscored = strdup(sb_error_text())) == NULL)
            st = sb_fail(SB_ERR_NOMEM, "%s: no memory", src->path);
        else
            st = sbi_group_unscored(g);
        free(hit);
        return st;
    }
    if (st == SB_ERR_USAGE)
        sb_wrap(st, "%s: line %" PRId64, src->path, src->line);
    if (st == SB_OK && (st = sbi_group_add(g, &score, p->row.n_refs, members)) == SB_OK)
        st = is_there(all, s) ? SB_OK : write_score(j, file, p, s, &score, hit);
    if (st == SB_OK && !is_there(all, s)) {
        all->facts[all->n++] = (sb_score_facts){s->name, score.value,
                                                sb_scorer_is_binary(s, p->row.n_refs) &&
                                                    (score.value == 0 || score.value == 1)};
        if (score.n_hits >= 0 && !all->has_hits) {
            memcpy(all->hits, hit, (size_t)p->row.n_refs);
            all->has_hits = 1;
        }
    }
    free(hit);
    return st;
}

static sb_status score_row(job *j, int64_t file, const json_t *root, const sbi_prediction *p)
{
    const sbi_row_source src      = {j->o->files[file], p->row.line, root};
    const sbi_seen      *before   = NULL;
    uint32_t             members  = 0;
    int                  was_new  = 0;
    scored               all      = {0};
    int64_t              unscored = 0;
    sb_status            st       = sbi_members_of(&src, p, &members);
    if (st != SB_OK ||
        (st = sbi_tally_note(&j->tally, p->row.sha256, (int32_t)file, src.line, &before)) != SB_OK)
        return st;
    if (before != NULL)
        return sb_fail(SB_ERR_USAGE,
                       "%s: line %" PRId64 ": the same question as %s line %" PRId64
                       ", which is scored",
                       src.path, src.line, j->o->files[before->file], before->line);
    if ((all.hits = calloc((size_t)p->row.n_refs, 1)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory", src.path);
    for (int32_t i = 0; st == SB_OK && i < j->n_choices; i++)
        st = score_one(j, file, &src, p, i, members, &all);
    unscored = all.unscored != NULL;
    if (st == SB_OK && j->put != NULL &&
        (st = sbi_put_row(j->put, sbi_source_format(j->files[file])->name,
                          sbi_source_sha256(j->files[file]), p, all.facts, all.n,
                          all.has_hits ? all.hits : NULL, all.unscored, &was_new)) == SB_OK) {
        j->outcome->stored += was_new;
        j->outcome->known += !was_new;
    }
    if (st == SB_OK) {
        j->outcome->rows++;
        j->outcome->unscored += unscored;
    }
    free(all.hits);
    free(all.unscored);
    return st;
}

static sb_status score_file(job *j, int64_t file)
{
    sb_status st = SB_OK;
    for (;;) {
        sbi_prediction p    = {0};
        json_t        *root = NULL;
        st                  = sbi_source_next(j->files[file], &root, &p);
        if (st == SB_OK && root == NULL)
            return SB_OK;
        if (st == SB_OK && p.skip)
            j->outcome->skipped++;
        else if (st == SB_OK)
            st = score_row(j, file, root, &p);
        sbi_prediction_fini(&p);
        json_decref(root);
        if (st == SB_ERR_USAGE)
            note_bad(j);
        else if (st != SB_OK)
            return st;
    }
}

/* ---- all of it ---- */

static sb_status close_out(job *j, sb_status st)
{
    if (j->out != NULL && (fclose(j->out) != 0) && st == SB_OK)
        st = sb_fail(SB_ERR_IO, "%s: %s", j->out_name, strerror(errno));
    j->out = NULL;
    if (j->out_name != NULL && st == SB_OK && rename(j->out_name, j->o->out) != 0)
        st = sb_fail(SB_ERR_IO, "%s: %s", j->o->out, strerror(errno));
    if (j->out_name != NULL && st != SB_OK)
        (void)remove(j->out_name);
    return st;
}

static sb_status run(job *j, sb_score_table *table)
{
    sb_status st = parse_metrics(j);
    if (st != SB_OK || (st = open_files(j)) != SB_OK || (st = open_out(j)) != SB_OK ||
        (st = open_db(j)) != SB_OK)
        return st;
    for (int64_t i = 0; st == SB_OK && i < j->o->n_files; i++)
        if (j->files[i] != NULL)
            st = score_file(j, i);
    return st == SB_OK ? sbi_figures(&j->tally, j->choices, table) : st;
}

sb_status sb_score_run(const sb_score_options *o, sb_score_table *table, sb_score_outcome *outcome)
{
    job       j = {.o = o, .outcome = outcome};
    sb_status st;
    *outcome = (sb_score_outcome){0};
    if (o->db != NULL && (o->model == NULL || o->method == NULL))
        return sb_fail(SB_ERR_USAGE, "--db: %s says whose predictions these are, and it is missing",
                       o->model == NULL ? "--model NAME" : "--method NAME");
    j.files = calloc((size_t)(o->n_files > 0 ? o->n_files : 1), sizeof(sbi_source *));
    st      = j.files != NULL ? run(&j, table) : sb_fail(SB_ERR_NOMEM, "no memory");
    st      = close_out(&j, st);
    if (j.put != NULL)
        st = sbi_put_close(j.put, st);
    for (int64_t i = 0; j.files != NULL && i < o->n_files; i++)
        sbi_source_close(j.files[i]);
    free(j.files);
    free(j.out_name);
    free(j.no_jieba);
    sb_jieba_close(j.jieba);
    sbi_tally_fini(&j.tally);
    return st;
}

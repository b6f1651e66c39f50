/* samples_<task>_<date>.jsonl of the lm-evaluation-harness (--log_samples): doc_id, doc (the data
 * set's row), target, resps [[text]], filtered_resps [text], filter. What is scored is the first
 * filtered response, as there. Documents that the harness takes from RULER and LongBench hold the
 * references; of other tasks the references are `target`, and --metric says how to score. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/score/formats.h"
#include "workloads/registry.h"
#include "workloads/ruler/ruler.h"

static int is(const json_t *row)
{
    return json_is_object(json_object_get(row, "doc")) &&
           (sbi_has(row, "resps") || sbi_has(row, "filtered_resps"));
}

/* "_2026-01-01T00-00-00.000000" at the end goes. */
static void without_date(char *name)
{
    char *at = strrchr(name, '_');
    int   y, mo, d, h, mi, s, n = 0;
    if (at != NULL && sscanf(at, "_%4d-%2d-%2dT%2d-%2d-%2d%n", &y, &mo, &d, &h, &mi, &s, &n) == 6 &&
        strspn(at + n, ".0123456789") == strlen(at + n))
        *at = '\0';
}

/* The harness' own name of the task. */
static const char *harness_name(const sbi_context *c, char buf[256])
{
    (void)snprintf(buf, 256, "%s", c->name);
    without_date(buf);
    return strncmp(buf, "samples_", 8) == 0 ? buf + 8 : buf;
}

typedef struct found {
    const char *suite;
    char        task[256];
} found;

/* Which suite and task of ours a task of the harness is. */
static void find(const sbi_context *c, found *f)
{
    static const char *const renamed[][2] = {{"ruler_vt", "vt"},
                                             {"ruler_cwe", "cwe"},
                                             {"ruler_fwe", "fwe"},
                                             {"ruler_qa_squad", "qa_1"},
                                             {"ruler_qa_hotpot", "qa_2"}};
    char                     buf[256];
    const char              *name = c->task != NULL ? c->task : harness_name(c, buf);
    size_t                   n;
    (void)snprintf(f->task, sizeof f->task, "%s", name);
    f->suite = c->suite;
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
        if (strcmp(name, renamed[i][0]) == 0)
            (void)snprintf(f->task, sizeof f->task, "%s", renamed[i][1]);
    if (f->suite == NULL && sb_ruler_task_find(f->task) != NULL)
        f->suite = "ruler";
    if (f->suite == NULL && strncmp(name, "longbench_", 10) == 0) {
        f->suite = "longbench";
        (void)snprintf(f->task, sizeof f->task, "%s", name + 10);
        n = strlen(f->task);
        if (n > 2 && strcmp(f->task + n - 2, "_e") == 0) {
            f->suite       = "longbench_e";
            f->task[n - 2] = '\0';
        }
    }
    if (f->suite == NULL)
        f->suite = "lm-eval";
}

static sb_status check(const sbi_context *c, const char *path)
{
    found f;
    find(c, &f);
    if (f.task[0] == '\0')
        return sb_fail(SB_ERR_USAGE,
                       "%s: the file's name is not samples_<task>_<date>: give --task", path);
    return SB_OK;
}

static sb_status take_response(const sbi_row_source *s, sbi_prediction *out)
{
    const char   *field = sbi_has(s->row, "filtered_resps") ? "filtered_resps" : "resps";
    const json_t *v     = json_object_get(s->row, field);
    for (int depth = 0; depth < 2 && json_is_array(v) && json_array_size(v) > 0; depth++)
        v = json_array_get(v, 0);
    if (!json_is_string(v))
        return sbi_row_wrong(s, field, v, "an array whose first response is a string");
    if ((out->preds = calloc(1, sizeof *out->preds)) == NULL ||
        (out->preds[0] = strdup(json_string_value(v))) == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for a prediction", s->path);
    out->n_preds = 1;
    return SB_OK;
}

static sb_status take_target(const sbi_row_source *s, sbi_prediction *out)
{
    const json_t *v = json_object_get(s->row, "target");
    if (json_is_array(v))
        return sbi_row_texts(s, "target", v, 0, &out->row.refs, &out->row.n_refs);
    if ((out->row.refs = calloc(1, sizeof *out->row.refs)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", s->path);
    out->row.n_refs = 1;
    return sbi_row_value_text(s, "target", v, &out->row.refs[0]);
}

static sb_status take_longbench(const sbi_row_source *doc, sbi_prediction *out)
{
    static const char *const meta[]  = {"length", "dataset", "language", "_id", NULL};
    const json_t            *classes = json_object_get(doc->row, "all_classes");
    sb_status st = sbi_row_texts(doc, "answers", json_object_get(doc->row, "answers"), 1,
                                 &out->row.refs, &out->row.n_refs);
    if (st == SB_OK && json_is_array(classes) && json_array_size(classes) > 0)
        st = sbi_row_texts(doc, "all_classes", classes, 1, &out->row.classes, &out->row.n_classes);
    return st == SB_OK ? sbi_take_meta(doc, meta, out) : st;
}

static sb_status read_row(const sbi_context *c, const sbi_row_source *s, sbi_prediction *out)
{
    const sbi_row_source doc    = {s->path, s->line, json_object_get(s->row, "doc")};
    const char          *filter = NULL;
    found                f;
    sb_status            st;
    find(c, &f);
    out->row.n_tokens = -1;
    if (sbi_has(s->row, "filter") && (st = sbi_row_string(s, "filter", &filter)) != SB_OK)
        return st;
    if (c->filter != NULL && filter != NULL && strcmp(filter, c->filter) != 0) {
        out->skip = 1;
        return SB_OK;
    }
    if (!json_is_object(doc.row))
        return sbi_row_wrong(s, "doc", doc.row, "an object");
    if ((st = sbi_prediction_name(s, out, f.suite, f.task)) != SB_OK ||
        (st = sbi_row_id(s, "doc_id", &out->row)) != SB_OK)
        return st;
    if (strcmp(f.suite, "ruler") == 0) {
        if ((st = sbi_take_ruler_answers(&doc, "outputs", f.task, out)) == SB_OK)
            st = sbi_take_count(&doc, "max_length", c->length_tokens, &out->length_tokens);
    } else {
        out->length_tokens = c->length_tokens;
        st                 = strncmp(f.suite, "longbench", 9) == 0 && sbi_has(doc.row, "answers")
                                 ? take_longbench(&doc, out)
                                 : take_target(s, out);
    }
    return st == SB_OK ? take_response(s, out) : st;
}

const sbi_format sbi_format_lmeval = {
    "lm-eval", "samples_<task>_<date>.jsonl of lm-evaluation-harness", 0, is, check, read_row};

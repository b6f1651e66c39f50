/* LongBench's pred/<model>/<dataset>.jsonl and pred_e/...: pred, answers, all_classes, length. And
 * what v2 writes: the data set's row with response, pred (the letter read from it) and judge; its
 * response is scored, so that one reading holds for all files. */
#include <stdio.h>
#include <string.h>

#include "harness/score/formats.h"
#include "workloads/metrics/longbench.h"
#include "workloads/registry.h"

static int is_v1(const json_t *row)
{
    return sbi_has(row, "pred") && sbi_has(row, "answers") && sbi_has(row, "all_classes");
}

static const char *task_of(const sbi_context *c)
{
    char                name[256];
    size_t              n;
    const sb_longbench *d;
    (void)snprintf(name, 256, "%s", c->task != NULL ? c->task : c->name);
    n = strlen(name);
    if (n > 2 && strcmp(name + n - 2, "_e") == 0)
        name[n - 2] = '\0';
    d = sb_longbench_find(name);
    return d == NULL ? NULL : d->name;
}

static sb_status check_v1(const sbi_context *c, const char *path)
{
    if (task_of(c) == NULL)
        return sb_fail(SB_ERR_USAGE,
                       "%s: `%s` is no dataset of LongBench (narrativeqa ... "
                       "repobench-p): give --task",
                       path, c->task != NULL ? c->task : c->name);
    return SB_OK;
}

static sb_status read_v1(const sbi_context *c, const sbi_row_source *s, sbi_prediction *out)
{
    static const char *const meta[] = {"length", NULL};
    const char   *suite   = c->suite != NULL ? c->suite : c->is_e ? "longbench_e" : "longbench";
    const json_t *classes = json_object_get(s->row, "all_classes");
    sb_status     st      = sbi_prediction_name(s, out, suite, task_of(c));
    out->row.n_tokens     = -1;
    out->length_tokens    = c->length_tokens;
    if (st != SB_OK ||
        (st = sbi_row_texts(s, "answers", json_object_get(s->row, "answers"), 1, &out->row.refs,
                            &out->row.n_refs)) != SB_OK ||
        (st = sbi_take_meta(s, meta, out)) != SB_OK)
        return st;
    if (json_is_array(classes) && json_array_size(classes) > 0)
        st = sbi_row_texts(s, "all_classes", classes, 1, &out->row.classes, &out->row.n_classes);
    else if (!json_is_array(classes) && !json_is_null(classes))
        st = sbi_row_wrong(s, "all_classes", classes, "an array of strings or null");
    return st == SB_OK ? sbi_prediction_take(s, "pred", out) : st;
}

const sbi_format sbi_format_longbench = {
    "longbench", "LongBench's pred/<model>/<dataset>.jsonl, pred_e/...", 0, is_v1, check_v1,
    read_v1};

/* ---- v2 ---- */

static int is_v2(const json_t *row)
{
    return sbi_has(row, "response") && sbi_has(row, "answer") && sbi_has(row, "difficulty");
}

static sb_status check_v2(const sbi_context *c, const char *path)
{
    (void)c;
    (void)path;
    return SB_OK;
}

static sb_status read_v2(const sbi_context *c, const sbi_row_source *s, sbi_prediction *out)
{
    static const char *const meta[] = {"difficulty", "length", "domain", "sub_domain", NULL};
    const char              *suite  = c->suite != NULL ? c->suite : "longbench_v2", *answer;
    const sb_text_suite     *v2     = sb_text_suite_find("longbench_v2");
    sb_status                st;
    out->row.n_tokens  = -1;
    out->length_tokens = c->length_tokens;
    st = sbi_prediction_name(s, out, suite, c->task != NULL ? c->task : v2->tasks[0].name);
    if (st != SB_OK || (st = sbi_row_word(s, "answer", "A|B|C|D", &answer)) != SB_OK ||
        (st = sbi_row_id(s, "_id", &out->row)) != SB_OK ||
        (st = sbi_take_meta(s, meta, out)) != SB_OK)
        return st;
    st            = sbi_prediction_take(s, "answer", out); /* a list of one text: the reference's */
    out->row.refs = out->preds;
    out->row.n_refs = out->n_preds;
    out->preds      = NULL;
    out->n_preds    = 0;
    return st == SB_OK ? sbi_prediction_take(s, "response", out) : st;
}

const sbi_format sbi_format_longbench_v2 = {
    "longbench_v2", "LongBench v2's results/<model>.jsonl", 0, is_v2, check_v2, read_v2};

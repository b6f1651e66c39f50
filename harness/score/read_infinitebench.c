/* InfiniteBench's results/<model>/preds_<task>.jsonl: id, prediction (or pred), ground_truth (or
 * label). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/score/formats.h"
#include "workloads/metrics/infbench.h"

static int is(const json_t *row)
{
    return (sbi_has(row, "prediction") || sbi_has(row, "pred")) &&
           (sbi_has(row, "ground_truth") || sbi_has(row, "label"));
}

/* preds_<task> or preds_<task>_<first>-<last>. */
static const char *task_of(const sbi_context *c)
{
    char               name[256];
    char              *at;
    const sb_infbench *t;
    (void)snprintf(name, 256, "%s", c->task != NULL ? c->task : c->name);
    at = strncmp(name, "preds_", 6) == 0 ? name + 6 : name;
    if ((t = sb_infbench_find(at)) == NULL) {
        char *mark = strrchr(at, '_');
        if (mark != NULL && mark[1] != '\0' && mark[1 + strspn(mark + 1, "0123456789-")] == '\0') {
            *mark = '\0';
            t     = sb_infbench_find(at);
        }
    }
    return t == NULL ? NULL : t->name;
}

static sb_status check(const sbi_context *c, const char *path)
{
    if (task_of(c) == NULL)
        return sb_fail(SB_ERR_USAGE,
                       "%s: `%s` is no preds_<task> of InfiniteBench (passkey ... code_debug): "
                       "give --task",
                       path, c->task != NULL ? c->task : c->name);
    return SB_OK;
}

static sb_status take_truth(const sbi_row_source *s, const char *task, sbi_prediction *out)
{
    const char   *field = sbi_has(s->row, "ground_truth") ? "ground_truth" : "label";
    const json_t *v     = json_object_get(s->row, field);
    int choice = strcmp(task, "code_debug") == 0 || strcmp(task, "longbook_choice_eng") == 0;
    if (strcmp(task, "math_calc") == 0 && json_is_array(json_array_get(v, 0)))
        v = json_array_get(v, 0);
    if (choice && json_array_size(v) != 2)
        return sbi_row_wrong(s, field, v, "an array of an answer and its letter");
    if (json_is_array(v))
        return sbi_row_texts(s, field, v, 0, &out->row.refs, &out->row.n_refs);
    if ((out->row.refs = calloc(1, sizeof *out->row.refs)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", s->path);
    out->row.n_refs = 1;
    return sbi_row_value_text(s, field, v, &out->row.refs[0]);
}

static sb_status read_row(const sbi_context *c, const sbi_row_source *s, sbi_prediction *out)
{
    const char *task = task_of(c);
    sb_status st = sbi_prediction_name(s, out, c->suite != NULL ? c->suite : "infinitebench", task);
    out->row.n_tokens  = -1;
    out->length_tokens = c->length_tokens;
    if (st != SB_OK || (st = sbi_row_id(s, "id", &out->row)) != SB_OK ||
        (st = take_truth(s, task, out)) != SB_OK)
        return st;
    return sbi_prediction_take(s, sbi_has(s->row, "prediction") ? "prediction" : "pred", out);
}

const sbi_format sbi_format_infinitebench = {
    "infinitebench", "InfiniteBench's preds_<task>.jsonl", 0, is, check, read_row};

/* predictions.csv of kvpress: columns task, answer (a list as Python or numpy prints it, or a
 * text), predicted_answer; of its LongBench also all_classes and length. The contexts are not in
 * the file, so a row is known by its place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/score/formats.h"
#include "harness/score/literal.h"
#include "workloads/registry.h"

static int is(const json_t *row)
{
    return sbi_has(row, "predicted_answer") && (sbi_has(row, "answer") || sbi_has(row, "answers"));
}

static sb_status check(const sbi_context *c, const char *path)
{
    (void)c;
    (void)path;
    return SB_OK;
}

static const char *suite_of(const char *task)
{
    static const char *const names[] = {"ruler", "longbench", "infinitebench", NULL};
    for (const char *const *n = names; *n != NULL; n++)
        if (sb_text_task_find(sb_text_suite_find(*n), task) != NULL)
            return *n;
    return "kvpress";
}

/* A list, or one text. */
static sb_status take_list(const sbi_row_source *s, const char *field, char ***out, int64_t *n)
{
    const char *text;
    sb_status   st = sbi_row_string(s, field, &text);
    if (st != SB_OK || (st = sbi_literal_list(text, out, n)) != SB_OK)
        return st;
    if (*n == 0)
        return sbi_row_fail(s, field, "an empty list");
    if (*n > 0)
        return SB_OK;
    *n = 0;
    if ((*out = calloc(1, sizeof **out)) == NULL || ((*out)[0] = strdup(text)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", s->path);
    *n = 1;
    return SB_OK;
}

static sb_status take_length(const sbi_row_source *s, sb_text_row *r)
{
    const char *text = json_string_value(json_object_get(s->row, "length"));
    char       *end  = NULL;
    long long   v    = text == NULL ? -1 : strtoll(text, &end, 10);
    json_t     *meta;
    if (text == NULL || *text == '\0')
        return SB_OK;
    if (v < 0 || *end != '\0')
        return sbi_row_fail(s, "length", "`%.40s`, not a whole number from 0", text);
    if ((meta = json_pack("{s:I}", "length", (json_int_t)v)) != NULL)
        r->meta = sbi_row_dump(meta, 0);
    json_decref(meta);
    return r->meta != NULL ? SB_OK : sb_fail(SB_ERR_NOMEM, "%s: no memory", s->path);
}

static sb_status read_row(const sbi_context *c, const sbi_row_source *s, sbi_prediction *out)
{
    const char *task = c->task, *suite, *answer = sbi_has(s->row, "answers") ? "answers" : "answer";
    char        name[256];
    size_t      n;
    sb_status   st;
    out->row.n_tokens  = -1;
    out->length_tokens = c->length_tokens;
    if (task == NULL && (st = sbi_row_string(s, "task", &task)) != SB_OK)
        return st;
    if ((n = strlen(task)) == 0 || n >= sizeof name)
        return sbi_row_fail(s, "task", "`%.40s`, not a task's name", task);
    (void)snprintf(name, 256, "%s", task);
    suite = suite_of(name);
    if (n > 2 && strcmp(name + n - 2, "_e") == 0 && strcmp(suite, "kvpress") == 0) {
        name[n - 2] = '\0';
        if (strcmp(suite_of(name), "longbench") == 0)
            suite = "longbench_e";
        else
            name[n - 2] = '_';
    }
    if (c->suite != NULL)
        suite = c->suite;
    if ((st = sbi_prediction_name(s, out, suite, name)) != SB_OK ||
        (st = take_list(s, answer, &out->row.refs, &out->row.n_refs)) != SB_OK ||
        (strcmp(suite, "ruler") == 0 &&
         (st = sbi_check_ruler_answers(s, answer, name, out)) != SB_OK) ||
        (st = take_length(s, &out->row)) != SB_OK)
        return st;
    if (sbi_has(s->row, "all_classes") &&
        json_string_length(json_object_get(s->row, "all_classes")) > 0 &&
        (st = take_list(s, "all_classes", &out->row.classes, &out->row.n_classes)) != SB_OK)
        return st;
    return sbi_prediction_take(s, "predicted_answer", out);
}

const sbi_format sbi_format_kvpress = {"kvpress", "predictions.csv of kvpress", 1, is, check,
                                       read_row};

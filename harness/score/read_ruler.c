/* Lines that NVIDIA/RULER's call_api.py writes, SAVE/<length>/pred/<task>.jsonl: index, pred, input
 * (with its answer prefix), outputs, others, truncation, length. Also its validation.jsonl with a
 * field pred, DATA/<length>/<task>/validation.jsonl. `index` may collide and is not used. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/score/formats.h"
#include "workloads/base/pytext.h"
#include "workloads/registry.h"

static int is(const json_t *row) { return sbi_has(row, "pred") && sbi_has(row, "outputs"); }

/* <task>, <task>-<chunk>, or the folder of validation.jsonl; NULL: none of the suite's. */
static const char *task_of(const sbi_context *c)
{
    const sb_text_suite *ruler = sb_text_suite_find("ruler");
    const sb_text_task  *t;
    char                 name[256];
    char                *dash;
    if (c->task != NULL)
        return c->task;
    (void)snprintf(name, 256, "%s", c->name);
    if ((t = sb_text_task_find(ruler, name)) == NULL && (dash = strrchr(name, '-')) != NULL &&
        dash[1] != '\0' && dash[1 + strspn(dash + 1, "0123456789")] == '\0') {
        *dash = '\0';
        t     = sb_text_task_find(ruler, name);
    }
    if (t == NULL)
        t = sb_text_task_find(ruler, c->folder);
    return t == NULL ? NULL : t->name;
}

static sb_status check(const sbi_context *c, const char *path)
{
    if (task_of(c) == NULL)
        return sb_fail(SB_ERR_USAGE,
                       "%s: neither the file's name nor its folder's is a task of RULER "
                       "(niah_single_1 ... qa_2): give --task",
                       path);
    return SB_OK;
}

static sb_status take_prompt(const sbi_row_source *s, sb_text_row *r)
{
    const char *input, *prefix = "";
    size_t      a, b;
    sb_status   st;
    if (!sbi_has(s->row, "input"))
        return SB_OK;
    if ((st = sbi_row_string(s, "input", &input)) != SB_OK ||
        (sbi_has(s->row, "answer_prefix") &&
         (st = sbi_row_string(s, "answer_prefix", &prefix)) != SB_OK))
        return st;
    a = strlen(input);
    b = strlen(prefix);
    if ((r->prompt = malloc(a + b + 1)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for a prompt", s->path);
    memcpy(r->prompt, input, a);
    memcpy(r->prompt + a, prefix, b + 1);
    r->prompt_bytes = (int64_t)(a + b);
    r->input_bytes  = (int64_t)a;
    return SB_OK;
}

static sb_status read_row(const sbi_context *c, const sbi_row_source *s, sbi_prediction *out)
{
    const char *task = task_of(c);
    sb_status   st;
    out->length_tokens = c->length_tokens;
    out->row.n_tokens  = -1;
    if ((st = sbi_prediction_name(s, out, c->suite != NULL ? c->suite : "ruler", task)) != SB_OK ||
        (st = take_prompt(s, &out->row)) != SB_OK ||
        (st = sbi_take_ruler_answers(s, "outputs", task, out)) != SB_OK)
        return st;
    return sbi_prediction_take(s, "pred", out);
}

const sbi_format sbi_format_ruler = {
    "ruler", "RULER's pred/<task>.jsonl, or its validation.jsonl with pred", 0, is, check,
    read_row};

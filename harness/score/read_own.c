/* Our own jsonl with `pred` beside what `spanbench gen` wrote: the row says all that is needed. */
#include <stdlib.h>
#include <string.h>

#include "harness/score/formats.h"
#include "workloads/base/pytext.h"
#include "workloads/metrics/scorer.h"

static int is(const json_t *row)
{
    return sbi_has(row, "pred") && sbi_has(row, "outputs") &&
           (sbi_has(row, "metric") || sbi_has(row, "suite"));
}

static sb_status check(const sbi_context *c, const char *path)
{
    (void)c;
    (void)path;
    return SB_OK;
}

/* A string that may be missing; it lives as long as the row. */
static sb_status text_of(const sbi_row_source *s, const char *field, const char **out)
{
    *out = NULL;
    return sbi_has(s->row, field) ? sbi_row_string(s, field, out) : SB_OK;
}

static sb_status flag_of(const sbi_row_source *s, const char *field, int32_t *out)
{
    int64_t   v;
    sb_status st = sbi_take_count(s, field, 0, &v);
    if (st == SB_OK && v > 1)
        return sbi_row_fail(s, field, "a number above 1, not 0 or 1");
    *out = (int32_t)v;
    return st;
}

static sb_status take_prompt(const sbi_row_source *s, sb_text_row *r)
{
    const char *input, *prefix;
    sbi_text    t = {0};
    sb_status   st;
    if ((st = text_of(s, "input", &input)) != SB_OK ||
        (st = text_of(s, "answer_prefix", &prefix)) != SB_OK || input == NULL)
        return st;
    sbi_text_puts(&t, input);
    r->input_bytes = t.n;
    sbi_text_puts(&t, prefix != NULL ? prefix : "");
    r->prompt_bytes = t.n;
    sbi_text_put(&t, "", 0);
    if ((st = sbi_text_status(&t)) == SB_OK && (r->prompt = sbi_text_take(&t)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory for a prompt", s->path);
    sbi_text_fini(&t);
    return st;
}

static sb_status take_relevance(const sbi_row_source *s, sb_text_row *r)
{
    const json_t *v = json_object_get(s->row, "relevance");
    if (v == NULL)
        return SB_OK;
    if (!json_is_array(v) || (int64_t)json_array_size(v) != r->n_refs)
        return sbi_row_wrong(s, "relevance", v, "an array as long as outputs");
    if ((r->relevance = calloc((size_t)r->n_refs, sizeof *r->relevance)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", s->path);
    for (int64_t i = 0; i < r->n_refs; i++) {
        const json_t *n = json_array_get(v, (size_t)i);
        if (!json_is_integer(n))
            return sbi_row_wrong(s, "relevance", n, "an array of whole numbers");
        r->relevance[i] = json_integer_value(n);
    }
    return SB_OK;
}

static sb_status take_scoring(const sbi_row_source *s, sb_text_row *r)
{
    const char *metric, *question;
    sb_status   st;
    if ((st = text_of(s, "metric", &metric)) != SB_OK)
        return st;
    if (metric != NULL) {
        const sb_scorer *found = sb_scorer_find(metric);
        if (found == NULL)
            return sbi_row_fail(s, "metric", "`%.40s`, not a name of `spanbench list metrics`",
                                metric);
        r->scorer = found->name;
    }
    if ((sbi_has(s->row, "classes") &&
         (st = sbi_row_texts(s, "classes", json_object_get(s->row, "classes"), 1, &r->classes,
                             &r->n_classes)) != SB_OK) ||
        (st = take_relevance(s, r)) != SB_OK || (st = text_of(s, "question", &question)) != SB_OK ||
        (st = text_of(s, "scorer_task", &r->scorer_task)) != SB_OK ||
        (st = text_of(s, "answer_mark", &r->answer_mark)) != SB_OK ||
        (st = flag_of(s, "first_line", &r->first_line)) != SB_OK ||
        (st = flag_of(s, "stop_newline", &r->stop_newline)) != SB_OK ||
        (st = flag_of(s, "chat", &r->chat)) != SB_OK ||
        (st = sbi_take_count(s, "max_gen", 0, &r->gen_tokens)) != SB_OK)
        return st;
    if (question != NULL && (r->question = strdup(question)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", s->path);
    return SB_OK;
}

/* A row that says its own hash must still be that row. */
static sb_status take_sha256(const sbi_row_source *s, sb_text_row *r)
{
    const char *said;
    sb_status   st = text_of(s, "sha256", &said);
    if (st != SB_OK || said == NULL)
        return st;
    if (strlen(said) != 64 || strspn(said, "0123456789abcdef") != 64)
        return sbi_row_fail(s, "sha256", "`%.70s`, not 64 digits of 0-9, a-f", said);
    if (r->prompt != NULL && sbi_has(s->row, "answer_prefix") && sbi_has(s->row, "metric") &&
        sbi_has(s->row, "max_gen") && sbi_has(s->row, "chat")) {
        if ((st = sb_text_row_seal(r)) != SB_OK)
            return st;
        if (strcmp(said, r->sha256) != 0)
            return sbi_row_fail(s, "sha256",
                                "%.12s..., but the row's fields give %.12s...: prompt, answers or "
                                "scoring were changed",
                                said, r->sha256);
    }
    memcpy(r->sha256, said, 65);
    return SB_OK;
}

static sb_status take_preds(const sbi_row_source *s, sbi_prediction *out)
{
    const json_t *v = json_object_get(s->row, "pred");
    if (json_is_array(v) && json_array_size(v) > 0)
        return sbi_row_texts(s, "pred", v, 1, &out->preds, &out->n_preds);
    if (json_is_array(v)) /* a list without answers */
        return SB_OK;
    if (!json_is_string(v))
        return sbi_row_wrong(s, "pred", v, "a string or an array of strings");
    return sbi_prediction_take(s, "pred", out);
}

static sb_status read_row(const sbi_context *c, const sbi_row_source *s, sbi_prediction *out)
{
    const char   *suite, *task;
    const json_t *m = json_object_get(s->row, "meta");
    sb_status     st;
    if ((st = text_of(s, "suite", &suite)) != SB_OK || (st = text_of(s, "task", &task)) != SB_OK)
        return st;
    suite = c->suite != NULL ? c->suite : suite != NULL ? suite : "jsonl";
    task  = c->task != NULL ? c->task : task;
    if (task == NULL)
        return sbi_row_fail(s, "task", "nothing, not a string (or give --task)");
    if ((st = sbi_prediction_name(s, out, suite, task)) != SB_OK ||
        (st = sbi_row_id(s, "id", &out->row)) != SB_OK ||
        (st = take_prompt(s, &out->row)) != SB_OK ||
        (st = sbi_row_texts(s, "outputs", json_object_get(s->row, "outputs"), 0, &out->row.refs,
                            &out->row.n_refs)) != SB_OK ||
        (st = take_scoring(s, &out->row)) != SB_OK ||
        (st = sbi_take_count(s, "row", out->row.row, &out->row.row)) != SB_OK ||
        (st = sbi_take_count(s, "n_tokens", -1, &out->row.n_tokens)) != SB_OK ||
        (st = sbi_take_count(s, "length", c->length_tokens, &out->length_tokens)) != SB_OK ||
        (st = take_sha256(s, &out->row)) != SB_OK || (st = take_preds(s, out)) != SB_OK)
        return st;
    if (m != NULL && !json_is_object(m))
        return sbi_row_wrong(s, "meta", m, "an object");
    if (m != NULL && (out->row.meta = sbi_row_dump(m, 0)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", s->path);
    return SB_OK;
}

const sbi_format sbi_format_own = {"spanbench", "lines of `spanbench gen` with pred", 0, is, check,
                                   read_row};

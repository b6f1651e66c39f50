#include "workloads/ruler/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/jsonl.h"
#include "workloads/base/pytext.h"
#include "workloads/base/sha256.h"
#include "workloads/ruler/file.h"
#include "workloads/ruler/sample.h"

int64_t sb_ruler_task_answers(const sb_ruler_task *t)
{
    switch (t->generator) {
    case SB_RULER_NIAH:
        return t->n_queries * t->n_values;
    case SB_RULER_VT:
        return 5;
    case SB_RULER_CWE:
        return 10;
    case SB_RULER_FWE:
        return 3;
    default:
        return 0;
    }
}

void sb_ruler_import_close(sb_ruler_import *im)
{
    if (im == NULL)
        return;
    for (int64_t i = 0; i < im->n_rows; i++) {
        sb_ruler_sample_fini(&im->rows[i]);
        free(im->predictions[i]);
    }
    for (int64_t i = 0; i < im->n_bad; i++)
        free(im->bad[i].why);
    free(im->rows);
    free(im->predictions);
    free(im->bad);
    free(im);
}

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "rows of RULER: no memory"); }

/* One line, for errors. */
typedef struct source {
    const char *path;
    int64_t     line;
} source;

static sb_status wrong(const source *s, const char *field, const json_t *v, const char *want)
{
    return sb_fail(SB_ERR_USAGE, "%s: line %" PRId64 ": %s: %s, not %s", s->path, s->line, field,
                   sbi_json_kind(v), want);
}

static sb_status take_number(const source *s, const json_t *row, const char *field, int64_t least,
                             int64_t otherwise, int64_t *out)
{
    const json_t *v = json_object_get(row, field);
    *out            = otherwise;
    if (v == NULL)
        return SB_OK;
    if (!json_is_integer(v))
        return wrong(s, field, v, "a whole number");
    if (json_integer_value(v) < least)
        return sb_fail(SB_ERR_USAGE,
                       "%s: line %" PRId64 ": %s: %" JSON_INTEGER_FORMAT ", less than %" PRId64,
                       s->path, s->line, field, json_integer_value(v), least);
    *out = json_integer_value(v);
    return SB_OK;
}

static sb_status take_outputs(const source *s, const json_t *row, const sb_ruler_task *task,
                              sb_ruler_sample *o)
{
    const json_t *outputs = json_object_get(row, "outputs");
    int64_t       want    = sb_ruler_task_answers(task), n;
    if (!json_is_array(outputs))
        return wrong(s, "outputs", outputs, "an array of strings");
    n = (int64_t)json_array_size(outputs);
    if (n == 0 || (want > 0 && n != want))
        return sb_fail(
            SB_ERR_USAGE, "%s: line %" PRId64 ": outputs: %" PRId64 " answers, %s has %s%" PRId64,
            s->path, s->line, n, task->name, want > 0 ? "" : "at least ", want > 0 ? want : 1);
    o->answers = calloc((size_t)n, sizeof *o->answers);
    if (o->answers == NULL)
        return no_memory();
    for (; o->n_answers < n; o->n_answers++) {
        const json_t *v = json_array_get(outputs, (size_t)o->n_answers);
        if (!json_is_string(v) || json_string_length(v) == 0)
            return sb_fail(SB_ERR_USAGE, "%s: line %" PRId64 ": outputs[%" PRId64 "]: %s", s->path,
                           s->line, o->n_answers,
                           json_is_string(v) ? "an empty answer, which any prediction holds"
                                             : "not a string");
        if ((o->answers[o->n_answers] = strdup(json_string_value(v))) == NULL)
            return no_memory();
    }
    return SB_OK;
}

static sb_status take_text(const source *s, const json_t *row, sb_ruler_sample *o)
{
    const json_t *input  = json_object_get(row, "input"),
                 *prefix = json_object_get(row, "answer_prefix");
    sbi_text t           = {0};
    if (!json_is_string(input))
        return wrong(s, "input", input, "a string");
    if (prefix != NULL && !json_is_string(prefix))
        return wrong(s, "answer_prefix", prefix, "a string");
    o->input_bytes = (int64_t)json_string_length(input);
    sbi_text_put(&t, json_string_value(input), o->input_bytes);
    if (prefix != NULL)
        sbi_text_put(&t, json_string_value(prefix), (int64_t)json_string_length(prefix));
    o->text_bytes = t.n;
    o->text       = sbi_text_take(&t);
    o->spans      = malloc(sizeof *o->spans);
    if (o->text == NULL || o->spans == NULL)
        return no_memory();
    if (o->text_bytes > o->input_bytes)
        o->spans[o->n_spans++] =
            (sb_ruler_span){o->input_bytes, o->text_bytes, SB_RULER_SPAN_ANSWER_PREFIX, -1};
    return SB_OK;
}

static sb_status take_row(const source *s, const json_t *row, const sb_ruler_task *task,
                          int64_t gen_tokens, sb_ruler_sample *o, char **prediction)
{
    const json_t *pred   = json_object_get(row, "pred");
    int64_t       length = 0, with_wrapper = 0;
    sb_status     st;
    o->gen_tokens = gen_tokens;
    if ((st = take_text(s, row, o)) != SB_OK || (st = take_outputs(s, row, task, o)) != SB_OK ||
        (st = take_number(s, row, "index", INT64_MIN, o->row, &o->index)) != SB_OK ||
        (st = take_number(s, row, "length", 0, gen_tokens - 1, &length)) != SB_OK ||
        (st = take_number(s, row, "length_w_model_temp", length, length, &with_wrapper)) != SB_OK ||
        (st = take_number(s, row, "token_position_answer", 0, -1, &o->answer_token)) != SB_OK)
        return st;
    o->n_tokens              = length >= gen_tokens ? length - gen_tokens : -1;
    o->model_template_tokens = with_wrapper - length;
    if (pred != NULL && !json_is_string(pred))
        return wrong(s, "pred", pred, "a string");
    if (pred != NULL && (*prediction = strdup(json_string_value(pred))) == NULL)
        return no_memory();
    return sbi_sample_hash(o);
}

static int grow(void **v, int64_t n, size_t item_bytes)
{
    void *more;
    if (n != 0 && (n < 16 || (n & (n - 1)) != 0)) /* full at 0, 16, 32, 64, ... */
        return 1;
    more = realloc(*v, (size_t)(n == 0 ? 16 : 2 * n) * item_bytes);
    if (more == NULL)
        return 0;
    *v = more;
    return 1;
}

/* Keep the thread's error as this line's. */
static sb_status add_bad(sb_ruler_import *im, int64_t line)
{
    void *v = im->bad;
    if (!grow(&v, im->n_bad, sizeof *im->bad))
        return no_memory();
    im->bad            = v;
    im->bad[im->n_bad] = (sb_ruler_bad_line){line, strdup(sb_error_text())};
    if (im->bad[im->n_bad].why == NULL)
        return no_memory();
    im->n_bad++;
    return SB_OK;
}

static sb_status add_row(sb_ruler_import *im, const sb_ruler_sample *o, char *prediction)
{
    void *rows = im->rows, *predictions = im->predictions;
    if (!grow(&rows, im->n_rows, sizeof *im->rows))
        return no_memory();
    im->rows = rows;
    if (!grow(&predictions, im->n_rows, sizeof *im->predictions))
        return no_memory();
    im->predictions               = predictions;
    im->rows[im->n_rows]          = *o;
    im->predictions[im->n_rows++] = prediction;
    return SB_OK;
}

static sb_status hash_file(const char *path, char sha256[65])
{
    char       buf[65536];
    size_t     n;
    int        failed;
    sbi_sha256 h;
    sb_status  st;
    FILE      *f = fopen(path, "rb");
    if (f == NULL)
        return sb_fail(SB_ERR_IO, "%s: cannot be read again", path);
    sbi_sha256_init(&h);
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        sbi_sha256_put(&h, buf, n);
    failed = ferror(f);
    (void)fclose(f);
    st = sbi_sha256_hex(&h, sha256);
    return st == SB_OK && failed ? sb_fail(SB_ERR_IO, "%s: cannot be read", path) : st;
}

sb_status sb_ruler_import_open(const char *path, const sb_ruler_task *task, int64_t gen_tokens,
                               sb_ruler_import **out)
{
    sb_ruler_import *im = calloc(1, sizeof *im);
    sb_jsonl        *r  = NULL;
    json_t          *row;
    sb_status        st = im != NULL ? sb_jsonl_open(path, &r) : no_memory();
    while (st == SB_OK) {
        sb_ruler_sample o          = {.row = im->n_rows + im->n_bad};
        char           *prediction = NULL;
        st                         = sb_jsonl_next(r, &row);
        if (st == SB_OK && row == NULL)
            break;
        if (st == SB_OK) {
            const source s = {path, sb_jsonl_line(r)};
            o.line         = s.line;
            st             = take_row(&s, row, task, gen_tokens, &o, &prediction);
            json_decref(row);
            if (st == SB_OK && (st = add_row(im, &o, prediction)) == SB_OK)
                continue;
            sb_ruler_sample_fini(&o);
            free(prediction);
        }
        if (st == SB_ERR_USAGE)
            st = add_bad(im, sb_jsonl_line(r));
    }
    sb_jsonl_close(r);
    if (st == SB_OK && im->n_rows == 0)
        st = im->n_bad > 0
                 ? sb_fail(SB_ERR_USAGE, "%s (and no row of the file is good)", im->bad[0].why)
                 : sb_fail(SB_ERR_USAGE, "%s: no rows in it", path);
    if (st == SB_OK)
        st = hash_file(path, im->sha256);
    if (st != SB_OK) {
        sb_ruler_import_close(im);
        return st;
    }
    *out = im;
    return SB_OK;
}

sb_status sb_ruler_import_row(const sb_ruler_import *im, int64_t row, sb_ruler_sample *out)
{
    int64_t                low = 0, high = im->n_rows;
    const sb_ruler_sample *o;
    sb_ruler_sample        c;
    int                    failed = 0;
    while (low < high) { /* the good rows before this one */
        int64_t mid = (low + high) / 2;
        if (im->rows[mid].row < row)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == im->n_rows || im->rows[low].row != row)
        return sb_fail(SB_ERR_USAGE, "%s", im->bad[row - low].why);
    o         = &im->rows[low];
    c         = *o;
    c.text    = strndup(o->text, (size_t)o->text_bytes);
    c.answers = calloc((size_t)o->n_answers, sizeof *c.answers);
    c.spans   = malloc((size_t)(o->n_spans + 1) * sizeof *c.spans);
    if (c.answers == NULL)
        c.n_answers = 0;
    for (int64_t i = 0; i < c.n_answers; i++)
        failed |= (c.answers[i] = strdup(o->answers[i])) == NULL;
    if (c.text == NULL || c.spans == NULL || c.answers == NULL || failed) {
        sb_ruler_sample_fini(&c);
        return sb_fail(SB_ERR_NOMEM, "rows of RULER: no memory");
    }
    memcpy(c.spans, o->spans, (size_t)o->n_spans * sizeof *c.spans);
    *out = c;
    return SB_OK;
}

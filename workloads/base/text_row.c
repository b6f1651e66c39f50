/* A text row's identity, its line of jsonl, and its end. */
#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"
#include "workloads/base/sha256.h"
#include "workloads/base/text_suite.h"

static void free_strings(char **v, int64_t n)
{
    for (int64_t i = 0; v != NULL && i < n; i++)
        free(v[i]);
    free(v);
}

void sb_text_row_fini(sb_text_row *r)
{
    free(r->id);
    free(r->prompt);
    free_strings(r->refs, r->n_refs);
    free_strings(r->classes, r->n_classes);
    free(r->relevance);
    free(r->question);
    free(r->spans);
    free(r->meta);
    *r = (sb_text_row){0};
}

static void put_string(sbi_sha256 *h, const char *s)
{
    int64_t n = s == NULL ? -1 : (int64_t)strlen(s); /* absent is not empty */
    sbi_sha256_put_i64(h, n);
    if (n > 0)
        sbi_sha256_put(h, s, (size_t)n);
}

static void put_strings(sbi_sha256 *h, char *const *v, int64_t n)
{
    sbi_sha256_put_i64(h, n);
    for (int64_t i = 0; i < n; i++)
        put_string(h, v[i]);
}

sb_status sb_text_row_seal(sb_text_row *r)
{
    sbi_sha256 h;
    sbi_sha256_init(&h);
    put_string(&h, r->prompt);
    sbi_sha256_put_i64(&h, r->input_bytes);
    put_strings(&h, r->refs, r->n_refs);
    put_strings(&h, r->classes, r->n_classes);
    for (int64_t i = 0; r->relevance != NULL && i < r->n_refs; i++)
        sbi_sha256_put_i64(&h, r->relevance[i]);
    put_string(&h, r->question);
    put_string(&h, r->scorer);
    put_string(&h, r->scorer_task);
    put_string(&h, r->answer_mark);
    sbi_sha256_put_i64(&h, r->gen_tokens);
    sbi_sha256_put_i64(&h, r->first_line);
    sbi_sha256_put_i64(&h, r->stop_newline);
    sbi_sha256_put_i64(&h, r->chat);
    return sbi_sha256_hex(&h, r->sha256);
}

static void key(sbi_text *t, const char *name)
{
    sbi_text_puts(t, t->n <= 1 ? "\"" : ", \"");
    sbi_text_puts(t, name);
    sbi_text_puts(t, "\": ");
}

static void string(sbi_text *t, const char *name, const char *s)
{
    if (s == NULL)
        return;
    key(t, name);
    sbi_py_json(t, s, (int64_t)strlen(s));
}

static void number(sbi_text *t, const char *name, int64_t v)
{
    key(t, name);
    sbi_text_put_i64(t, v);
}

static void strings(sbi_text *t, const char *name, char *const *v, int64_t n)
{
    key(t, name);
    sbi_text_putc(t, '[');
    for (int64_t i = 0; i < n; i++) {
        sbi_text_puts(t, i > 0 ? ", " : "");
        sbi_py_json(t, v[i], (int64_t)strlen(v[i]));
    }
    sbi_text_putc(t, ']');
}

/* How the scorer is to be fed. */
static void put_scoring(sbi_text *t, const sb_text_row *r)
{
    string(t, "metric", r->scorer);
    if (r->n_classes > 0)
        strings(t, "classes", r->classes, r->n_classes);
    if (r->relevance != NULL) {
        key(t, "relevance");
        for (int64_t i = 0; i < r->n_refs; i++) {
            sbi_text_puts(t, i > 0 ? ", " : "[");
            sbi_text_put_i64(t, r->relevance[i]);
        }
        sbi_text_puts(t, r->n_refs > 0 ? "]" : "[]");
    }
    string(t, "question", r->question);
    string(t, "scorer_task", r->scorer_task);
    string(t, "answer_mark", r->answer_mark);
    if (r->first_line)
        number(t, "first_line", 1);
}

sb_status sb_text_row_json(const sb_text_suite *suite, const sb_text_task *task,
                           const sb_text_row *r, char **line)
{
    if (r->drawn_tokens > 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s: rows of ids, which no file holds", suite->name);
    sbi_text  t  = {0};
    sb_status st = SB_OK;
    sbi_text_putc(&t, '{');
    string(&t, "suite", suite->name);
    string(&t, "task", task->name);
    number(&t, "row", r->row);
    if (r->id[0] != '\0')
        string(&t, "id", r->id);
    key(&t, "input");
    sbi_py_json(&t, r->prompt, r->input_bytes);
    key(&t, "answer_prefix");
    sbi_py_json(&t, r->prompt + r->input_bytes, r->prompt_bytes - r->input_bytes);
    strings(&t, "outputs", r->refs, r->n_refs);
    put_scoring(&t, r);
    number(&t, "max_gen", r->gen_tokens);
    if (r->stop_newline)
        number(&t, "stop_newline", 1);
    number(&t, "chat", r->chat);
    if (r->n_tokens >= 0)
        number(&t, "n_tokens", r->n_tokens);
    if (r->truncated_tokens > 0)
        number(&t, "truncated_tokens", r->truncated_tokens);
    key(&t, "meta");
    sbi_text_puts(&t, r->meta);
    string(&t, "sha256", r->sha256);
    sbi_text_puts(&t, "}\n");
    if ((st = sbi_text_status(&t)) == SB_OK)
        *line = sbi_text_take(&t);
    sbi_text_fini(&t);
    return st;
}

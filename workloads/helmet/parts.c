#include "workloads/helmet/parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const sbi_helmet_names[SBI_HELMET_FIELDS + 1] = {
    "context", "demos", "question", "query", "type_needle_v", "num_v", "example", NULL};

void sbi_helmet_parts_fini(sbi_helmet_parts *p)
{
    for (int i = 0; i < SBI_HELMET_FIELDS; i++)
        sbi_text_fini(&p->value[i]);
}

static sbi_field field(const char *name, const char *value)
{
    return (sbi_field){name, value, (int64_t)strlen(value), -1};
}

/* ---- documents ---- */

/* Fields of one document as its template names them. */
static sb_status put_document(const sbi_helmet_set *s, const sbi_row_source *src, size_t i,
                              const json_t *doc, sbi_text *out)
{
    const sbi_row_source inner = {src->path, src->line, doc};
    const char          *title = "", *text = NULL;
    const char          *format = s->texts.passage;
    char                *id     = NULL;
    sbi_field            f[3];
    int                  n  = 0;
    sb_status            st = SB_OK;
    if (!json_is_object(doc))
        return sbi_row_wrong(src, "ctxs", doc, "an array of objects");
    if (s->kind == SBI_HELMET_KILT || json_object_get(doc, "title") != NULL)
        st = sbi_row_string(&inner, "title", &title);
    if (s->kind == SBI_HELMET_MSMARCO && json_object_get(doc, "title") != NULL)
        format = s->texts.passage_with_title;
    if (st == SB_OK)
        st = sbi_row_string(&inner, "text", &text);
    if (st == SB_OK && s->kind == SBI_HELMET_MSMARCO)
        st = sbi_row_value_text(&inner, "id", json_object_get(doc, "id"), &id);
    if (st != SB_OK)
        return st;
    f[n++] = field("title", title);
    f[n++] = field("text", text);
    if (id != NULL)
        f[n++] = field("id", id);
    if (i > 0)
        sbi_text_puts(out, "\n\n");
    st = sbi_py_format(out, format, f, n);
    free(id);
    return st;
}

static sb_status put_documents(const sbi_helmet_set *s, const sbi_row_source *src, sbi_text *out)
{
    const json_t *ctxs = json_object_get(src->row, "ctxs");
    sb_status     st   = SB_OK;
    if (!json_is_array(ctxs) || (s->kind == SBI_HELMET_MSMARCO && json_array_size(ctxs) == 0))
        return sbi_row_wrong(src, "ctxs", ctxs, "an array of documents");
    for (size_t i = 0; st == SB_OK && i < json_array_size(ctxs); i++)
        st = put_document(s, src, i, json_array_get(ctxs, i), out);
    return st == SB_OK ? sbi_text_status(out) : st;
}

typedef struct ranked {
    int64_t label;
    size_t  place;
} ranked;

static int by_label(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->label != y->label)
        return x->label < y->label ? 1 : -1;
    return (x->place > y->place) - (x->place < y->place);
}

sb_status sbi_helmet_ranking(const sbi_row_source *src, sbi_text *out)
{
    const json_t *ctxs = json_object_get(src->row, "ctxs");
    size_t        n    = json_array_size(ctxs);
    ranked       *v    = calloc(n + 1, sizeof *v);
    sb_status     st   = v != NULL ? SB_OK : sb_fail(SB_ERR_NOMEM, "helmet: no memory");
    for (size_t i = 0; st == SB_OK && i < n; i++) {
        const json_t *label = json_object_get(json_array_get(ctxs, i), "label");
        if (!json_is_integer(label))
            st = sbi_row_wrong(src, "ctxs.label", label, "a whole number");
        v[i] = (ranked){json_integer_value(label), i};
    }
    if (st == SB_OK)
        qsort(v, n, sizeof *v, by_label);
    for (size_t i = 0; st == SB_OK && i < n; i++) {
        char *id = NULL;
        st       = sbi_row_value_text(src, "ctxs.id",
                                      json_object_get(json_array_get(ctxs, v[i].place), "id"), &id);
        if (st == SB_OK) {
            sbi_text_puts(out, i > 0 ? " > " : "");
            sbi_text_puts(out, id);
        }
        free(id);
    }
    free(v);
    return st == SB_OK ? sbi_text_status(out) : st;
}

/* ---- examples ---- */

static sb_status check_popularity(const sbi_row_source *src, int *in)
{
    const json_t *v = json_object_get(src->row, "s_pop");
    double        x = json_number_value(v);
    if (!json_is_number(v) || x <= 0)
        return json_is_number(v) ? sbi_row_fail(src, "s_pop", "%g, not above 0", x)
                                 : sbi_row_wrong(src, "s_pop", v, "a number");
    *in = log10(x) < 3;
    return SB_OK;
}

sb_status sbi_helmet_key(const void *set, const sbi_row_source *src, char **key)
{
    const sbi_helmet_set *s    = set;
    const char           *name = s->kind == SBI_HELMET_MSMARCO             ? "qid"
                                 : json_object_get(src->row, "id") != NULL ? "id"
                                                                           : "question";
    int                   in   = 1;
    if (s->popularity) {
        sb_status st = check_popularity(src, &in);
        if (st != SB_OK)
            return st;
    }
    return in ? sbi_row_value_text(src, name, json_object_get(src->row, name), key) : SB_OK;
}

/* The first of the answers, or the documents in their order. */
static sb_status put_answer(const sbi_helmet_set *s, const sbi_row_source *src, sbi_text *out)
{
    const json_t *answers = json_object_get(src->row, "answers");
    char         *first   = NULL;
    sb_status     st;
    if (s->kind == SBI_HELMET_MSMARCO)
        return sbi_helmet_ranking(src, out);
    if (!json_is_array(answers) || json_array_size(answers) == 0)
        return sbi_row_wrong(src, "answers", answers, "an array of strings");
    if ((st = sbi_row_value_text(src, "answers", json_array_get(answers, 0), &first)) == SB_OK)
        sbi_text_puts(out, first);
    free(first);
    return st == SB_OK ? sbi_text_status(out) : st;
}

static sb_status put_demo(const sbi_helmet_set *s, const sbi_row_source *src, sbi_text *out)
{
    sbi_text    documents = {0}, answer = {0};
    const char *question = NULL;
    sb_status   st =
        sbi_row_string(src, s->kind == SBI_HELMET_MSMARCO ? "query" : "question", &question);
    if (st == SB_OK && (st = put_documents(s, src, &documents)) == SB_OK &&
        (st = put_answer(s, src, &answer)) == SB_OK) {
        sbi_field f[] = {field("documents", sbi_text_str(&documents)), field("question", question),
                         field("answer", sbi_text_str(&answer))};
        st            = sbi_py_format(out, s->texts.demo, f, 3);
        sbi_text_puts(out, "\n\n");
    }
    sbi_text_fini(&documents);
    sbi_text_fini(&answer);
    return st == SB_OK ? sbi_text_status(out) : st;
}

static sb_status put_chosen(const sbi_helmet_set *s, const sbi_row_source *src, int64_t shots,
                            sbi_text *out)
{
    int64_t   rows[16];
    char     *key = NULL;
    sb_status st  = sbi_helmet_key(s, src, &key);
    if (st == SB_OK && key == NULL)
        st = sbi_row_fail(src, "s_pop", "1000 or more: %s has questions below that",
                          s->set.base.task->name);
    if (st == SB_OK && shots > 0)
        st = sbi_demos_choose(s->demos, key, s->popularity || s->kind == SBI_HELMET_MSMARCO, shots,
                              rows);
    free(key);
    for (int64_t i = 0; st == SB_OK && i < shots; i++) {
        json_t        *root = NULL;
        sbi_row_source from = {sbi_record_file_path(s->demos->file),
                               sbi_record_file_line(s->demos->file, rows[i]), NULL};
        if ((st = sbi_record_file_read(s->demos->file, rows[i], &root)) == SB_OK) {
            from.row = root;
            st       = put_demo(s, &from, out);
        }
        json_decref(root);
    }
    return st;
}

/* json_kv: a row brings its examples along. */
static sb_status put_pairs(const sbi_helmet_set *s, const sbi_row_source *src, int64_t shots,
                           sbi_text *out)
{
    const json_t *demos = json_object_get(src->row, "demos");
    sb_status     st    = SB_OK;
    if (!json_is_array(demos))
        return sbi_row_wrong(src, "demos", demos, "an array of pairs");
    for (size_t i = 0; st == SB_OK && i < json_array_size(demos) && (int64_t)i < shots; i++) {
        const json_t *pair  = json_array_get(demos, i);
        const char   *key   = json_string_value(json_array_get(pair, 0));
        const char   *value = json_string_value(json_array_get(pair, 1));
        if (json_array_size(pair) != 2 || key == NULL || value == NULL)
            return sbi_row_wrong(src, "demos", pair, "a pair of strings");
        sbi_field f[] = {field("key", key), field("value", value)};
        sbi_text_puts(out, i > 0 ? "\n\n" : "");
        st = sbi_py_format(out, s->texts.demo, f, 2);
    }
    if (shots > 0)
        sbi_text_puts(out, "\n\n");
    return st == SB_OK ? sbi_text_status(out) : st;
}

/* ---- a row ---- */

static sb_status put_string(const sbi_row_source *src, const char *name, int must, sbi_text *out)
{
    const json_t *v    = json_object_get(src->row, name);
    char         *text = NULL;
    sb_status     st;
    if (v == NULL && !must)
        return SB_OK;
    if ((st = sbi_row_value_text(src, name, v, &text)) == SB_OK)
        sbi_text_puts(out, text);
    free(text);
    return st == SB_OK ? sbi_text_status(out) : st;
}

static int names(const char *text, const char *placeholder)
{
    const char *at = text;
    size_t      n  = strlen(placeholder);
    while ((at = strchr(at, '{')) != NULL)
        if (strncmp(++at, placeholder, n) == 0 && at[n] == '}')
            return 1;
    return 0;
}

/* What the texts name must be there. */
static int needed(const sbi_helmet_set *s, int i)
{
    return names(s->texts.user, sbi_helmet_names[i]) || names(s->texts.system, sbi_helmet_names[i]);
}

static sb_status read_ruler(const sbi_helmet_set *s, const sbi_row_source *src, sbi_helmet_parts *p)
{
    static const int own[] = {SBI_HELMET_CONTEXT, SBI_HELMET_QUERY, SBI_HELMET_TYPE,
                              SBI_HELMET_NUM_V};
    sbi_text        *v     = p->value;
    const char      *ask   = json_object_get(src->row, "query") != NULL ? "query" : "question";
    sb_status        st    = SB_OK;
    for (size_t i = 0; st == SB_OK && i < sizeof own / sizeof *own; i++)
        st = put_string(src, sbi_helmet_names[own[i]], needed(s, own[i]), &v[own[i]]);
    if (st == SB_OK)
        st = put_string(src, ask, needed(s, SBI_HELMET_QUESTION), &v[SBI_HELMET_QUESTION]);
    if (st == SB_OK)
        st = put_string(src, "example", 0, &v[SBI_HELMET_EXAMPLE]);
    if (st == SB_OK && v[SBI_HELMET_EXAMPLE].n > 0)
        sbi_text_puts(&v[SBI_HELMET_EXAMPLE], "\n\n");
    return st == SB_OK ? sbi_text_status(&v[SBI_HELMET_EXAMPLE]) : st;
}

sb_status sbi_helmet_parts_read(const sbi_helmet_set *s, const sbi_row_source *src,
                                sbi_helmet_parts *p)
{
    const sb_helmet_params *o = s->set.params;
    sbi_text               *v = p->value;
    sb_status               st;
    if (s->kind == SBI_HELMET_RULER)
        return read_ruler(s, src, p);
    st = put_string(src, s->kind == SBI_HELMET_MSMARCO ? "query" : "question", 1,
                    &v[SBI_HELMET_QUESTION]);
    if (st != SB_OK)
        return st;
    if (s->kind == SBI_HELMET_JSON_KV) {
        st = put_string(src, "context", 1, &v[SBI_HELMET_CONTEXT]);
        return st == SB_OK ? put_pairs(s, src, o->shots, &v[SBI_HELMET_DEMOS]) : st;
    }
    if ((st = put_chosen(s, src, o->shots, &v[SBI_HELMET_DEMOS])) != SB_OK)
        return st;
    return put_documents(s, src, &v[SBI_HELMET_CONTEXT]);
}

/* ---- the prompt ---- */

static sb_status format_prompt(const sbi_helmet_set *s, const sbi_helmet_parts *p, sbi_text *out,
                               int64_t *input_bytes)
{
    sbi_field f[SBI_HELMET_FIELDS];
    sb_status st;
    for (int i = 0; i < SBI_HELMET_FIELDS; i++)
        f[i] = field(sbi_helmet_names[i], sbi_text_str(&p->value[i]));
    if ((st = sbi_py_format(out, s->texts.user, f, SBI_HELMET_FIELDS)) != SB_OK)
        return st;
    *input_bytes = out->n;
    if (!s->set.chat) {
        sbi_text_putc(out, '\n');
        st = sbi_py_format(out, s->texts.system, f, SBI_HELMET_FIELDS);
    }
    return st == SB_OK ? sbi_text_status(out) : st;
}

/* Bytes that both texts begin with, whole characters. */
static int64_t common(const char *a, const char *b)
{
    int64_t n = 0;
    while (a[n] != '\0' && a[n] == b[n])
        n++;
    while (n > 0 && ((unsigned char)a[n] & 0xc0) == 0x80)
        n--;
    return n;
}

/* The last `drop` tokens of the context go. */
static sb_status cut_context(const sbi_helmet_set *s, const sbi_row_source *src, int64_t drop,
                             sbi_text *context)
{
    const sb_tok_ops *tok  = s->set.tok;
    char             *text = NULL;
    int64_t           n = 0, bytes = 0;
    sb_status         st = tok->count(tok->ctx, sbi_text_str(context), context->n, &n);
    if (st == SB_OK && drop > n)
        return sbi_row_fail(src, "context",
                            "%" PRId64 " tokens, but the prompt is %" PRId64 " too long", n, drop);
    if (st == SB_OK)
        st = tok->ends(tok->ctx, sbi_text_str(context), context->n, n - drop, 0, &text, &bytes);
    if (st == SB_OK) {
        bytes = common(sbi_text_str(context), text);
        if (context->p != NULL) {
            context->n        = bytes;
            context->p[bytes] = '\0';
        }
    }
    free(text);
    return st;
}

sb_status sbi_helmet_prompt(const sbi_helmet_set *s, const sbi_row_source *src, sbi_helmet_parts *p,
                            sb_text_row *out)
{
    const sbi_cut_rule *rule = &s->set.cut;
    const sb_tok_ops   *tok  = s->set.tok;
    sbi_text            t    = {0};
    int64_t             n = 0, most = rule->most_tokens - out->gen_tokens - rule->prefix_tokens;
    sb_status           st = format_prompt(s, p, &t, &out->input_bytes);
    if (st == SB_OK && rule->most_tokens > 0 &&
        (st = tok->count(tok->ctx, sbi_text_str(&t), t.n, &n)) == SB_OK && n > most) {
        out->truncated_tokens = n - most;
        sbi_text_reset(&t);
        if ((st = cut_context(s, src, n - most, &p->value[SBI_HELMET_CONTEXT])) == SB_OK)
            st = format_prompt(s, p, &t, &out->input_bytes);
    }
    if (st == SB_OK && (out->prompt = sbi_text_take(&t)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "helmet: no memory for a prompt");
    sbi_text_fini(&t);
    return st;
}

/* A line of our own jsonl as a row. What the scorer needs must be there; where the line says what
 * its SHA-256 is, the row must have it. */
#include "workloads/jsonl/suite.h"

#include <stdlib.h>
#include <string.h>

#include "workloads/base/file_set.h"
#include "workloads/base/pytext.h"
#include "workloads/metrics/scorer.h"

enum { MARK_BYTES_MOST = 64, GEN_TOKENS_MOST = 1 << 24 };

static const sb_text_task tasks[] = {
    {"rows", "rows as `spanbench gen` writes them", SB_TEXT_SCORER_VARIES, 0},
    {0},
};

static const sb_text_key keys[] = {
    {"data", "a file of rows in our own format, or a folder with rows.jsonl"},
    {0},
};

static const sb_param params[] = {{0}};

/* Rows name strings that outlive them: kept here, each once. */
typedef struct marks {
    char  **v;
    int64_t n;
} marks;

typedef struct jsonl_set {
    sbi_file_set set;
    marks       *marks;
} jsonl_set;

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "jsonl: no memory"); }

static sb_status keep_mark(marks *m, const char *text, const char **out)
{
    char **more;
    for (int64_t i = 0; i < m->n; i++) {
        if (strcmp(m->v[i], text) == 0) {
            *out = m->v[i];
            return SB_OK;
        }
    }
    if ((more = realloc(m->v, (size_t)(m->n + 1) * sizeof *more)) == NULL)
        return no_memory();
    m->v = more;
    if ((m->v[m->n] = strdup(text)) == NULL)
        return no_memory();
    *out = m->v[m->n++];
    return SB_OK;
}

/* ---- fields that may be missing ---- */

static sb_status may_string(const sbi_row_source *src, const char *field, const char **out)
{
    return json_object_get(src->row, field) == NULL ? SB_OK : sbi_row_string(src, field, out);
}

static sb_status may_count(const sbi_row_source *src, const char *field, int64_t most, int64_t *out)
{
    int64_t   v;
    sb_status st;
    if (json_object_get(src->row, field) == NULL)
        return SB_OK;
    if ((st = sbi_row_count(src, field, &v)) != SB_OK)
        return st;
    if (v > most)
        return sbi_row_fail(src, field, "%lld, more than %lld", (long long)v, (long long)most);
    *out = v;
    return SB_OK;
}

static sb_status may_flag(const sbi_row_source *src, const char *field, int32_t *out)
{
    int64_t   v  = *out;
    sb_status st = may_count(src, field, 1, &v);
    *out         = (int32_t)v;
    return st;
}

/* ---- the parts of a row ---- */

static sb_status take_prompt(const sbi_row_source *src, sb_text_row *out)
{
    const char *input = "", *prefix = "";
    sbi_text    t = {0};
    sb_status   st;
    if ((st = sbi_row_string(src, "input", &input)) != SB_OK ||
        (st = may_string(src, "answer_prefix", &prefix)) != SB_OK)
        return st;
    sbi_text_puts(&t, input);
    sbi_text_puts(&t, prefix);
    out->input_bytes = (int64_t)strlen(input);
    if ((st = sbi_text_status(&t)) == SB_OK && t.n == 0)
        st = sbi_row_fail(src, "input", "an empty prompt");
    else if (st == SB_OK && (out->prompt = sbi_text_take(&t)) == NULL)
        st = no_memory();
    sbi_text_fini(&t);
    return st;
}

static sb_status take_relevance(const sbi_row_source *src, sb_text_row *out)
{
    const json_t *v = json_object_get(src->row, "relevance");
    if (v == NULL)
        return SB_OK;
    if (!json_is_array(v))
        return sbi_row_wrong(src, "relevance", v, "an array of whole numbers");
    if ((int64_t)json_array_size(v) != out->n_refs)
        return sbi_row_fail(src, "relevance", "%zu numbers, but there are %lld outputs",
                            json_array_size(v), (long long)out->n_refs);
    if ((out->relevance = calloc((size_t)out->n_refs, sizeof *out->relevance)) == NULL)
        return no_memory();
    for (int64_t i = 0; i < out->n_refs; i++) {
        const json_t *x = json_array_get(v, (size_t)i);
        if (!json_is_integer(x))
            return sbi_row_wrong(src, "relevance", x, "a whole number");
        out->relevance[i] = json_integer_value(x);
    }
    return SB_OK;
}

/* "qa1" to "qa20", as the one scorer that asks for it has them. */
static sb_status take_scorer_task(const sbi_row_source *src, sb_text_row *out)
{
    static const char *const names[] = {"qa1",  "qa2",  "qa3",  "qa4",  "qa5",  "qa6",  "qa7",
                                        "qa8",  "qa9",  "qa10", "qa11", "qa12", "qa13", "qa14",
                                        "qa15", "qa16", "qa17", "qa18", "qa19", "qa20"};
    const char              *found   = NULL;
    sb_status                st      = may_string(src, "scorer_task", &found);
    for (size_t i = 0; found != NULL && i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], found) == 0)
            out->scorer_task = names[i];
    if (st == SB_OK && found != NULL && out->scorer_task == NULL)
        st = sbi_row_fail(src, "scorer_task", "`%.40s`, not one of qa1 to qa20", found);
    return st;
}

static sb_status take_mark(const jsonl_set *s, const sbi_row_source *src, sb_text_row *out)
{
    const char *found = NULL;
    sb_status   st    = may_string(src, "answer_mark", &found);
    if (st != SB_OK || found == NULL)
        return st;
    if (strlen(found) > MARK_BYTES_MOST)
        return sbi_row_fail(src, "answer_mark", "%zu bytes, more than %d", strlen(found),
                            MARK_BYTES_MOST);
    for (const char *c = found; *c != '\0'; c++)
        if ((unsigned char)*c >= 128)
            return sbi_row_fail(src, "answer_mark", "`%.40s` is not ASCII", found);
    return keep_mark(s->marks, found, &out->answer_mark);
}

static sb_status take_question(const sbi_row_source *src, sb_text_row *out)
{
    const char *found = NULL;
    sb_status   st    = may_string(src, "question", &found);
    if (st == SB_OK && found != NULL && (out->question = strdup(found)) == NULL)
        st = no_memory();
    return st;
}

static sb_status take_classes(const sbi_row_source *src, sb_text_row *out)
{
    const json_t *v = json_object_get(src->row, "classes");
    return v == NULL ? SB_OK : sbi_row_texts(src, "classes", v, 1, &out->classes, &out->n_classes);
}

static sb_status take_scorer(const sbi_row_source *src, sb_text_row *out)
{
    const char      *name = NULL;
    const sb_scorer *scorer;
    sb_status        st = sbi_row_string(src, "metric", &name);
    if (st != SB_OK)
        return st;
    if ((scorer = sb_scorer_find(name)) == NULL)
        return sbi_row_fail(src, "metric",
                            "`%.40s` is no scorer; workloads/metrics/README.md has their names",
                            name);
    out->scorer = scorer->name;
    if ((scorer->needs & SB_NEED_CLASSES) != 0 && out->n_classes == 0)
        return sbi_row_fail(src, "classes", "nothing, but %s needs them", name);
    if ((scorer->needs & SB_NEED_RELEVANCE) != 0 && out->relevance == NULL)
        return sbi_row_fail(src, "relevance", "nothing, but %s needs it", name);
    if ((scorer->needs & SB_NEED_TASK) != 0 && out->scorer_task == NULL)
        return sbi_row_fail(src, "scorer_task", "nothing, but %s needs it", name);
    return SB_OK;
}

/* The row's own, and which suite and task it comes from. */
static sb_status take_meta(const sbi_row_source *src, sb_text_row *out)
{
    static const char *const origin[] = {"suite", "task", NULL};
    json_t                  *found    = json_object_get(src->row, "meta");
    json_t                  *meta;
    int                      bad;
    if (found != NULL && !json_is_object(found))
        return sbi_row_wrong(src, "meta", found, "an object");
    meta = json_object(); /* json_copy of jansson 2.14 loses keys where memory ends */
    bad  = meta == NULL || (found != NULL && json_object_update(meta, found) != 0);
    for (const char *const *o = origin; !bad && *o != NULL; o++) {
        json_t *v = json_object_get(src->row, *o);
        if (v != NULL && !json_is_string(v)) {
            json_decref(meta);
            return sbi_row_wrong(src, *o, v, "a string");
        }
        if (v != NULL && json_object_get(meta, *o) == NULL)
            bad = json_object_set(meta, *o, v) != 0;
    }
    out->meta = bad ? NULL : sbi_row_dump(meta, 0);
    json_decref(meta);
    return out->meta != NULL ? SB_OK : no_memory();
}

static sb_status check_sha256(const sbi_row_source *src, sb_text_row *out)
{
    const char *found = NULL;
    sb_status   st    = may_string(src, "sha256", &found);
    if (st != SB_OK || found == NULL)
        return st;
    out->prompt_bytes = (int64_t)strlen(out->prompt);
    if ((st = sb_text_row_seal(out)) == SB_OK && strcmp(found, out->sha256) != 0)
        st = sbi_row_fail(src, "sha256",
                          "%.64s, but the row's is %s: it was changed since it was written", found,
                          out->sha256);
    return st;
}

static sb_status make(const sbi_file_set *s, const sbi_row_source *src, sb_text_row *out)
{
    sb_status st;
    if ((st = take_prompt(src, out)) != SB_OK ||
        (st = sbi_row_texts(src, "outputs", json_object_get(src->row, "outputs"), 1, &out->refs,
                            &out->n_refs)) != SB_OK ||
        (st = take_classes(src, out)) != SB_OK || (st = take_relevance(src, out)) != SB_OK ||
        (st = take_question(src, out)) != SB_OK || (st = take_scorer_task(src, out)) != SB_OK ||
        (st = take_mark((const jsonl_set *)s, src, out)) != SB_OK ||
        (st = take_scorer(src, out)) != SB_OK ||
        (st = may_count(src, "max_gen", GEN_TOKENS_MOST, &out->gen_tokens)) != SB_OK ||
        (st = may_flag(src, "first_line", &out->first_line)) != SB_OK ||
        (st = may_flag(src, "stop_newline", &out->stop_newline)) != SB_OK ||
        (st = may_flag(src, "chat", &out->chat)) != SB_OK ||
        (st = may_count(src, "n_tokens", INT64_MAX, &out->n_tokens)) != SB_OK ||
        (st = may_count(src, "truncated_tokens", INT64_MAX, &out->truncated_tokens)) != SB_OK ||
        (st = sbi_row_id(src, "id", out)) != SB_OK || (st = take_meta(src, out)) != SB_OK)
        return st;
    if (out->gen_tokens == 0)
        return sbi_row_fail(src, "max_gen", "%s, not a number of tokens from 1",
                            json_object_get(src->row, "max_gen") == NULL ? "nothing" : "0");
    return check_sha256(src, out);
}

static void close_rows(sb_text_set *set)
{
    jsonl_set *s = (jsonl_set *)set;
    marks     *m = s != NULL ? s->marks : NULL;
    sbi_file_set_close(set);
    for (int64_t i = 0; m != NULL && i < m->n; i++)
        free(m->v[i]);
    if (m != NULL)
        free(m->v);
    free(m);
}

static sb_status open_rows(const sb_text_req *req, sb_text_set **out)
{
    static const char *const names[] = {"rows.jsonl", NULL};
    jsonl_set               *s       = calloc(1, sizeof *s);
    marks                   *m       = calloc(1, sizeof *m);
    sb_status                st;
    if (s == NULL || m == NULL) {
        free(s);
        free(m);
        return no_memory();
    }
    s->marks       = m;
    s->set.make    = make;
    s->set.cutting = SBI_FILE_CUT_NONE;
    st             = sbi_file_set_open(req, names, &s->set, out); /* frees s where it fails */
    if (st != SB_OK)
        free(m);
    return st;
}

const sb_text_suite sb_jsonl_suite = {
    .name    = "jsonl",
    .summary = "rows in our own format, as `spanbench gen` writes them",
    .version = SB_JSONL_VERSION,
    .tasks   = tasks,
    .params  = params,
    .keys    = keys,
    .open    = open_rows,
    .close   = close_rows,
    .n_rows  = sbi_file_set_rows,
    .row     = sbi_file_set_row,
    .facts   = sbi_file_set_facts,
};

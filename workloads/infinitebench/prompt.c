#include "workloads/infinitebench/prompt.h"

#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"
#include "workloads/base/row_fields.h"
#include "workloads/base/sha256.h"
#include "workloads/base/suite_files.h"
#include "workloads/infinitebench/infinitebench.h"

#define OPTIONS "OPTION_A", "OPTION_B", "OPTION_C", "OPTION_D"

static const struct rule {
    const char *task, *must[7], *may[2];
} rules[] = {
    {"passkey", {"context", "input"}, {0}},
    {"number_string", {"context", "input"}, {0}},
    {"kv_retrieval", {"context", "input"}, {0}},
    {"longbook_sum_eng", {"context"}, {0}},
    {"longbook_choice_eng", {"context", "question", OPTIONS}, {0}},
    {"longbook_qa_eng", {"context", "question"}, {0}},
    {"longbook_qa_chn", {"context", "question"}, {0}},
    {"longdialogue_qa_eng", {"context"}, {0}},
    {"math_find", {"context", "input"}, {"prefix"}},
    {"math_calc", {"context"}, {0}},
    {"code_run", {"context", "func_call"}, {"func"}},
    {"code_debug", {"context", OPTIONS}, {0}},
};

static const struct rule *rule_of(const char *task)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].task, task) == 0)
            return &rules[i];
    return NULL;
}

static sb_status read_texts(const char *file, const char *task, sbi_ib_texts *t)
{
    static const char *const target[] = {"target_number", NULL}, *const nothing[] = {NULL};
    const struct rule *r    = rule_of(task);
    const json_t      *chat = json_object_get(t->root, "chat");
    sbi_sha256         h;
    sb_status          st = sbi_texts_find(t->root, file, task, r->must, r->may, &t->text);
    if (st == SB_OK && strstr(t->text, "{prefix}") != NULL)
        st = sbi_texts_find(t->root, file, "math_find_prefix", target, nothing, &t->prefix);
    if (st == SB_OK && chat != NULL && !json_is_boolean(chat))
        st = sb_fail(SB_ERR_USAGE, "%s: chat: %s, not true or false", file, sbi_row_kind(chat));
    if (st != SB_OK)
        return st;
    t->chat = chat == NULL || json_is_true(chat);
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, task, strlen(task) + 1);
    sbi_sha256_put(&h, t->text, strlen(t->text) + 1);
    if (t->prefix != NULL)
        sbi_sha256_put(&h, t->prefix, strlen(t->prefix) + 1);
    sbi_sha256_put_i64(&h, t->chat);
    return sbi_sha256_hex(&h, t->sha256);
}

sb_status sbi_ib_texts_open(const char *path, const char *task, sbi_ib_texts *out)
{
    const sbi_built_in own = {"the built-in infinitebench.json", sbi_infinitebench_texts,
                              sbi_infinitebench_texts_bytes};
    sbi_ib_texts       t   = {0};
    sb_status          st  = sbi_texts_open(path, &own, &t.root);
    if (st == SB_OK)
        st = read_texts(path != NULL ? path : own.name, task, &t);
    if (st != SB_OK) {
        json_decref(t.root);
        return st;
    }
    *out = t;
    return SB_OK;
}

/* ---- what the original reads out of `input` ---- */

/* The first func_<digits>(<digits, perhaps behind a minus>); 0: there is none. */
static size_t func_call(const char *s, const char **begin, size_t *name_bytes)
{
    static const char digits[] = "0123456789";
    for (s = strstr(s, "func_"); s != NULL; s = strstr(s + 1, "func_")) {
        size_t n = 5 + strspn(s + 5, digits), m;
        if (n == 5 || s[n] != '(')
            continue;
        m = n + 1 + (s[n + 1] == '-');
        if (strspn(s + m, digits) == 0)
            continue;
        m += strspn(s + m, digits);
        if (s[m] != ')')
            continue;
        *begin      = s;
        *name_bytes = n;
        return m + 1;
    }
    return 0;
}

/* "The .+ of" on one line, as long as it can be: what stands there without " of". 0: nowhere. */
static size_t target_number(const char *s, const char **begin)
{
    for (s = strstr(s, "The "); s != NULL; s = strstr(s + 1, "The ")) {
        size_t line = strcspn(s, "\n");
        for (size_t at = line >= 3 ? line - 3 : 0; at > 4; at--) {
            if (strncmp(s + at, " of", 3) == 0) {
                *begin = s;
                return at;
            }
        }
    }
    return 0;
}

static sb_status code_run_fields(const char *input, sbi_field *func, sbi_field *call)
{
    const char *begin      = NULL;
    size_t      name_bytes = 0, n = func_call(input, &begin, &name_bytes);
    if (n == 0)
        return sb_fail(SB_ERR_USAGE, "no call like func_12(-3) in it");
    *func = (sbi_field){"func", begin, (int64_t)name_bytes, -1};
    *call = (sbi_field){"func_call", begin, (int64_t)n, -1};
    return SB_OK;
}

/* The question that stands before the list names the number in small letters. */
static sb_status math_find_prefix(const sbi_ib_texts *t, const char *input, sbi_text *out)
{
    const char *begin = NULL;
    size_t      n     = target_number(input, &begin);
    sbi_text    lower = {0};
    sbi_field   f;
    sb_status   st;
    if (n == 0)
        return sb_fail(SB_ERR_USAGE, "no \"The ... of\" in it");
    sbi_py_lower(&lower, begin, (int64_t)n);
    if ((st = sbi_text_status(&lower)) == SB_OK) {
        f  = (sbi_field){"target_number", lower.p, lower.n, -1};
        st = sbi_py_format(out, t->prefix, &f, 1);
    }
    sbi_text_fini(&lower);
    return st;
}

static void add(sbi_field *f, int *n, const char *name, const char *value)
{
    if (value != NULL)
        f[(*n)++] = (sbi_field){name, value, (int64_t)strlen(value), -1};
}

sb_status sbi_ib_prompt(const sbi_ib_texts *t, const char *task, const sbi_ib_parts *p,
                        char **prompt, sbi_ib_places *at)
{
    static const char *const options[] = {OPTIONS};
    sbi_field                f[12];
    int                      n   = 0;
    sbi_text                 out = {0}, prefix = {0};
    sb_status                st = SB_OK;
    add(f, &n, "context", p->context);
    add(f, &n, "input", p->input);
    add(f, &n, "question", p->input);
    for (int i = 0; i < 4; i++)
        add(f, &n, options[i], p->option[i]);
    if (strcmp(task, "code_run") == 0) {
        st = code_run_fields(p->input, &f[n], &f[n + 1]);
        n += 2;
    }
    if (t->prefix != NULL) {
        st = math_find_prefix(t, p->input, &prefix);
        add(f, &n, "prefix", sbi_text_str(&prefix));
    }
    if (st == SB_OK)
        st = sbi_py_format(&out, t->text, f, n);
    *at = (sbi_ib_places){-1, -1, 0};
    for (int i = 0; st == SB_OK && i < n; i++) {
        if (strcmp(f[i].name, "context") == 0)
            at->context = f[i].at;
        else if (f[i].at >= 0 && (f[i].value == p->input || strcmp(f[i].name, "func_call") == 0))
            *at = (sbi_ib_places){at->context, f[i].at, f[i].n_bytes};
    }
    if (st == SB_OK && (*prompt = sbi_text_take(&out)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "infinitebench: no memory for a prompt");
    sbi_text_fini(&out);
    sbi_text_fini(&prefix);
    return st;
}

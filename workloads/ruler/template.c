#include "workloads/ruler/template.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"
#include "workloads/base/sha256.h"
#include "workloads/ruler/file.h"

enum { CUT_CHARACTERS = 10, SHOT_CHARACTERS = 20 };

#define MAX_FIELDS 4

/* What each text must hold, and what it may. */
static const struct rule {
    const char *name, *must[MAX_FIELDS], *may[MAX_FIELDS];
} rules[SB_RULER_GENERATORS] = {
    {"niah", {"type_needle_v", "context", "query"}, {0}},
    {"variable_tracking", {"context", "query", "num_v"}, {0}},
    {"common_words_extraction", {"context"}, {"num_cw", "query"}},
    {"freq_words_extraction", {"context"}, {"query"}},
    {"qa", {"context", "query"}, {0}},
};

const char *sb_ruler_generator_name(sb_ruler_generator g) { return rules[g].name; }

void sb_ruler_templates_close(sb_ruler_templates *t)
{
    if (t == NULL)
        return;
    free(t->needle);
    free(t->haystack_noise);
    free(t->document_prompt);
    for (int i = 0; i < SB_RULER_GENERATORS; i++) {
        free(t->text[i].task);
        free(t->text[i].answer_prefix);
    }
    free(t->wrapper_name);
    free(t->wrapper);
    free(t);
}

static sb_status copy(const char *s, char **out)
{
    *out = strdup(s);
    return *out != NULL ? SB_OK : sb_fail(SB_ERR_NOMEM, "templates: no memory");
}

static sb_status take_string(const char *path, const char *where, const json_t *object,
                             const char *name, char **out)
{
    const json_t *v = json_object_get(object, name);
    if (!json_is_string(v))
        return sb_fail(SB_ERR_USAGE, "%s: %s%s: %s, not a string", path, where, name,
                       sbi_json_kind(v));
    return copy(json_string_value(v), out);
}

/* Fields that are there; format() itself refuses those that are not allowed. */
static sb_status check_fields(const char *path, const char *field, const char *text,
                              const char *const *must, const char *const *may)
{
    sbi_field f[2 * MAX_FIELDS];
    sbi_text  out    = {0};
    int       n_must = 0, n;
    sb_status st;
    for (; n_must < MAX_FIELDS && must[n_must] != NULL; n_must++)
        f[n_must] = (sbi_field){must[n_must], "", 0, -1};
    n = n_must;
    for (int i = 0; may != NULL && i < MAX_FIELDS && may[i] != NULL; i++)
        f[n++] = (sbi_field){may[i], "", 0, -1};
    st = sbi_py_format(&out, text, f, n);
    sbi_text_fini(&out);
    if (st != SB_OK)
        return sb_wrap(st, "%s: %s", path, field);
    for (int i = 0; i < n_must; i++)
        if (f[i].at < 0)
            return sb_fail(SB_ERR_USAGE, "%s: %s: placeholder {%s} is missing", path, field,
                           f[i].name);
    return SB_OK;
}

/* The context stands in the template itself: what follows the input cannot hold it. */
static sb_status check_context(const char *path, sb_ruler_generator g, const char *task)
{
    static const char *const context[MAX_FIELDS] = {"context"};
    const char              *others[MAX_FIELDS]  = {0};
    char                     where[64];
    int                      n = 0;
    for (int i = 0; i < MAX_FIELDS; i++)
        if (rules[g].must[i] != NULL && strcmp(rules[g].must[i], "context") != 0)
            others[n++] = rules[g].must[i];
    for (int i = 0; i < MAX_FIELDS && rules[g].may[i] != NULL; i++)
        others[n++] = rules[g].may[i];
    (void)snprintf(where, sizeof where, "tasks.%s.template", rules[g].name);
    return check_fields(path, where, task, context, others);
}

static int holds_placeholder(const char *s, int64_t n_characters)
{
    int64_t n = sbi_utf8_prefix(s, (int64_t)strlen(s), n_characters);
    return memchr(s, '{', (size_t)n) != NULL || memchr(s, '}', (size_t)n) != NULL;
}

static sb_status check_cuts(const char *path, sb_ruler_generator g, const sb_ruler_text *t)
{
    const char *name = rules[g].name;
    if (t->answer_prefix[0] != ' ')
        return sb_fail(SB_ERR_USAGE, "%s: tasks.%s.answer_prefix: must start with a blank", path,
                       name);
    if (holds_placeholder(t->answer_prefix, CUT_CHARACTERS))
        return sb_fail(
            SB_ERR_USAGE,
            "%s: tasks.%s.answer_prefix: no placeholder may stand in its first %d characters", path,
            name, CUT_CHARACTERS);
    if (g == SB_RULER_VT && (holds_placeholder(t->task, SHOT_CHARACTERS) || t->task[0] == '\0'))
        return sb_fail(SB_ERR_USAGE,
                       "%s: tasks.%s.template: no placeholder may stand in its first %d characters",
                       path, name, SHOT_CHARACTERS);
    return SB_OK;
}

static sb_status take_text(const char *path, const json_t *tasks, sb_ruler_generator g,
                           sb_ruler_text *t)
{
    const char   *name = rules[g].name;
    const json_t *task = json_object_get(tasks, name), *n;
    sbi_text      both = {0}, where = {0};
    sb_status     st;
    if (!json_is_object(task))
        return sb_fail(SB_ERR_USAGE, "%s: tasks.%s: %s, not an object", path, name,
                       sbi_json_kind(task));
    sbi_text_puts(&where, "tasks.");
    sbi_text_puts(&where, name);
    sbi_text_puts(&where, ".");
    if ((st = sbi_text_status(&where)) == SB_OK &&
        (st = take_string(path, where.p, task, "template", &t->task)) == SB_OK)
        st = take_string(path, where.p, task, "answer_prefix", &t->answer_prefix);
    n = json_object_get(task, "tokens_to_generate");
    if (st == SB_OK &&
        (!json_is_integer(n) || json_integer_value(n) < 1 || json_integer_value(n) > 1 << 20))
        st = sb_fail(SB_ERR_USAGE,
                     "%s: tasks.%s.tokens_to_generate: not a whole number from 1 to %d", path, name,
                     1 << 20);
    if (st == SB_OK) {
        t->gen_tokens = json_integer_value(n);
        sbi_text_puts(&both, t->task);
        sbi_text_puts(&both, t->answer_prefix);
        if ((st = sbi_text_status(&both)) == SB_OK)
            st = check_fields(path, where.p, both.p, rules[g].must, rules[g].may);
    }
    if (st == SB_OK)
        st = check_context(path, g, t->task);
    if (st == SB_OK)
        st = check_cuts(path, g, t);
    sbi_text_fini(&both);
    sbi_text_fini(&where);
    return st;
}

/* A file, or bytes with a name for it. */
typedef struct source {
    const char *path;
    const char *bytes; /* NULL: read the file */
    size_t      n;
} source;

static sb_status read_json(const source *s, json_t **root)
{
    char sha256[65];
    return s->bytes != NULL ? sbi_json_bytes(s->path, s->bytes, (int64_t)s->n, root)
                            : sbi_file_json(s->path, root, sha256);
}

static sb_status load_texts(sb_ruler_templates *t, const source *from)
{
    const char              *path                    = from->path;
    static const char *const of_needle[MAX_FIELDS]   = {"type_needle_v", "key", "value"};
    static const char *const of_document[MAX_FIELDS] = {"i", "document"};
    json_t                  *root                    = NULL;
    sb_status                st                      = read_json(from, &root);
    if (st != SB_OK)
        return st;
    if (!json_is_object(root))
        st = sb_fail(SB_ERR_USAGE, "%s: %s, not an object", path, sbi_json_kind(root));
    if (st == SB_OK && (st = take_string(path, "", root, "needle", &t->needle)) == SB_OK &&
        (st = take_string(path, "", root, "haystack_noise", &t->haystack_noise)) == SB_OK &&
        (st = take_string(path, "", root, "document_prompt", &t->document_prompt)) == SB_OK &&
        (st = check_fields(path, "needle", t->needle, of_needle, NULL)) == SB_OK)
        st = check_fields(path, "document_prompt", t->document_prompt, of_document, NULL);
    if (st == SB_OK &&
        (t->haystack_noise[0] == '\0' || t->haystack_noise[strlen(t->haystack_noise) - 1] == ' '))
        st = sb_fail(SB_ERR_USAGE, "%s: haystack_noise: empty, or ends with a blank", path);
    for (int g = 0; st == SB_OK && g < SB_RULER_GENERATORS; g++)
        st = take_text(path, json_object_get(root, "tasks"), (sb_ruler_generator)g, &t->text[g]);
    json_decref(root);
    return st;
}

static sb_status no_wrapper(const char *path, json_t *root, const char *name)
{
    sbi_text    names = {0};
    const char *key;
    json_t     *v;
    sb_status   st;
    json_object_foreach(root, key, v)
    {
        sbi_text_puts(&names, names.n > 0 ? ", " : "");
        sbi_text_puts(&names, key);
    }
    if ((st = sbi_text_status(&names)) == SB_OK)
        st = sb_fail(SB_ERR_USAGE, "%s: no chat wrapper %s; it has %s", path, name,
                     names.n > 0 ? names.p : "none");
    sbi_text_fini(&names);
    return st;
}

static sb_status load_wrapper(sb_ruler_templates *t, const source *from, const char *name)
{
    const char *path = from->path, *mark;
    json_t     *root = NULL;
    sb_status   st   = copy(name, &t->wrapper_name);
    if (st != SB_OK || (st = read_json(from, &root)) != SB_OK)
        return st;
    if (!json_is_object(root))
        st = sb_fail(SB_ERR_USAGE, "%s: %s, not an object", path, sbi_json_kind(root));
    if (st == SB_OK && json_object_get(root, name) == NULL)
        st = no_wrapper(path, root, name);
    if (st == SB_OK)
        st = take_string(path, "", root, name, &t->wrapper);
    json_decref(root);
    if (st != SB_OK)
        return st;
    mark = strstr(t->wrapper, "{task_template}");
    if (mark == NULL || strstr(mark + 1, "{task_template}") != NULL)
        return sb_fail(SB_ERR_USAGE, "%s: %s: must hold {task_template} once", path, name);
    return SB_OK;
}

static void put(sbi_sha256 *h, const char *s) { sbi_sha256_put(h, s, strlen(s) + 1); }

static sb_status identify(sb_ruler_templates *t)
{
    sbi_sha256 h;
    sb_status  st;
    sbi_sha256_init(&h);
    put(&h, t->needle);
    put(&h, t->haystack_noise);
    put(&h, t->document_prompt);
    for (int g = 0; g < SB_RULER_GENERATORS; g++) {
        put(&h, t->text[g].task);
        put(&h, t->text[g].answer_prefix);
        sbi_sha256_put_i64(&h, t->text[g].gen_tokens);
    }
    if ((st = sbi_sha256_hex(&h, t->sha256)) != SB_OK)
        return st;
    sbi_sha256_init(&h);
    put(&h, t->wrapper);
    return sbi_sha256_hex(&h, t->wrapper_sha256);
}

static sb_status load(const source *texts, const source *wrappers, const char *wrapper,
                      sb_ruler_templates **out)
{
    sb_ruler_templates *t = calloc(1, sizeof *t);
    sb_status           st;
    if (t == NULL)
        return sb_fail(SB_ERR_NOMEM, "templates: no memory");
    if ((st = load_texts(t, texts)) == SB_OK &&
        (st = load_wrapper(t, wrappers, wrapper != NULL ? wrapper : "base")) == SB_OK &&
        (st = identify(t)) == SB_OK) {
        *out = t;
        return SB_OK;
    }
    sb_ruler_templates_close(t);
    return st;
}

sb_status sb_ruler_templates_open(const char *texts, const char *wrappers, const char *wrapper,
                                  sb_ruler_templates **out)
{
    source a = {"the built-in ruler.json", sbi_ruler_texts, sbi_ruler_texts_bytes},
           b = {"the built-in chat.json", sbi_ruler_chat, sbi_ruler_chat_bytes};
    if (texts != NULL)
        a = (source){texts, NULL, 0};
    if (wrappers != NULL)
        b = (source){wrappers, NULL, 0};
    return load(&a, &b, wrapper, out);
}

sb_status sb_ruler_templates_open_bytes(const char *name, const void *texts, size_t texts_bytes,
                                        const void *wrappers, size_t wrappers_bytes,
                                        const char *wrapper, sb_ruler_templates **out)
{
    const source a = {name, texts, texts_bytes}, b = {name, wrappers, wrappers_bytes};
    return load(&a, &b, wrapper, out);
}

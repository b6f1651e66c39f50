/* The words of generated rows, read from the texts' key "generated". */
#include <string.h>

#include "workloads/base/suite_files.h"
#include "workloads/infinitebench/synth.h"

static sb_status sub(const json_t *from, const char *file, const char *key, const json_t **out)
{
    *out = json_object_get(from, key);
    if (!json_is_object(*out))
        return sb_fail(SB_ERR_USAGE, "%s: %s: not an object", file, key);
    return SB_OK;
}

static sb_status take_targets(const json_t *find, const char *file, sbi_ib_words *w)
{
    const json_t *v = json_object_get(find, "targets");
    if (!json_is_array(v) || json_array_size(v) != SBI_IB_TARGETS)
        return sb_fail(SB_ERR_USAGE, "%s: generated.math_find.targets: not an array of %d strings",
                       file, SBI_IB_TARGETS);
    for (size_t i = 0; i < SBI_IB_TARGETS; i++) {
        w->target[i] = json_string_value(json_array_get(v, i));
        if (w->target[i] == NULL)
            return sb_fail(SB_ERR_USAGE, "%s: generated.math_find.targets[%zu]: not a string", file,
                           i);
    }
    return SB_OK;
}

/* generated.OBJECT.KEY, or generated.KEY; field: the placeholder that must be in it, NULL none. */
static sb_status take_text(const json_t *all, const char *file, const char *object, const char *key,
                           const char *field, const char **text)
{
    static const char *const nothing[] = {NULL};
    const char              *must[]    = {field, NULL};
    const json_t            *from      = all;
    sbi_text                 where     = {0};
    sb_status                st;
    sbi_text_puts(&where, file);
    sbi_text_puts(&where, ": generated");
    if (object != NULL) {
        sbi_text_puts(&where, ".");
        sbi_text_puts(&where, object);
    }
    st = sbi_text_status(&where);
    if (st == SB_OK && object != NULL)
        st = sub(all, file, object, &from);
    if (st == SB_OK && field != NULL)
        st = sbi_texts_find(from, where.p, key, must, nothing, text);
    else if (st == SB_OK && (*text = json_string_value(json_object_get(from, key))) == NULL)
        st = sb_fail(SB_ERR_USAGE, "%s: %s: not a string", where.p, key);
    if (st == SB_OK && (*text)[0] == '\0')
        st = sb_fail(SB_ERR_USAGE, "%s: %s: empty", where.p, key);
    sbi_text_fini(&where);
    return st;
}

sb_status sbi_ib_words_find(const json_t *texts, const char *file, sbi_ib_words *out)
{
    static const struct item {
        const char *object, *key, *field; /* object NULL: generated itself */
        size_t      at;
    } items[] = {
        {NULL, "noise", NULL, offsetof(sbi_ib_words, noise)},
        {"passkey", "needle", "key", offsetof(sbi_ib_words, passkey_needle)},
        {"passkey", "question", NULL, offsetof(sbi_ib_words, passkey_question)},
        {"number_string", "needle", "key", offsetof(sbi_ib_words, number_needle)},
        {"number_string", "question", NULL, offsetof(sbi_ib_words, number_question)},
        {"kv_retrieval", "begin", NULL, offsetof(sbi_ib_words, kv_begin)},
        {"kv_retrieval", "question", "key", offsetof(sbi_ib_words, kv_question)},
        {"math_find", "question", "target", offsetof(sbi_ib_words, find_question)},
        {"code_run", "begin", NULL, offsetof(sbi_ib_words, run_begin)},
        {"code_run", "question", "func_call", offsetof(sbi_ib_words, run_question)},
    };
    const json_t *all, *find;
    sbi_ib_words  w  = {0};
    sb_status     st = sub(texts, file, "generated", &all);
    for (size_t i = 0; st == SB_OK && i < sizeof items / sizeof *items; i++) {
        const char *text = NULL;
        st = take_text(all, file, items[i].object, items[i].key, items[i].field, &text);
        memcpy((char *)&w + items[i].at, &text, sizeof text);
    }
    if (st == SB_OK && (st = sub(all, file, "math_find", &find)) == SB_OK)
        st = take_targets(find, file, &w);
    if (st == SB_OK)
        *out = w;
    return st;
}

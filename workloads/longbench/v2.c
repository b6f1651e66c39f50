/* LongBench v2 [2.3]: multiple choice over a long text. The marks of the prompt are replaced one
 * after another, so a mark that a document happens to hold is replaced as well, as in the original.
 */
#include <stdlib.h>
#include <string.h>

#include "workloads/base/file_set.h"
#include "workloads/base/pytext.h"
#include "workloads/base/suite_files.h"
#include "workloads/longbench/longbench.h"

enum { GEN_TOKENS = 128, COT_GEN_TOKENS = 1024 };

static const sb_text_task tasks[] = {
    {"choice", "one of four answers to a question about a long text", "longbench_v2@1", GEN_TOKENS},
    {0},
};

#define P(field) offsetof(sb_longbench_v2_params, field)
static const sb_param params[] = {
    {"variant", "0shot", "0shot|0shot_cot|no_context|0shot_cot_ans|rag",
     "prompt; the last two need a model's first answer and a retriever and are not made here",
     SB_ENUM, P(variant)},
    {"compensated", "no", "no|yes", "a response without an answer scores 0, or a quarter", SB_ENUM,
     P(compensated)},
    {"prefix_tokens", "0", "[0,64]",
     "special tokens that the tokenizer puts before a text: they count where a prompt is cut",
     SB_I64, P(prefix_tokens)},
    {0},
};
#undef P

static const sb_text_key keys[] = {
    {"data", "LongBench v2's data.json, the same as jsonl, or a folder that holds it"},
    {"templates", "JSON of prompts, or a folder with LongBench v2's prompts/*.txt; without it our "
                  "own wording"},
    {0},
};

/* mark -> field, in the order of replacement */
static const struct place {
    const char *mark, *field;
} places[] = {
    {"$DOC$", "context"},  {"$Q$", "question"},   {"$C_A$", "choice_A"},
    {"$C_B$", "choice_B"}, {"$C_C$", "choice_C"}, {"$C_D$", "choice_D"},
};

enum { PLACES = sizeof places / sizeof *places };

static const struct variant {
    const char *name, *file; /* key of the JSON, file in prompts/ */
} variants[] = {
    {"0shot", "0shot.txt"},
    {"0shot_cot", "0shot_cot.txt"},
    {"no_context", "0shot_no_context.txt"},
};

/* text.replace(mark, value.strip()) */
static sb_status put(sbi_text *text, const char *mark, const char *value)
{
    int64_t begin = 0, end = (int64_t)strlen(value);
    char   *stripped;
    sbi_py_strip(value, &begin, &end);
    stripped = strndup(value + begin, (size_t)(end - begin));
    if (stripped == NULL)
        return sb_fail(SB_ERR_NOMEM, "longbench_v2: no memory");
    sbi_py_replace(text, mark, stripped);
    free(stripped);
    return sbi_text_status(text);
}

static sb_status make(const sbi_file_set *s, const sbi_row_source *src, sb_text_row *out)
{
    static const char *const kept[] = {"_id", "domain", "sub_domain", "difficulty", "length", NULL};
    const sb_longbench_v2_params *p = s->params;
    const char                   *value[PLACES], *word;
    sbi_text                      prompt = {0};
    sb_status                     st     = SB_OK;
    for (int i = 0; st == SB_OK && i < PLACES; i++)
        st = sbi_row_string(src, places[i].field, &value[i]);
    if (st != SB_OK || (st = sbi_row_word(src, "difficulty", "easy|hard", &word)) != SB_OK ||
        (st = sbi_row_word(src, "length", "short|medium|long", &word)) != SB_OK ||
        (st = sbi_row_word(src, "answer", "A|B|C|D", &word)) != SB_OK ||
        (st = sbi_row_meta(src, kept, out)) != SB_OK || (st = sbi_row_id(src, "_id", out)) != SB_OK)
        return st;
    if ((out->refs = calloc(1, sizeof *out->refs)) == NULL || (out->refs[0] = strdup(word)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "longbench_v2: no memory");
    out->n_refs = 1;
    sbi_text_puts(&prompt, s->text);
    st = sbi_text_status(&prompt);
    for (int i = 0; st == SB_OK && i < PLACES; i++)
        st = put(&prompt, places[i].mark, value[i]);
    if (st == SB_OK && (out->prompt = sbi_text_take(&prompt)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "longbench_v2: no memory for a prompt");
    sbi_text_fini(&prompt);
    out->scorer     = p->compensated ? "longbench_v2_compensated@1" : "longbench_v2@1";
    out->gen_tokens = p->variant == SB_LONGBENCH_V2_0SHOT_COT ? COT_GEN_TOKENS : GEN_TOKENS;
    return st;
}

static sb_status open_texts(const sb_text_req *req, const struct variant *v, sbi_file_set *s)
{
    const sbi_built_in own  = {"the built-in longbench_v2.json", sbi_longbench_v2_texts,
                               sbi_longbench_v2_texts_bytes};
    const char        *path = sbi_req_path(req, "templates");
    const char        *name = path != NULL ? path : own.name;
    const json_t      *text;
    sb_status          st;
    if (path != NULL && sbi_is_folder(path)) {
        const char *files[] = {v->file, NULL};
        char       *file    = NULL;
        if ((st = sbi_data_find("longbench_v2: templates", path, files, &file)) == SB_OK)
            st = sbi_texts_open_plain(file, v->name, &s->texts);
        free(file);
    } else {
        st = sbi_texts_open(path, &own, &s->texts);
    }
    if (st != SB_OK)
        return st;
    text = json_object_get(s->texts, v->name);
    if (!json_is_string(text))
        return sb_fail(SB_ERR_USAGE, "%s: %s: %s, not a string", name, v->name, sbi_row_kind(text));
    s->text      = json_string_value(text);
    s->text_name = v->name;
    for (int i = v == &variants[SB_LONGBENCH_V2_NO_CONTEXT]; i < PLACES; i++)
        if (strstr(s->text, places[i].mark) == NULL)
            return sb_fail(SB_ERR_USAGE, "%s: %s: the mark %s is missing", name, v->name,
                           places[i].mark);
    return SB_OK;
}

static sb_status open_v2(const sb_text_req *req, sb_text_set **out)
{
    static const char *const      names[] = {"data.json", "data.jsonl", NULL};
    const sb_longbench_v2_params *p       = req->params;
    sbi_file_set                 *s;
    sb_status                     st;
    if (p->variant == SB_LONGBENCH_V2_0SHOT_COT_ANS)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "longbench_v2: variant 0shot_cot_ans asks again with the model's own answer "
                       "to 0shot_cot, which no file holds");
    if (p->variant == SB_LONGBENCH_V2_RAG)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "longbench_v2: variant rag reads passages that a retriever found, which the "
                       "data set's file does not hold");
    s = calloc(1, sizeof *s);
    if (s == NULL)
        return sb_fail(SB_ERR_NOMEM, "longbench_v2: no memory");
    s->make = make;
    s->chat = 1;
    s->cut  = (sbi_cut_rule){req->length_tokens, p->prefix_tokens, SBI_CUT_ODD_TAIL, 1, 0};
    if ((st = open_texts(req, &variants[p->variant], s)) != SB_OK) {
        sbi_file_set_close(&s->base);
        return st;
    }
    return sbi_file_set_open(req, names, s, out);
}

/* ---- the six figures of a report ---- */

static const char *const group_names[] = {"overall", "easy", "hard", "short",
                                          "medium",  "long", NULL};

static sb_status put_group(const json_t *meta, const char *field, const char *const *names,
                           const char *allowed, uint32_t first, uint32_t *member)
{
    const json_t *v = json_object_get(meta, field);
    if (!json_is_string(v))
        return sb_fail(SB_ERR_USAGE, "meta.%s: %s, not a string", field, sbi_row_kind(v));
    for (uint32_t i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], json_string_value(v)) == 0) {
            *member |= UINT32_C(1) << (first + i);
            return SB_OK;
        }
    }
    return sb_fail(SB_ERR_USAGE, "meta.%s: `%.40s`, not one of %s", field, json_string_value(v),
                   allowed);
}

static sb_status groups_of(const json_t *meta, uint32_t *member)
{
    static const char *const difficulties[] = {"easy", "hard", NULL};
    static const char *const lengths[]      = {"short", "medium", "long", NULL};
    uint32_t                 m              = 1;
    sb_status                st = put_group(meta, "difficulty", difficulties, "easy, hard", 1, &m);
    if (st == SB_OK)
        st = put_group(meta, "length", lengths, "short, medium, long", 3, &m);
    if (st == SB_OK)
        *member = m;
    return st;
}

static const sb_text_groups groups = {group_names, groups_of};

const sb_text_suite sb_longbench_v2_suite = {
    .name         = "longbench_v2",
    .summary      = "LongBench v2: multiple choice, from its data.json",
    .version      = SB_LONGBENCH_VERSION,
    .tasks        = tasks,
    .params       = params,
    .params_bytes = sizeof(sb_longbench_v2_params),
    .keys         = keys,
    .decimals     = 1,
    .groups       = &groups,
    .open         = open_v2,
    .close        = sbi_file_set_close,
    .n_rows       = sbi_file_set_rows,
    .row          = sbi_file_set_row,
    .facts        = sbi_file_set_facts,
};

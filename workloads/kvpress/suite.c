#include "workloads/kvpress/suite.h"

#include <stdlib.h>
#include <string.h>

#include "workloads/base/file_set.h"
#include "workloads/base/pytext.h"

static const sb_text_task tasks[] = {
    {"ruler", "RULER's tasks; each row says which", SB_TEXT_SCORER_VARIES, 128},
    {0},
};

#define P(field) offsetof(sb_kvpress_params, field)
static const sb_param params[] = {
    {"scoring", "kvpress", "kvpress|ruler|lm_eval",
     "whose string match: they treat control characters and the references of qa differently",
     SB_ENUM, P(scoring)},
    {"chat", "no", "no|yes",
     "yes: for a chat model, whose wrapper stands between question and answer prefix; no: a line "
     "feed does",
     SB_ENUM, P(chat)},
    {0},
};
#undef P

static const sb_text_key keys[] = {
    {"data", "the export as jsonl (context, question, answer_prefix, answer, task, "
             "max_new_tokens), or a folder with ruler.jsonl"},
    {0},
};

static const char *const names[] = {"niah_single_1",
                                    "niah_single_2",
                                    "niah_single_3",
                                    "niah_multikey_1",
                                    "niah_multikey_2",
                                    "niah_multikey_3",
                                    "niah_multivalue",
                                    "niah_multiquery",
                                    "vt",
                                    "cwe",
                                    "fwe",
                                    "qa_1",
                                    "qa_2",
                                    NULL};

static int index_of(const char *task)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], task) == 0)
            return i;
    return -1;
}

/* kvpress takes the best reference of tasks whose name begins with qa, else all of them. */
static const char *scorer_of(int32_t scoring, const char *task)
{
    static const char *const all[]  = {"kvpress_all@1", "ruler_all@1", "ruler_all@1"};
    static const char *const part[] = {"kvpress_part@1", "ruler_part@1", "lmeval_part@1"};
    return strncmp(task, "qa_", 3) == 0 ? part[scoring] : all[scoring];
}

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "kvpress: no memory"); }

/* A string, or an array of strings; pandas also writes numbers for words that look like them. */
static sb_status take_answer(const sbi_row_source *src, sb_text_row *out)
{
    const json_t *v = json_object_get(src->row, "answer");
    if (json_is_array(v))
        return sbi_row_texts(src, "answer", v, 0, &out->refs, &out->n_refs);
    if (!json_is_string(v))
        return sbi_row_wrong(src, "answer", v, "a string or an array of them");
    if ((out->refs = calloc(1, sizeof *out->refs)) == NULL)
        return no_memory();
    out->n_refs = 1;
    return sbi_row_value_text(src, "answer", v, &out->refs[0]);
}

static sb_status take_prompt(const sbi_file_set *s, const sbi_row_source *src, sb_text_row *out)
{
    const char *context = NULL, *question = NULL, *prefix = NULL;
    sbi_text    t = {0};
    sb_status   st;
    if ((st = sbi_row_string(src, "context", &context)) != SB_OK ||
        (st = sbi_row_string(src, "question", &question)) != SB_OK ||
        (st = sbi_row_string(src, "answer_prefix", &prefix)) != SB_OK)
        return st;
    sbi_text_puts(&t, context);
    sbi_text_puts(&t, question);
    out->input_bytes = t.n;
    if (!s->chat)
        sbi_text_putc(&t, '\n');
    sbi_text_puts(&t, prefix);
    if ((st = sbi_text_status(&t)) == SB_OK && t.n == 0)
        st = sbi_row_fail(src, "context", "an empty prompt");
    else if (st == SB_OK && (out->prompt = sbi_text_take(&t)) == NULL)
        st = no_memory();
    sbi_text_fini(&t);
    return st;
}

static sb_status make(const sbi_file_set *s, const sbi_row_source *src, sb_text_row *out)
{
    static const char *const kept[] = {"task", NULL};
    const sb_kvpress_params *p      = s->params;
    const char              *task   = NULL;
    sb_status                st;
    if ((st = sbi_row_string(src, "task", &task)) != SB_OK)
        return st;
    if (index_of(task) < 0)
        return sbi_row_fail(src, "task", "`%.40s`, not one of RULER's 13 tasks", task);
    out->scorer = scorer_of(p->scoring, task);
    if ((st = take_prompt(s, src, out)) != SB_OK || (st = take_answer(src, out)) != SB_OK ||
        (st = sbi_row_count(src, "max_new_tokens", &out->gen_tokens)) != SB_OK)
        return st;
    if (out->gen_tokens == 0 || out->gen_tokens > INT32_MAX)
        return sbi_row_fail(src, "max_new_tokens", "%lld, not a number of tokens from 1",
                            (long long)out->gen_tokens);
    if ((st = sbi_row_id(src, "id", out)) != SB_OK)
        return st;
    return sbi_row_meta(src, kept, out);
}

static sb_status open_kvpress(const sb_text_req *req, sb_text_set **out)
{
    static const char *const files[] = {"ruler.jsonl", NULL};
    const sb_kvpress_params *p       = req->params;
    sbi_file_set            *s       = calloc(1, sizeof *s);
    if (s == NULL)
        return no_memory();
    s->make    = make;
    s->chat    = p->chat;
    s->cutting = SBI_FILE_CUT_NONE;
    return sbi_file_set_open(req, files, s, out);
}

/* kvpress reports each task by itself. */
static sb_status task_of(const json_t *meta, uint32_t *member)
{
    const json_t *v = json_object_get(meta, "task");
    int           i = json_is_string(v) ? index_of(json_string_value(v)) : -1;
    if (i < 0)
        return sb_fail(SB_ERR_USAGE, "meta.task: %s, not one of RULER's 13 tasks",
                       json_is_string(v) ? json_string_value(v) : sbi_row_kind(v));
    *member = UINT32_C(1) << i;
    return SB_OK;
}

static const sb_text_groups groups = {names, task_of};

const sb_text_suite sb_kvpress_suite = {
    .name         = "kvpress",
    .summary      = "RULER's rows as kvpress exports them",
    .version      = SB_KVPRESS_VERSION,
    .tasks        = tasks,
    .params       = params,
    .params_bytes = sizeof(sb_kvpress_params),
    .keys         = keys,
    .decimals     = 2,
    .groups       = &groups,
    .open         = open_kvpress,
    .close        = sbi_file_set_close,
    .n_rows       = sbi_file_set_rows,
    .row          = sbi_file_set_row,
    .facts        = sbi_file_set_facts,
};

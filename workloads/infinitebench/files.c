/* InfiniteBench's 12 tasks from their files [3]. */
#include <stdlib.h>
#include <string.h>

#include "workloads/base/file_set.h"
#include "workloads/base/pytext.h"
#include "workloads/base/suite_files.h"
#include "workloads/infinitebench/infinitebench.h"
#include "workloads/infinitebench/prompt.h"

/* scorer and gen_tokens are those of sb_infbench_tasks: a test compares them */
static const sb_text_task tasks[] = {
    {"passkey", "five digits in a repeated text", "infbench_first_int@1", 6},
    {"number_string", "ten digits, half of them doubled, in a repeated text",
     "infbench_first_int@1", 12},
    {"kv_retrieval", "the value of one of many random keys", "infbench_kv_retrieval@1", 50},
    {"longbook_sum_eng", "summary of a novel", "infbench_rouge_lsum@1", 1200},
    {"longbook_choice_eng", "one of four answers about a novel", "infbench_book_choice@1", 40},
    {"longbook_qa_eng", "questions about a novel", "qa_f1@1", 40},
    {"longbook_qa_chn", "questions about a novel, Chinese", "infbench_f1_chars_zh@1", 40},
    {"longdialogue_qa_eng", "a name left out of a film script", "infbench_dialogue_qa@1", 40},
    {"math_find", "largest, smallest or median of a list", "infbench_math_find@1", 3},
    {"math_calc", "all values that an expression goes through", "infbench_math_calc@1", 30000},
    {"code_run", "what a chain of functions returns", "infbench_code_run@1", 5},
    {"code_debug", "which of four functions holds an error", "infbench_code_debug@1", 5},
    {0},
};

static const sb_param params[] = {
    {"prefix_tokens", "0", "[0,64]",
     "special tokens that the tokenizer puts before a text: they count where a prompt is cut",
     SB_I64, offsetof(sb_infinitebench_params, prefix_tokens)},
    {0},
};

static const sb_text_key keys[] = {
    {"data", "a folder with InfiniteBench's files TASK.jsonl, or one such file"},
    {"templates",
     "JSON of prompts by task; configs/templates/import_infinitebench.py makes it from "
     "InfiniteBench's src; without it our own wording"},
    {0},
};

typedef struct ib_set {
    sbi_file_set set;
    sbi_ib_texts texts; /* root is set.texts */
} ib_set;

static int is(const sbi_file_set *s, const char *task)
{
    return strcmp(s->base.task->name, task) == 0;
}

static int has_options(const sbi_file_set *s)
{
    return is(s, "code_debug") || is(s, "longbook_choice_eng");
}

/* The three whose context may be called content, which then wins. */
static int may_say_content(const sbi_file_set *s)
{
    return is(s, "passkey") || is(s, "number_string") || is(s, "kv_retrieval");
}

static int reads_input(const sbi_file_set *s)
{
    return !is(s, "longbook_sum_eng") && !is(s, "longdialogue_qa_eng") && !is(s, "math_calc") &&
           !is(s, "code_debug");
}

static sb_status take_options(const sbi_row_source *src, const char *option[4])
{
    const json_t *v = json_object_get(src->row, "options");
    if (!json_is_array(v) || json_array_size(v) < 4)
        return sbi_row_wrong(src, "options", v, "an array of four strings or more");
    for (size_t i = 0; i < 4; i++) {
        option[i] = json_string_value(json_array_get(v, i));
        if (option[i] == NULL)
            return sbi_row_wrong(src, "options", json_array_get(v, i), "a string");
    }
    return SB_OK;
}

/* References: the answer's text and its letter. An answer may come with its letter. */
static sb_status take_choice(const sbi_row_source *src, const json_t *answer,
                             const char *const option[4], sb_text_row *out)
{
    size_t      n = json_array_size(answer); /* 0 where it is no array */
    const char *text =
        json_string_value(json_is_array(answer) ? json_array_get(answer, 0) : answer);
    const char *letter = json_string_value(n == 2 ? json_array_get(answer, 1) : NULL);
    char        own[2] = "A";
    if (text == NULL || (json_is_array(answer) && n != 1 && n != 2))
        return sbi_row_wrong(src, "answer", answer, "a string, or an array of one or two strings");
    if (n == 2 && (letter == NULL || strlen(letter) != 1 || strchr("ABCD", letter[0]) == NULL))
        return sbi_row_wrong(src, "answer[1]", json_array_get(answer, 1), "one of A, B, C, D");
    for (int i = 0; letter == NULL && i < 4; i++) {
        if (strcmp(option[i], text) == 0) {
            own[0] = (char)('A' + i);
            letter = own;
        }
    }
    if (letter == NULL)
        return sbi_row_fail(src, "answer", "`%.60s` is none of the first four options", text);
    if ((out->refs = calloc(2, sizeof *out->refs)) == NULL ||
        (out->refs[out->n_refs++] = strdup(text)) == NULL ||
        (out->refs[out->n_refs++] = strdup(letter)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "infinitebench: no memory");
    return SB_OK;
}

static sb_status take_answer(const sbi_file_set *s, const sbi_row_source *src,
                             const char *const option[4], sb_text_row *out)
{
    const json_t *answer = json_object_get(src->row, "answer");
    if (has_options(s))
        return take_choice(src, answer, option, out);
    if (is(s, "math_calc") && json_is_array(json_array_get(answer, 0)))
        answer = json_array_get(answer, 0);
    if (json_is_array(answer) || is(s, "math_calc"))
        return sbi_row_texts(src, "answer", answer, 0, &out->refs, &out->n_refs);
    if ((out->refs = calloc(1, sizeof *out->refs)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "infinitebench: no memory");
    out->n_refs = 1;
    return sbi_row_value_text(src, "answer", answer, &out->refs[0]);
}

static sb_status make(const sbi_file_set *s, const sbi_row_source *src, sb_text_row *out)
{
    static const char *const kept[] = {"id", "len", NULL};
    const ib_set            *ib     = (const ib_set *)s;
    sbi_ib_parts             p      = {0};
    sbi_ib_places            places;
    const char              *where = "context";
    sb_status                st;
    if (may_say_content(s) && json_object_get(src->row, "content") != NULL)
        where = "content";
    if ((st = sbi_row_string(src, where, &p.context)) != SB_OK ||
        (reads_input(s) && (st = sbi_row_string(src, "input", &p.input)) != SB_OK) ||
        (has_options(s) && (st = take_options(src, p.option)) != SB_OK) ||
        (st = take_answer(s, src, p.option, out)) != SB_OK ||
        (st = sbi_row_id(src, "id", out)) != SB_OK || (st = sbi_row_meta(src, kept, out)) != SB_OK)
        return st;
    st = sbi_ib_prompt(&ib->texts, s->base.task->name, &p, &out->prompt, &places);
    return st == SB_ERR_USAGE ? sbi_row_fail(src, "input", "%.200s", sb_error_text()) : st;
}

static sb_status open_files(const sb_text_req *req, sb_text_set **out)
{
    const sb_infinitebench_params *p    = req->params;
    ib_set                        *ib   = calloc(1, sizeof *ib);
    sbi_text                       name = {0};
    sb_status                      st;
    if (ib == NULL)
        return sb_fail(SB_ERR_NOMEM, "infinitebench: no memory");
    sbi_text_puts(&name, req->task->name);
    sbi_text_puts(&name, ".jsonl");
    if ((st = sbi_text_status(&name)) == SB_OK)
        st = sbi_ib_texts_open(sbi_req_path(req, "templates"), req->task->name, &ib->texts);
    if (st == SB_OK) {
        const char *names[] = {name.p, NULL};
        ib->set.make        = make;
        ib->set.texts       = ib->texts.root;
        ib->set.text        = ib->texts.text;
        ib->set.text_name   = req->task->name;
        ib->set.chat        = ib->texts.chat;
        memcpy(ib->set.texts_sha256, ib->texts.sha256, sizeof ib->texts.sha256);
        ib->set.cut = (sbi_cut_rule){req->length_tokens, p->prefix_tokens, SBI_CUT_ODD_DROP, 1, 1};
        st          = sbi_file_set_open(req, names, &ib->set, out);
    } else {
        free(ib);
    }
    sbi_text_fini(&name);
    return st;
}

const sb_text_suite sb_infinitebench_suite = {
    .name         = "infinitebench",
    .summary      = "InfiniteBench, 12 tasks, from its files",
    .version      = SB_INFINITEBENCH_VERSION,
    .tasks        = tasks,
    .params       = params,
    .params_bytes = sizeof(sb_infinitebench_params),
    .keys         = keys,
    .decimals     = 2,
    .open         = open_files,
    .close        = sbi_file_set_close,
    .n_rows       = sbi_file_set_rows,
    .row          = sbi_file_set_row,
    .facts        = sbi_file_set_facts,
};

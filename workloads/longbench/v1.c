/* LongBench v1 and LongBench-E [2.1]. A prompt is the dataset's text with the row's context and
 * input put in; a long one loses its middle. */
#include <stdlib.h>
#include <string.h>

#include "workloads/base/file_set.h"
#include "workloads/base/pytext.h"
#include "workloads/base/suite_files.h"
#include "workloads/longbench/longbench.h"
#include "workloads/metrics/longbench.h"

/* clang-format off */
/* X(in both suites) or V1(in the first alone); scorer and gen_tokens are those of
 * sb_longbench_datasets: a test compares them */
#define DATASETS(X, V1)                                                                            \
    V1("narrativeqa", "questions about a story or a film script", "qa_f1@1", 128)                  \
    X("qasper", "questions about a scientific article", "qa_f1@1", 128)                            \
    X("multifieldqa_en", "questions about texts of several fields", "qa_f1@1", 64)                 \
    V1("multifieldqa_zh", "the same in Chinese", "qa_f1_zh@1", 64)                                 \
    X("hotpotqa", "questions over two of several passages", "qa_f1@1", 32)                         \
    X("2wikimqa", "questions over several Wikipedia passages", "qa_f1@1", 32)                      \
    V1("musique", "questions over several passages, up to four steps", "qa_f1@1", 32)              \
    V1("dureader", "questions over several web pages, Chinese", "rouge_zh@1", 128)                 \
    X("gov_report", "summary of a report", "rouge_l@1", 512)                                       \
    V1("qmsum", "questions about a meeting", "rouge_l@1", 512)                                     \
    X("multi_news", "summary of several news texts", "rouge_l@1", 512)                             \
    V1("vcsum", "summary of a meeting, Chinese", "rouge_zh@1", 512)                                \
    X("trec", "class of a question, by examples", "classification@1", 64)                          \
    X("triviaqa", "questions about a passage, by examples", "qa_f1@1", 32)                         \
    X("samsum", "summary of a dialogue, by examples", "rouge_l@1", 128)                            \
    V1("lsht", "class of a news text, by examples, Chinese", "classification@1", 64)               \
    X("passage_count", "how many passages differ", "count@1", 32)                                  \
    X("passage_retrieval_en", "which passage a summary is of", "retrieval@1", 32)                  \
    V1("passage_retrieval_zh", "the same in Chinese", "retrieval_zh@1", 32)                        \
    X("lcc", "the next line of a file of code", "code_sim@1", 64)                                  \
    X("repobench-p", "the next line, with other files of the project", "code_sim@1", 64)
#define TASK(name, summary, scorer, gen_tokens) {name, summary, scorer, gen_tokens},
#define NO_TASK(name, summary, scorer, gen_tokens)

static const sb_text_task tasks[]   = {DATASETS(TASK, TASK) {0}};
static const sb_text_task tasks_e[] = {DATASETS(TASK, NO_TASK) {0}};
/* clang-format on */

#define P(field) offsetof(sb_longbench_params, field)
static const sb_param params[] = {
    {"code_sim", "difflib", "difflib|indel|rapidfuzz",
     "lcc, repobench-p: similarity as fuzzywuzzy computes it without or with a Levenshtein package",
     SB_ENUM, P(code_sim)},
    {"prefix_tokens", "0", "[0,64]",
     "special tokens that the tokenizer puts before a text: they count where a prompt is cut",
     SB_I64, P(prefix_tokens)},
    {0},
};
#undef P

static const sb_text_key keys[] = {
    {"data", "a folder with LongBench's files NAME.jsonl, or one such file"},
    {"templates", "JSON of prompts in the form of LongBench's config/dataset2prompt.json; without "
                  "it our own wording"},
    {0},
};

static const char *code_sim_scorer(const sb_longbench_params *p)
{
    static const char *const names[] = {"code_sim@1", "code_sim_indel@1", "code_sim_rapidfuzz@1"};
    return names[p->code_sim];
}

/* Where nothing is scored by classes the field may hold anything: null, an empty array. */
static sb_status take_classes(const sbi_row_source *src, const sb_longbench *d, sb_text_row *out)
{
    if (strcmp(d->metric, "classification@1") != 0)
        return SB_OK;
    return sbi_row_texts(src, "all_classes", json_object_get(src->row, "all_classes"), 1,
                         &out->classes, &out->n_classes);
}

/* meta is what the row says of itself, as it says it; `length` decides about E's groups. */
static sb_status take_meta(const sbi_row_source *src, int is_e, sb_text_row *out)
{
    static const char *const fields[] = {"length", "dataset", "language", "_id", NULL};
    const json_t            *length   = json_object_get(src->row, "length");
    int64_t                  unused;
    sb_status                st = SB_OK;
    if (is_e || (length != NULL && !json_is_null(length)))
        st = sbi_row_count(src, "length", &unused);
    return st == SB_OK ? sbi_row_meta(src, fields, out) : st;
}

static int has_input(const char *text) { return strstr(text, "{input}") != NULL; }

static sb_status make(const sbi_file_set *s, const sbi_row_source *src, sb_text_row *out)
{
    const sb_longbench *d      = sb_longbench_find(s->base.task->name);
    sbi_field           f[2]   = {{"context", "", 0, -1}, {"input", "", 0, -1}};
    sbi_text            prompt = {0};
    sb_status           st     = sbi_row_string(src, "context", &f[0].value);
    if (st == SB_OK && has_input(s->text))
        st = sbi_row_string(src, "input", &f[1].value);
    if (st != SB_OK ||
        (st = sbi_row_texts(src, "answers", json_object_get(src->row, "answers"), 1, &out->refs,
                            &out->n_refs)) != SB_OK ||
        (st = take_classes(src, d, out)) != SB_OK ||
        (st = take_meta(src, s->base.suite == &sb_longbench_e_suite, out)) != SB_OK ||
        (st = sbi_row_id(src, "_id", out)) != SB_OK)
        return st;
    for (int i = 0; i < 2; i++)
        f[i].n_bytes = (int64_t)strlen(f[i].value);
    st = sbi_py_format(&prompt, s->text, f, 2);
    if (st == SB_OK && (out->prompt = sbi_text_take(&prompt)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory for a prompt", d->name);
    sbi_text_fini(&prompt);
    if (strcmp(d->metric, "code_sim@1") == 0)
        out->scorer = code_sim_scorer(s->params);
    out->first_line   = d->first_line;
    out->stop_newline = d->stop_at_newline;
    out->chat         = d->chat;
    return st;
}

/* The five whose prompt asks for the same thing whatever the row. */
static int asks_by_itself(const char *name)
{
    static const char *const names[] = {"gov_report", "multi_news", "vcsum", "passage_count",
                                        "lcc"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return 1;
    return 0;
}

static sb_status open_texts(const sb_text_req *req, sbi_file_set *s)
{
    static const char *const both[]    = {"context", "input", NULL};
    static const char *const context[] = {"context", NULL}, *const input[] = {"input", NULL};
    const sbi_built_in own  = {"the built-in longbench.json", sbi_longbench_texts,
                               sbi_longbench_texts_bytes};
    const char        *path = sbi_req_path(req, "templates");
    const char        *name = req->task->name;
    sb_status          st   = sbi_texts_open(path, &own, &s->texts);
    if (st != SB_OK)
        return st;
    s->text_name = name;
    return sbi_texts_find(s->texts, path != NULL ? path : own.name, name,
                          asks_by_itself(name) ? context : both,
                          asks_by_itself(name) ? input : both + 2, &s->text);
}

static sb_status open_v1(const sb_text_req *req, sb_text_set **out)
{
    const sb_longbench_params *p    = req->params;
    sbi_file_set              *s    = calloc(1, sizeof *s);
    sbi_text                   name = {0}, below = {0};
    sb_status                  st;
    if (s == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", req->suite->name);
    s->make = make;
    s->cut  = (sbi_cut_rule){req->length_tokens, p->prefix_tokens, SBI_CUT_ODD_DROP, 0, 0};
    sbi_text_puts(&name, req->task->name);
    sbi_text_puts(&name, req->suite == &sb_longbench_e_suite ? "_e.jsonl" : ".jsonl");
    sbi_text_puts(&below, "data/"); /* where the published archive has them */
    sbi_text_puts(&below, sbi_text_str(&name));
    if ((st = sbi_text_status(&name)) == SB_OK && (st = sbi_text_status(&below)) == SB_OK)
        st = open_texts(req, s);
    if (st == SB_OK) {
        const char *names[] = {name.p, below.p, NULL};
        st                  = sbi_file_set_open(req, names, s, out);
    } else {
        sbi_file_set_close(&s->base);
    }
    sbi_text_fini(&name);
    sbi_text_fini(&below);
    return st;
}

/* ---- LongBench-E's bins ---- */

static sb_status bin_of(const json_t *meta, uint32_t *member)
{
    const json_t *length = json_object_get(meta, "length");
    if (!json_is_integer(length) || json_integer_value(length) < 0)
        return sb_fail(SB_ERR_USAGE, "meta.length: %s, not a whole number from 0",
                       json_is_integer(length) ? "a negative number" : sbi_row_kind(length));
    *member = UINT32_C(1) << sb_longbench_bucket(json_integer_value(length));
    return SB_OK;
}

static const char *const bin_names[] = {"0-4k", "4-8k", "8k+", NULL};

static const sb_text_groups bins = {bin_names, bin_of};

const sb_text_suite sb_longbench_suite = {
    .name         = "longbench",
    .summary      = "LongBench v1, 21 datasets, from its files",
    .version      = SB_LONGBENCH_VERSION,
    .tasks        = tasks,
    .params       = params,
    .params_bytes = sizeof(sb_longbench_params),
    .keys         = keys,
    .decimals     = 2,
    .open         = open_v1,
    .close        = sbi_file_set_close,
    .n_rows       = sbi_file_set_rows,
    .row          = sbi_file_set_row,
    .facts        = sbi_file_set_facts,
};

const sb_text_suite sb_longbench_e_suite = {
    .name    = "longbench_e",
    .summary = "LongBench-E: 13 datasets with lengths spread evenly, from its files NAME_e.jsonl",
    .version = SB_LONGBENCH_VERSION,
    .tasks   = tasks_e,
    .params  = params,
    .params_bytes = sizeof(sb_longbench_params),
    .keys         = keys,
    .decimals     = 2,
    .groups       = &bins,
    .open         = open_v1,
    .close        = sbi_file_set_close,
    .n_rows       = sbi_file_set_rows,
    .row          = sbi_file_set_row,
    .facts        = sbi_file_set_facts,
};

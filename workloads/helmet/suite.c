#include "workloads/helmet/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/sha256.h"
#include "workloads/base/suite_files.h"
#include "workloads/helmet/parts.h"

#define RECALL "helmet_recall@1"
#define SUB_EM "helmet_sub_em@1"

static const sb_text_task tasks[] = {
    {"ruler_niah_s_1", "RULER: one needle in a repeated text", RECALL, 50},
    {"ruler_niah_s_2", "RULER: one needle in real text", RECALL, 50},
    {"ruler_niah_s_3", "RULER: one needle in real text, uuid", RECALL, 50},
    {"ruler_niah_mk_1", "RULER: one of four needles", RECALL, 50},
    {"ruler_niah_mk_2", "RULER: one needle among needles, words", RECALL, 50},
    {"ruler_niah_mk_3", "RULER: one needle among needles, uuids", RECALL, 100},
    {"ruler_niah_mq", "RULER: four keys asked for", RECALL, 100},
    {"ruler_niah_mv", "RULER: four values of one key", RECALL, 50},
    {"ruler_cwe", "RULER: common words", RECALL, 100},
    {"ruler_fwe", "RULER: frequent words", RECALL, 50},
    {"ruler_vt", "RULER: variables", RECALL, 50},
    {"ruler_qa_1", "RULER: SQuAD", SUB_EM, 50},
    {"ruler_qa_2", "RULER: HotpotQA", SUB_EM, 50},
    {"json_kv", "the value of a key in a JSON object", SUB_EM, 100},
    {"kilt_nq", "Natural Questions among documents", SUB_EM, 20},
    {"kilt_triviaqa", "TriviaQA among documents", SUB_EM, 20},
    {"kilt_hotpotqa", "HotpotQA among documents", SUB_EM, 20},
    {"kilt_popqa_3", "PopQA among documents, rare subjects", SUB_EM, 20},
    {"msmarco_rerank_psg", "documents in the order of relevance", "helmet_ndcg_10@1", 200},
    {"narrativeqa", "not here: judged by a language model", "a judge", 100},
    {"infbench_sum_eng", "not here: judged by a language model", "a judge", 1200},
    {"multi_lexsum", "not here: judged by a language model", "a judge", 400},
    {"alce_asqa", "not here: citations judged by a language model", "a judge", 300},
    {"alce_qampari", "not here: citations judged by a language model", "a judge", 300},
    {0},
};

#define P(field) offsetof(sb_helmet_params, field)
static const sb_param params[] = {
    {"shots", "2", "[0,16]", "answered examples before the question (not RULER's tasks)", SB_I64,
     P(shots)},
    {"chat", "no", "no|yes",
     "yes: for a chat model; the wrapper comes around the prompt, which then has no answer prefix",
     SB_ENUM, P(chat)},
    {"prefix_tokens", "0", "[0,64]",
     "special tokens that the tokenizer puts before a text: they count where a context is cut",
     SB_I64, P(prefix_tokens)},
    {0},
};
#undef P

static const sb_text_key keys[] = {
    {"data", "one of HELMET's files, or a folder with TASK.jsonl"},
    {"demos", "kilt_ and msmarco: HELMET's file of examples (demo_files of its configs)"},
    {"templates", "JSON of texts as configs/templates/helmet.json; without it our own wording"},
    {0},
};

static int starts(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }

static sbi_helmet_kind kind_of(const char *task)
{
    return starts(task, "ruler_")  ? SBI_HELMET_RULER
           : starts(task, "kilt_") ? SBI_HELMET_KILT
           : starts(task, "json_") ? SBI_HELMET_JSON_KV
                                   : SBI_HELMET_MSMARCO;
}

static const char *texts_key(const char *task)
{
    static const char *const map[][2] = {{"ruler_niah_mq", "ruler_niah_many"},
                                         {"ruler_niah_mv", "ruler_niah_many"},
                                         {"ruler_niah", "ruler_niah"},
                                         {"ruler_vt", "ruler_vt"},
                                         {"ruler_cwe", "ruler_cwe"},
                                         {"ruler_fwe", "ruler_fwe"},
                                         {"ruler_qa", "ruler_qa"},
                                         {"json_kv", "json_kv"},
                                         {"kilt_", "kilt"},
                                         {"msmarco", "msmarco"}};
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (starts(task, map[i][0]))
            return map[i][1];
    return NULL; /* judged by a model */
}

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "helmet: no memory"); }

/* ---- a row ---- */

static sb_status take_answers(const sbi_helmet_set *s, const sbi_row_source *src, sb_text_row *out)
{
    const char *name =
        s->kind == SBI_HELMET_KILT                                                     ? "answers"
        : json_object_get(src->row, "answer") != NULL || s->kind == SBI_HELMET_JSON_KV ? "answer"
                                                                                       : "outputs";
    const json_t *answer = json_object_get(src->row, name);
    if (s->kind != SBI_HELMET_JSON_KV || json_is_array(answer))
        return sbi_row_texts(src, name, answer, 0, &out->refs, &out->n_refs);
    if ((out->refs = calloc(1, sizeof *out->refs)) == NULL)
        return no_memory();
    out->n_refs = 1;
    return sbi_row_value_text(src, name, answer, &out->refs[0]);
}

/* References are the documents' ids, each with its relevance. */
static sb_status take_relevance(const sbi_row_source *src, sb_text_row *out)
{
    const json_t *ctxs = json_object_get(src->row, "ctxs");
    size_t        n    = json_array_size(ctxs);
    out->refs          = calloc(n, sizeof *out->refs);
    out->relevance     = calloc(n, sizeof *out->relevance);
    if (out->refs == NULL || out->relevance == NULL)
        return no_memory();
    for (size_t i = 0; i < n; i++) {
        const json_t *label = json_object_get(json_array_get(ctxs, i), "label");
        sb_status     st    = sbi_row_value_text(
                   src, "ctxs.id", json_object_get(json_array_get(ctxs, i), "id"), &out->refs[i]);
        if (st != SB_OK)
            return st;
        out->n_refs++;
        if (!json_is_integer(label))
            return sbi_row_wrong(src, "ctxs.label", label, "a whole number");
        out->relevance[i] = json_integer_value(label);
    }
    return SB_OK;
}

static sb_status take_meta(const sbi_row_source *src, sb_text_row *out)
{
    static const char *const kept[] = {"num_kvs", "length", "s_pop", "qid", NULL};
    return sbi_row_meta(src, kept, out);
}

static sb_status make(const sbi_file_set *set, const sbi_row_source *src, sb_text_row *out)
{
    const sbi_helmet_set *s = (const sbi_helmet_set *)set;
    sbi_helmet_parts      p = {0};
    sb_status             st;
    if ((st = sbi_helmet_parts_read(s, src, &p)) == SB_OK &&
        (st = s->kind == SBI_HELMET_MSMARCO ? take_relevance(src, out)
                                            : take_answers(s, src, out)) == SB_OK &&
        (st = sbi_row_id(src, s->kind == SBI_HELMET_MSMARCO ? "qid" : "id", out)) == SB_OK &&
        (st = take_meta(src, out)) == SB_OK)
        st = sbi_helmet_prompt(s, src, &p, out);
    sbi_helmet_parts_fini(&p);
    if (s->kind == SBI_HELMET_JSON_KV)
        out->answer_mark = "corresponding value:";
    return st;
}

/* ---- open ---- */

static sb_status open_texts(const sb_text_req *req, sbi_helmet_set *s)
{
    static const char *const none[] = {NULL}, *const context[] = {"context", NULL};
    static const char *const pair[] = {"key", "value", NULL}, *const text[] = {"text", NULL};
    static const char *const title[] = {"title", NULL}, *const id_text[] = {"id", "text", NULL};
    static const char *const demo[] = {"question", "answer", "documents", NULL};
    const sbi_built_in own = {"the built-in helmet.json", sbi_helmet_texts, sbi_helmet_texts_bytes};
    const char        *path = sbi_req_path(req, "templates"), *key = texts_key(req->task->name);
    const json_t      *group;
    char               where[1100];
    sb_status          st = sbi_texts_open(path, &own, &s->set.texts);
    if (st != SB_OK)
        return st;
    path  = path != NULL ? path : own.name;
    group = json_object_get(s->set.texts, key);
    if (!json_is_object(group))
        return sb_fail(SB_ERR_USAGE, "%s: %s: %s, not an object of texts", path, key,
                       sbi_row_kind(group));
    (void)snprintf(where, sizeof where, "%s: %s", path, key);
    if ((st = sbi_texts_find(group, where, "user", context, sbi_helmet_names, &s->texts.user)) !=
            SB_OK ||
        (st = sbi_texts_find(group, where, "system", none, sbi_helmet_names, &s->texts.system)) !=
            SB_OK)
        return st;
    if (s->kind == SBI_HELMET_JSON_KV)
        return sbi_texts_find(group, where, "demo", pair, none, &s->texts.demo);
    if (s->kind == SBI_HELMET_RULER)
        return SB_OK;
    if ((st = sbi_texts_find(group, where, "demo", demo, none, &s->texts.demo)) != SB_OK)
        return st;
    if (s->kind == SBI_HELMET_KILT)
        return sbi_texts_find(group, where, "passage", text, title, &s->texts.passage);
    if ((st = sbi_texts_find(group, where, "passage", id_text, none, &s->texts.passage)) != SB_OK)
        return st;
    return sbi_texts_find(group, where, "passage_with_title", id_text, title,
                          &s->texts.passage_with_title);
}

static sb_status hash_texts(sbi_helmet_set *s)
{
    const char *const v[] = {s->texts.user, s->texts.system, s->texts.demo, s->texts.passage,
                             s->texts.passage_with_title};
    sbi_sha256        h;
    sbi_sha256_init(&h);
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        if (v[i] != NULL)
            sbi_sha256_put(&h, v[i], strlen(v[i]) + 1);
    s->set.text = s->texts.user;
    return sbi_sha256_hex(&h, s->set.texts_sha256);
}

static sb_status open_demos(const sb_text_req *req, sbi_helmet_set *s)
{
    const sb_helmet_params *p    = req->params;
    const char             *path = sbi_req_path(req, "demos");
    if (p->shots == 0 || s->kind == SBI_HELMET_RULER || s->kind == SBI_HELMET_JSON_KV)
        return SB_OK;
    if (path == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "helmet: %s shows answered examples: `demos` must name HELMET's file of "
                       "them, or shots be 0",
                       req->task->name);
    return sbi_demos_open(path, sbi_helmet_key, s, s->demos);
}

/* MS MARCO: no tested question is an example where examples are plenty, as in the original; else
 * only a question's own is left out (sbi_demos_choose). Reads the file once more. */
static sb_status leave_tested_out(sbi_helmet_set *s)
{
    sbi_demos *d       = s->demos;
    int64_t    n       = sbi_record_file_count(s->set.file);
    int64_t    n_demos = d->file != NULL ? sbi_record_file_count(d->file) : 0;
    sb_status  st      = SB_OK;
    if (s->kind != SBI_HELMET_MSMARCO || n_demos <= 2 * n)
        return SB_OK;
    for (int64_t i = 0; st == SB_OK && i < n; i++) {
        json_t        *root = NULL;
        char          *key  = NULL;
        sbi_row_source src  = {sbi_record_file_path(s->set.file),
                               sbi_record_file_line(s->set.file, i), NULL};
        if ((st = sbi_record_file_read(s->set.file, i, &root)) == SB_OK) {
            src.row = root;
            st      = sbi_helmet_key(s, &src, &key);
        }
        for (int64_t k = 0; key != NULL && k < n_demos; k++) {
            if (d->keys[k] != NULL && strcmp(d->keys[k], key) == 0) {
                free(d->keys[k]);
                d->keys[k] = NULL;
            }
        }
        free(key);
        json_decref(root);
        if (st == SB_ERR_USAGE) /* a bad row is told when it is asked for */
            st = SB_OK;
    }
    return st;
}

static void close_helmet(sb_text_set *set)
{
    sbi_helmet_set *s     = (sbi_helmet_set *)set;
    sbi_demos      *demos = s != NULL ? s->demos : NULL;
    sbi_file_set_close(set);
    if (demos != NULL)
        sbi_demos_close(demos);
    free(demos);
}

static sb_status check_length(const sb_text_req *req)
{
    if (req->length_tokens > 0 && req->length_tokens <= req->task->gen_tokens)
        return sb_fail(SB_ERR_USAGE,
                       "length %lld: prompt and generated tokens together, and %s generates %lld",
                       (long long)req->length_tokens, req->task->name,
                       (long long)req->task->gen_tokens);
    return SB_OK;
}

static sb_status open_helmet(const sb_text_req *req, sb_text_set **out)
{
    const sb_helmet_params *p = req->params;
    sbi_helmet_set         *s;
    sbi_demos              *demos;
    char                    name[64];
    const char             *names[] = {name, NULL};
    sb_text_set            *made    = NULL;
    sb_status               st;
    if (texts_key(req->task->name) == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "helmet: %s is scored by a language model, which is not here",
                       req->task->name);
    if ((st = check_length(req)) != SB_OK)
        return st;
    s     = calloc(1, sizeof *s);
    demos = calloc(1, sizeof *demos);
    if (s == NULL || demos == NULL) {
        free(s);
        free(demos);
        return no_memory();
    }
    (void)snprintf(name, sizeof name, "%s.jsonl", req->task->name);
    s->demos       = demos;
    s->kind        = kind_of(req->task->name);
    s->popularity  = strcmp(req->task->name, "kilt_popqa_3") == 0;
    s->set.base    = (sb_text_set){req->suite, req->task};
    s->set.params  = p;
    s->set.make    = make;
    s->set.chat    = p->chat;
    s->set.cutting = SBI_FILE_CUT_OWN;
    s->set.cut =
        (sbi_cut_rule){.most_tokens = req->length_tokens, .prefix_tokens = p->prefix_tokens};
    if ((st = open_texts(req, s)) != SB_OK || (st = hash_texts(s)) != SB_OK ||
        (st = open_demos(req, s)) != SB_OK) {
        close_helmet(&s->set.base);
        return st;
    }
    st = sbi_file_set_open(req, names, &s->set, &made); /* frees s where it fails */
    if (st != SB_OK) {
        sbi_demos_close(demos);
        free(demos);
        return st;
    }
    if ((st = leave_tested_out(s)) != SB_OK) {
        close_helmet(made);
        return st;
    }
    *out = made;
    return SB_OK;
}

static json_t *facts(const sb_text_set *set)
{
    const sbi_helmet_set *s = (const sbi_helmet_set *)set;
    json_t               *v = sbi_file_set_facts(set);
    if (v != NULL && s->demos->file != NULL &&
        json_object_set_new(v, "demos_sha256",
                            json_string(sbi_record_file_sha256(s->demos->file))) != 0) {
        json_decref(v);
        return NULL;
    }
    return v;
}

const sb_text_suite sb_helmet_suite = {
    .name         = "helmet",
    .summary      = "HELMET's tasks that are scored without another model, from its files",
    .version      = SB_HELMET_VERSION,
    .tasks        = tasks,
    .params       = params,
    .params_bytes = sizeof(sb_helmet_params),
    .keys         = keys,
    .decimals     = 2,
    .open         = open_helmet,
    .close        = close_helmet,
    .n_rows       = sbi_file_set_rows,
    .row          = sbi_file_set_row,
    .facts        = facts,
};

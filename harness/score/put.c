#include "harness/score/put.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/score/facts.h"
#include "workloads/base/sha256.h"

/* Where nothing is known of how the answers were computed. */
#define ELSEWHERE "external"

struct sbi_put {
    const sb_score_options *o;
    sb_store               *store;
    char                   *files_json;
    sbi_facts              *facts; /* NULL: not told */
    int64_t                 run;   /* 0: no row was new yet */
};

static sb_status no_memory(const sbi_put *p)
{
    return sb_fail(SB_ERR_NOMEM, "%s: no memory for a row", p->o->db);
}

static sb_status text_sha256(const char *text, char hex[65])
{
    sbi_sha256 h;
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, text, strlen(text));
    return sbi_sha256_hex(&h, hex);
}

sb_status sbi_put_open(const sb_score_options *o, const char *files_json, sbi_put **out)
{
    sbi_put  *p  = calloc(1, sizeof *p);
    sb_status st = SB_OK;
    if (p == NULL || (p->files_json = strdup(files_json)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory", o->db);
    if (st == SB_OK) {
        p->o = o;
        st   = sb_store_open(o->db, SB_STORE_WRITE, &p->store);
    }
    if (st == SB_OK && o->facts != NULL)
        st = sbi_facts_open(o->facts, &p->facts);
    if (st == SB_OK)
        st = sb_store_begin(p->store);
    if (st != SB_OK) {
        if (p != NULL) {
            sbi_facts_close(p->facts);
            sb_store_close(p->store);
            free(p->files_json);
        }
        free(p);
        return st;
    }
    *out = p;
    return SB_OK;
}

sb_status sbi_put_close(sbi_put *p, sb_status st)
{
    if (p->run != 0 && st == SB_OK)
        st = sb_store_end_run(p->store, p->run, "finished");
    st = sb_store_end(p->store, st);
    if (st == SB_OK && p->run != 0)
        st = sb_store_refresh_intervals(p->store);
    sb_store_close(p->store);
    sbi_facts_close(p->facts);
    free(p->files_json);
    free(p);
    return st;
}

/* What the data set is: the file, and what its questions were made from where that is told. */
static sb_status describe(const sbi_put *p, const sbi_prediction *row, const char *file_sha256,
                          char **json)
{
    const char *facts = "";
    sb_status   st    = SB_OK;
    if (p->facts != NULL)
        st = sbi_facts_of(p->facts, row->suite, row->task, row->length_tokens, &facts);
    if (st != SB_OK)
        return st;
    size_t room = strlen(facts) + strlen(file_sha256) + 64;
    if ((*json = malloc(room)) == NULL)
        return no_memory(p);
    if (facts[0] == '\0')
        (void)snprintf(*json, room, "{\"file_sha256\":\"%s\"}", file_sha256);
    else
        (void)snprintf(*json, room, "{\"facts\":%s,\"file_sha256\":\"%s\"}", facts, file_sha256);
    return SB_OK;
}

/* The run row, made with the first new sample. */
static sb_status begin_run(sbi_put *p)
{
    char         sha256[65];
    long         cores = sysconf(_SC_NPROCESSORS_ONLN);
    sb_run_facts f     = {.commit_id     = p->o->commit,
                          .version       = p->o->version,
                          .build_json    = p->o->build_json,
                          .sweep_name    = "score",
                          .config_text   = p->files_json,
                          .config_sha256 = sha256,
                          .command       = p->o->command,
                          .hosts_json    = "[]",
                          .env_json      = "{}",
                          .backend       = ELSEWHERE,
                          .comm          = "self",
                          .ranks         = 1,
                          .threads       = 1,
                          .cores         = cores < 1 ? 1 : (int32_t)cores};
    sb_status    st    = text_sha256(p->files_json, sha256);
    return st == SB_OK ? sb_store_begin_run(p->store, &f, &p->run) : st;
}

/* Everything that the identity of a point is made of [DESIGN 10.13]; what is not known says so. */
static char *identity(const sbi_put *p, const sbi_prediction *row)
{
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:s, s:s, s:s, s:s, s:s, s:i, s:s}", "experiment",
                  "task", "model", p->o->model, "suite", row->suite, "task", row->task,
                  "length_tokens", (json_int_t)row->length_tokens, "seed", 0, "method",
                  p->o->method, "decode", ELSEWHERE, "sharding", ELSEWHERE, "layout", ELSEWHERE,
                  "backend", ELSEWHERE, "ranks", 1, "dtype", ELSEWHERE);
    char *text = sbi_dump(o, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(o);
    return text;
}

static sb_status put_asked(sbi_put *p, const char *format, const char *file_sha256,
                           const sbi_prediction *row, const char *hash, const char *text,
                           int64_t *point, int64_t *input)
{
    char              *params = NULL;
    const sb_text_row *r      = &row->row;
    sb_point_facts     f      = {.hash          = hash,
                                 .identity_json = text,
                                 .experiment    = "task",
                                 .model         = p->o->model,
                                 .model_json    = "{}",
                                 .suite         = row->suite,
                                 .task          = row->task,
                                 .task_json     = "{}",
                                 .length_tokens = row->length_tokens,
                                 .method        = p->o->method,
                                 .method_json   = "{}",
                                 .decode        = ELSEWHERE,
                                 .scheme        = ELSEWHERE,
                                 .layout        = ELSEWHERE,
                                 .backend       = ELSEWHERE,
                                 .dtype         = ELSEWHERE,
                                 .ranks         = 1,
                                 .training_free = 1,
                                 .chance        = NAN};
    sb_dataset_facts   d      = {.suite             = row->suite,
                                 .task              = row->task,
                                 .mode              = "import",
                                 .generator_version = format,
                                 .length_tokens     = row->length_tokens};
    int64_t            tokens = r->n_tokens > 0 ? r->n_tokens : 0; /* 0: not known */
    sb_input_facts     in     = {.row_no           = row->place,
                                 .sha256           = r->sha256,
                                 .n_prompt_tokens  = tokens,
                                 .n_context_tokens = tokens,
                                 .n_gen_tokens     = r->gen_tokens,
                                 .refs             = (const char *const *)r->refs,
                                 .n_refs           = r->n_refs};
    sb_status          st     = sb_store_put_point(p->store, &f, point);
    if (st == SB_OK)
        st = describe(p, row, file_sha256, &params);
    d.params_json = params;
    if (st == SB_OK && (st = sb_store_put_dataset(p->store, &d, &in.dataset_id)) == SB_OK)
        st = sb_store_put_input(p->store, &in, input);
    free(params);
    return st;
}

/* What is kept as the prediction: a list as JSON. */
static char *prediction_text(const sbi_prediction *row)
{
    json_t *list;
    char   *text;
    if (row->n_preds == 1)
        return strdup(row->preds[0]);
    if ((list = json_array()) == NULL)
        return NULL;
    for (int64_t i = 0; i < row->n_preds; i++)
        if (json_array_append_new(list, json_string(row->preds[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    text = sbi_dump(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

sb_status sbi_put_row(sbi_put *p, const char *format, const char *file_sha256,
                      const sbi_prediction *row, const sb_score_facts *scores, int64_t n,
                      const uint8_t *hits, const char *unscored, int *was_new)
{
    char           *text = identity(p, row), *pred = n > 0 ? prediction_text(row) : NULL, hash[65];
    int             same = 0;
    sb_sample_facts f    = {.status     = n > 0 ? "ok" : "unsupported",
                            .error      = n > 0 ? NULL : unscored,
                            .prediction = pred,
                            .hits       = n > 0 ? hits : NULL,
                            .n_hits     = n > 0 && hits != NULL ? row->row.n_refs : 0};
    sb_status       st   = text != NULL && (n == 0 || pred != NULL) ? SB_OK : no_memory(p);
    if (st == SB_OK)
        st = text_sha256(text, hash);
    if (st == SB_OK)
        st = sb_store_sample_same(p->store, hash, row->row.sha256, pred, scores, n, &same);
    if (st == SB_OK && !same && p->run == 0)
        st = begin_run(p);
    if (st == SB_OK && !same)
        st = put_asked(p, format, file_sha256, row, hash, text, &f.point_id, &f.input_id);
    if (st == SB_OK && !same) {
        f.run_id = p->run;
        if (n > 0) {
            f.metric          = scores[0].metric;
            f.score           = scores[0].value;
            f.score_is_binary = scores[0].is_binary;
            f.more_scores     = scores + 1;
            f.n_more_scores   = n - 1;
        }
        st = sb_store_put_sample(p->store, &f);
    }
    if (st == SB_OK)
        *was_new = !same;
    free(text);
    free(pred);
    return st;
}

#include "harness/run/questions.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/sha256.h"
#include "workloads/metrics/scorer.h"

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "questions: no memory"); }

static void close_set(sb_questions *q)
{
    if (q->set != NULL)
        q->set->suite->close(q->set);
    free(q->key);
    free(q->why);
    free(q->facts_json);
    q->set = NULL;
    q->key = q->why = q->facts_json = NULL;
}

void sb_questions_fini(sb_questions *q)
{
    close_set(q);
    sb_jieba_close(q->jieba);
    *q = (sb_questions){0};
}

/* ---- the set ---- */

/* What a user can mend, or what this machine lacks: a result. Anything else ends the run. */
static int is_result(sb_status st)
{
    return st == SB_ERR_UNSUPPORTED || st == SB_ERR_NO_FIT || st == SB_ERR_USAGE || st == SB_ERR_IO;
}

static sb_status describe(sb_questions *q)
{
    json_t *facts = q->set != NULL ? q->set->suite->facts(q->set) : json_object();
    q->facts_json = facts != NULL ? json_dumps(facts, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(facts);
    return q->facts_json != NULL ? SB_OK : no_memory();
}

static sb_status open_set(sb_questions *q, const sb_model *m, const sb_point *p)
{
    sb_text_req req = {.suite         = p->text->suite,
                       .task          = p->text->task,
                       .params        = p->text->params,
                       .paths         = p->text->paths,
                       .length_tokens = p->length_tokens,
                       .seed          = p->seed};
    req.tok         = m->ops->tok(m, &req.wrapped_tokens);
    q->refused      = p->text->suite->open(&req, &q->set);
    if (q->refused != SB_OK) {
        q->set = NULL;
        if (!is_result(q->refused))
            return q->refused;
        if ((q->why = strdup(sb_error_text())) == NULL)
            return no_memory();
    }
    q->n_rows = q->set != NULL ? q->set->suite->n_rows(q->set) : -1;
    return describe(q);
}

static sb_status need_set(sb_questions *q, const sb_model *m, const sb_point *p)
{
    char *key = NULL;
    if (asprintf(&key, "%s\n%s\n%" PRId64 "\n%" PRIu64 "\n%s\n%s", p->suite, p->task_name,
                 p->length_tokens, p->seed, p->task_json, p->model_json) < 0)
        return no_memory();
    if (q->key != NULL && strcmp(q->key, key) == 0) {
        free(key);
        return SB_OK;
    }
    close_set(q);
    sb_status st = open_set(q, m, p);
    if (st != SB_OK) {
        close_set(q);
        free(key);
        return st;
    }
    q->key = key;
    return SB_OK;
}

/* ---- a row ---- */

const sb_scorer *sb_questions_scorer(const sb_input *in)
{
    return in->text != NULL && in->text->scorer != NULL ? sb_scorer_find(in->text->scorer) : NULL;
}

static sb_status refuse(const sb_questions *q, int64_t row, sb_status why_status, const char *why,
                        sb_input *in)
{
    static const char form[] = "refused 1";
    sbi_sha256        h;
    sb_input_fini(in);
    in->row     = row;
    in->refused = why_status == SB_ERR_NO_FIT ? SB_ERR_NO_FIT : SB_ERR_UNSUPPORTED;
    in->refusal = strdup(why);
    if (in->refusal == NULL)
        return no_memory();
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, form, sizeof form);
    sbi_sha256_put(&h, q->key, strlen(q->key) + 1);
    sbi_sha256_put_i64(&h, row);
    return sbi_sha256_hex(&h, in->sha256);
}

/* A row that could not be scored need not run. */
static sb_status check_scorer(sb_questions *q, const sb_input *in)
{
    const sb_scorer *s = sb_questions_scorer(in);
    if (in->text->drawn_tokens > 0) /* nothing to score */
        return SB_OK;
    if (s == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED, "its metric %s is no scorer",
                       in->text->scorer != NULL ? in->text->scorer : "(none)");
    if ((s->needs & SB_NEED_JIEBA) != 0 && q->jieba == NULL) {
        sb_status st = sb_jieba_open(NULL, &q->jieba);
        return st == SB_ERR_USAGE ? sb_fail(SB_ERR_UNSUPPORTED, "%s", sb_error_text()) : st;
    }
    return SB_OK;
}

static sb_status make_row(sb_questions *q, sb_model *m, int64_t row, sb_input *in)
{
    sb_text_row *text = calloc(1, sizeof *text);
    if (text == NULL)
        return no_memory();
    sb_status st = q->set->suite->row(q->set, row, text);
    if (st == SB_OK)
        st = m->ops->read(m, text, in);
    if (st != SB_OK) {
        sb_text_row_fini(text);
        free(text);
        return st;
    }
    in->row  = row;
    in->text = text;
    return check_scorer(q, in);
}

sb_status sb_questions_row(sb_questions *q, sb_model *m, const sb_point *p, int64_t row,
                           sb_input *in)
{
    sb_input  made = {0};
    sb_status st;
    if (m->ops->read == NULL)
        return sb_fail(SB_ERR_INTERNAL, "model %s reads no text", p->model_kind);
    if ((st = need_set(q, m, p)) != SB_OK)
        return st;
    if (q->n_rows >= 0 && row >= q->n_rows && q->n_rows > 0) {
        *in = made;
        return SB_OK;
    }
    if (q->refused != SB_OK)
        st = refuse(q, row, q->refused, q->why, &made);
    else if (q->n_rows == 0)
        st = refuse(q, row, SB_ERR_UNSUPPORTED, "its files have no rows", &made);
    else if ((st = make_row(q, m, row, &made)) != SB_OK && is_result(st))
        st = refuse(q, row, st, sb_error_text(), &made);
    if (st != SB_OK) {
        sb_input_fini(&made);
        return st;
    }
    *in = made;
    return SB_OK;
}

#include "workloads/random_ids/suite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"

static const sb_text_task tasks[] = {
    {"ids", "token ids without meaning: times alone, no score", "none", 1},
    {0},
};

static const sb_text_key keys[] = {{0}};

#define P(field) offsetof(sb_random_ids_params, field)
static const sb_param params[] = {
    {"answer_tokens", "1", "[1,16777216]",
     "tokens to generate; 1: the prefill alone, which needs room for the keys of one layer", SB_I64,
     P(answer_tokens)},
    {0},
};
#undef P

typedef struct ids_set {
    sb_text_set set;
    int64_t     n_tokens, answer_tokens;
    uint64_t    seed;
} ids_set;

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "random_ids: no memory"); }

static sb_status open_ids(const sb_text_req *req, sb_text_set **out)
{
    const sb_random_ids_params *p = req->params;
    ids_set                    *s = calloc(1, sizeof *s);
    if (s == NULL)
        return no_memory();
    *s = (ids_set){.set           = {req->suite, req->task},
                   .n_tokens      = req->length_tokens - p->answer_tokens,
                   .answer_tokens = p->answer_tokens,
                   .seed          = req->seed};
    if (s->n_tokens < 1) {
        free(s);
        return sb_fail(SB_ERR_NO_FIT,
                       "random_ids: found a length of %" PRId64
                       " tokens, allowed more than the %" PRId64 " of the answer",
                       req->length_tokens, p->answer_tokens);
    }
    *out = &s->set;
    return SB_OK;
}

static void close_ids(sb_text_set *set) { free(set); }

static int64_t rows_ids(const sb_text_set *set)
{
    (void)set;
    return -1;
}

/* The prompt tells what is drawn: so rows have names. */
static sb_status row_ids(sb_text_set *set, int64_t row, sb_text_row *out)
{
    const ids_set *s = (const ids_set *)set;
    char           text[128];
    sb_text_row    r = {.row          = row,
                        .scorer       = NULL,
                        .gen_tokens   = s->answer_tokens,
                        .n_tokens     = s->n_tokens,
                        .drawn_tokens = s->n_tokens,
                        .draw_seed    = sb_mix(s->seed) + (uint64_t)row};
    int n          = snprintf(text, sizeof text, "%" PRId64 " ids, seed %" PRIu64 ", row %" PRId64,
                              s->n_tokens, s->seed, row);
    r.prompt       = strdup(text);
    r.id           = strdup("");
    r.meta         = strdup("{}");
    r.refs         = calloc(1, sizeof *r.refs);
    r.prompt_bytes = r.input_bytes = n;
    sb_status st =
        r.prompt != NULL && r.id != NULL && r.meta != NULL && r.refs != NULL ? SB_OK : no_memory();
    if (st == SB_OK)
        st = sb_text_row_seal(&r);
    if (st != SB_OK) {
        sb_text_row_fini(&r);
        return st;
    }
    *out = r;
    return SB_OK;
}

static json_t *facts(const sb_text_set *set)
{
    return json_pack("{s:s, s:s}", "generator", set->suite->version, "score",
                     "none: ids without meaning, times alone");
}

const sb_text_suite sb_random_ids_suite = {
    .name         = "random_ids",
    .summary      = "token ids without meaning, to a length: times of a model, no score",
    .version      = SB_RANDOM_IDS_VERSION,
    .tasks        = tasks,
    .params       = params,
    .params_bytes = sizeof(sb_random_ids_params),
    .keys         = keys,
    .to_length    = 1,
    .decimals     = 2,
    .open         = open_ids,
    .close        = close_ids,
    .n_rows       = rows_ids,
    .row          = row_ids,
    .facts        = facts,
};

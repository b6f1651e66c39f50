#include "workloads/ruler/suite_inputs.h"

#include <string.h>

#include "workloads/base/pytext.h"
#include "workloads/ruler/suite.h"

static const sb_ruler_params *params_of(const sb_text_req *req) { return req->params; }

void sbi_ruler_inputs_close(sbi_ruler_inputs *in)
{
    sb_ruler_qa_close(in->qa);
    sb_ruler_essay_close(in->essay);
    sb_punkt_close(in->punkt);
    sb_ruler_words_close(in->words);
    sb_ruler_lexicon_close(in->lexicon);
    sb_ruler_passages_close(in->passages);
    sb_ruler_templates_close(in->templates);
    *in = (sbi_ruler_inputs){0};
}

sb_status sbi_ruler_inputs_templates(const sb_text_req *req, sbi_ruler_inputs *in)
{
    const sb_param *p = sb_params_find(req->suite->params, "wrapper");
    char            name[64];
    size_t          n;
    sb_status       st = sb_param_json(p, req->params, name, sizeof name);
    if (st != SB_OK)
        return st;
    n           = strlen(name);
    name[n - 1] = '\0'; /* a quoted name */
    return sb_ruler_templates_open(req->paths[SB_RULER_KEY_TEMPLATES],
                                   req->paths[SB_RULER_KEY_CHAT], name + 1, &in->templates);
}

/* What the task needs and the sweep does not name, all of it in one error. */
static sb_status check_given(const sb_text_req *req, const sb_ruler_task *task)
{
    static const struct need {
        unsigned    bit;
        int         key;
        const char *text;
    } needs[] = {
        {SB_RULER_NEEDS_WORDS, SB_RULER_KEY_WORDS, "words (wonderwords' word lists)"},
        {SB_RULER_NEEDS_ESSAY, SB_RULER_KEY_ESSAY, "essay (RULER's PaulGrahamEssays.json)"},
        {SB_RULER_NEEDS_ESSAY, SB_RULER_KEY_PUNKT, "punkt (punkt_tab/english of NLTK's data)"},
        {SB_RULER_NEEDS_SQUAD, SB_RULER_KEY_SQUAD, "squad (SQuAD's dev-v2.0.json)"},
        {SB_RULER_NEEDS_HOTPOTQA, SB_RULER_KEY_HOTPOTQA,
         "hotpotqa (hotpot_dev_distractor_v1.json)"},
    };
    sbi_text  missing = {0};
    sb_status st;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        if ((task->needs & needs[i].bit) == 0 || req->paths[needs[i].key] != NULL)
            continue;
        sbi_text_puts(&missing, missing.n > 0 ? ", " : "");
        sbi_text_puts(&missing, needs[i].text);
    }
    st = sbi_text_status(&missing);
    if (st == SB_OK && missing.n > 0)
        st = sb_fail(SB_ERR_UNSUPPORTED,
                     "%s in mode ruler_compat needs what was not given: %s; or validation, the "
                     "rows that RULER itself wrote",
                     task->name, missing.p);
    sbi_text_fini(&missing);
    return st;
}

sb_status sbi_ruler_inputs_compat(const sb_text_req *req, const sb_ruler_task *task,
                                  sbi_ruler_inputs *in)
{
    const char *const *path = req->paths;
    sb_status          st   = check_given(req, task);
    if (st == SB_OK && (task->needs & SB_RULER_NEEDS_WORDS) != 0)
        st = sb_ruler_words_open(path[SB_RULER_KEY_WORDS], path[SB_RULER_KEY_ENGLISH_WORDS], NULL,
                                 &in->words);
    if (st == SB_OK && (task->needs & SB_RULER_NEEDS_ESSAY) != 0 &&
        (st = sb_punkt_open(path[SB_RULER_KEY_PUNKT], (sb_punkt_rules)params_of(req)->rules,
                            &in->punkt)) == SB_OK)
        st = sb_ruler_essay_open(path[SB_RULER_KEY_ESSAY], sb_ruler_splitter_punkt(in->punkt),
                                 &in->essay);
    if (st == SB_OK && (task->needs & SB_RULER_NEEDS_SQUAD) != 0)
        st = sb_ruler_qa_open(path[SB_RULER_KEY_SQUAD], SB_RULER_SQUAD, &in->qa);
    if (st == SB_OK && (task->needs & SB_RULER_NEEDS_HOTPOTQA) != 0)
        st = sb_ruler_qa_open(path[SB_RULER_KEY_HOTPOTQA], SB_RULER_HOTPOTQA, &in->qa);
    return st;
}

sb_status sbi_ruler_inputs_native(const sb_text_req *req, const sb_ruler_task *task,
                                  sbi_ruler_inputs *in)
{
    const char *const *path = req->paths;
    sb_status          st   = SB_OK;
    if (sb_ruler_native_needs_lexicon(task))
        st = sb_ruler_lexicon_open(path[SB_RULER_KEY_WORDS], &in->lexicon);
    if (st == SB_OK && sb_ruler_native_needs_passages(task))
        st = sb_ruler_passages_open(path[SB_RULER_KEY_CORPUS], &in->passages);
    if (st == SB_OK && (task->needs & SB_RULER_NEEDS_SQUAD) != 0 &&
        path[SB_RULER_KEY_SQUAD] != NULL)
        st = sb_ruler_qa_open(path[SB_RULER_KEY_SQUAD], SB_RULER_SQUAD, &in->qa);
    if (st == SB_OK && (task->needs & SB_RULER_NEEDS_HOTPOTQA) != 0 &&
        path[SB_RULER_KEY_HOTPOTQA] != NULL)
        st = sb_ruler_qa_open(path[SB_RULER_KEY_HOTPOTQA], SB_RULER_HOTPOTQA, &in->qa);
    return st;
}

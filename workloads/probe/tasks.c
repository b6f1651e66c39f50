/* The records of the suite: names, metrics, chance, floors of length. */
#include "workloads/probe/tasks.h"
#include "workloads/probe/vocab.h"

#define P(field) offsetof(sb_probe_task_params, field)
const sb_param sb_probe_task_param_table[] = {
    {"distractors", "4", "[0,8]",
     "items beside a multikey needle that share two of its three key tokens", SB_I64,
     P(distractors)},
    {"hops", "4", "[1,8]", "assignments behind the first one of a vt chain", SB_I64, P(hops)},
    {"cwe_ratio", "1.5", "(1,)", "cwe: frequency of a common word over that of another", SB_F64,
     P(cwe_ratio)},
    {"burst_tokens", "8", "[1,)",
     "cwe, fwe: occurrences of a word that stand near each other, in tokens", SB_I64,
     P(burst_tokens)},
    {0},
};

/* Chance: the expected score of guessing uniformly inside each emit's class, without what the same
 * row already emitted. */

static double chance_one(const void *params)
{
    (void)params;
    return 1.0 / SB_TOK_LEAD_N / SB_TOK_VAL_N / SB_TOK_VAL_N;
}

static double chance_multivalue(
    const void *params) /* 4 distinct leads: each reference's is among them with 4/128 */
{
    return 4 * chance_one(params);
}

static double chance_vt(const void *params)
{
    const sb_probe_task_params *p = params;
    return (double)(p->hops + 1) / SB_TOK_NAME_N;
}

static double chance_qa(const void *params) /* ENT and VAL have equally many members */
{
    (void)params;
    return 1.0 / SB_TOK_ENT_N / SB_TOK_VAL_N;
}

static double chance_cwe(const void *params)
{
    (void)params;
    return (double)SB_PROBE_CWE_WORDS / SB_TOK_AGG_N;
}

static double chance_fwe(const void *params)
{
    (void)params;
    return (double)SB_PROBE_FWE_WORDS / SB_TOK_AGG_N;
}

/* Floors of length at the default parameters.
 * Retrieval tasks: BOS and 3 filler, 220 tokens of items, 26 x 24 of separation, 64 of question.
 * cwe: every word at least once, common ones twice. */
#define MIN_HAYSTACK 912
#define MIN_CWE 243
#define MIN_FWE 95

static int64_t min_haystack(const void *params)
{
    return sb_probe_need_haystack(params) + SB_PROBE_QUESTION_TOKENS;
}

static int64_t min_cwe(const void *params)
{
    return sb_probe_need_cwe(params) + SB_PROBE_QUESTION_TOKENS;
}

static int64_t min_fwe(const void *params)
{
    return sb_probe_need_fwe(params) + SB_PROBE_QUESTION_TOKENS;
}

#define TASK(id, text, metric_id, minimum, min_fn, chance_fn)                                      \
    static sb_status generate_##id(const sb_task *t, const sb_gen_req *req, sb_input *out)         \
    {                                                                                              \
        return sb_probe_generate(t, req, sb_probe_build_##id, out);                                \
    }                                                                                              \
    const sb_task sb_probe_##id = {.suite             = SB_PROBE_SUITE,                            \
                                   .name              = #id,                                       \
                                   .summary           = text,                                      \
                                   .params            = sb_probe_task_param_table,                 \
                                   .params_bytes      = sizeof(sb_probe_task_params),              \
                                   .metric            = &sb_metric_##metric_id,                    \
                                   .min_length_tokens = minimum,                                   \
                                   .min_length        = min_fn,                                    \
                                   .chance            = chance_fn,                                 \
                                   .generate          = generate_##id,                             \
                                   .token_text        = sb_probe_token_text,                       \
                                   .generator_version = SB_PROBE_VERSION};

TASK(niah_single, "one needle, found by its three-token key", exact, MIN_HAYSTACK, min_haystack,
     chance_one)
TASK(niah_multikey, "one needle among items that share two of its three key tokens", exact,
     MIN_HAYSTACK, min_haystack, chance_one)
TASK(niah_multivalue, "four needles with one key, all asked for", fraction_set, MIN_HAYSTACK,
     min_haystack, chance_multivalue)
TASK(niah_multiquery, "four needles, asked for one after the other", fraction_ordered, MIN_HAYSTACK,
     min_haystack, chance_one)
TASK(vt, "variable tracking: all names assigned from one value through a chain", fraction_set,
     MIN_HAYSTACK, min_haystack, chance_vt)
TASK(qa_2hop, "a fact about the object of another fact", exact, MIN_HAYSTACK, min_haystack,
     chance_qa)
TASK(cwe, "common words: the ten more frequent ones of 128", fraction_set, MIN_CWE, min_cwe,
     chance_cwe)
TASK(fwe, "frequent words: ranks 1 to 3 of a rank^-2 distribution", fraction_set, MIN_FWE, min_fwe,
     chance_fwe)

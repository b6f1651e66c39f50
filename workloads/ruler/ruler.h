/* RULER, mode `ruler_compat`: the rows that NVIDIA/RULER at c3f5e3b writes, byte for byte
 * [workloads 1.1-1.11].
 *
 * The original is a Python program whose rows depend on every random number drawn before them, the
 * probes of the length fit included. A set repeats that: sb_ruler_open makes the fit, sb_ruler_row
 * the rows in order (asking for an earlier one starts over behind the fit). What the original needs
 * from outside is given as opened objects; which of them a task needs is in its record. */
#ifndef SB_WORKLOADS_RULER_RULER_H
#define SB_WORKLOADS_RULER_RULER_H

#include <stdint.h>

#include "kernels/base/status.h"
#include "workloads/base/tok.h"
#include "workloads/ruler/essay.h"
#include "workloads/ruler/qa.h"
#include "workloads/ruler/template.h"
#include "workloads/ruler/words.h"

/* Changes whenever the same request gives other bytes. */
#define SB_RULER_VERSION "ruler_compat@1 (NVIDIA/RULER c3f5e3b)"

typedef enum sb_ruler_haystack {
    SB_RULER_NOISE,
    SB_RULER_ESSAY,
    SB_RULER_NEEDLES
} sb_ruler_haystack;
typedef enum sb_ruler_value { SB_RULER_NUMBERS, SB_RULER_WORDS, SB_RULER_UUIDS } sb_ruler_value;
typedef enum sb_ruler_metric { SB_RULER_MATCH_ALL, SB_RULER_MATCH_PART } sb_ruler_metric;

/* What a task needs besides templates and a counter. */
enum {
    SB_RULER_NEEDS_WORDS    = 1,
    SB_RULER_NEEDS_ESSAY    = 2,
    SB_RULER_NEEDS_SQUAD    = 4,
    SB_RULER_NEEDS_HOTPOTQA = 8
};

typedef struct sb_ruler_task {
    const char        *name;
    sb_ruler_generator generator;
    sb_ruler_metric    metric;
    unsigned           needs;
    sb_ruler_haystack  haystack; /* niah */
    sb_ruler_value     key, value;
    int                n_keys, n_values, n_queries;
} sb_ruler_task;

extern const sb_ruler_task sb_ruler_tasks[]; /* 13, in RULER's order; ends with a NULL name */
const sb_ruler_task       *sb_ruler_task_find(const char *name); /* NULL when unknown */

typedef struct sb_ruler_spec {
    const sb_ruler_task *task;
    uint64_t             seed;           /* 42 in RULER, plus the chunk's number */
    int64_t              length_tokens;  /* max_seq_length: prompt and generated tokens */
    int64_t              first_question; /* qa, pre_samples: questions of earlier chunks */
    int64_t model_template_tokens; /* taken off the length; 0 unless the wrapper is added later */
    const sb_ruler_templates *templates;
    const sb_ruler_words     *words; /* these three: NULL where the task needs none */
    const sb_ruler_essay     *essay;
    const sb_ruler_qa        *qa;
    sb_tok_ops                counter;
} sb_ruler_spec;

typedef enum sb_ruler_span_kind {
    SB_RULER_SPAN_NEEDLE,        /* supports an answer */
    SB_RULER_SPAN_DISTRACTOR,    /* looks like a needle */
    SB_RULER_SPAN_QUERY,         /* from behind the context to the answer prefix */
    SB_RULER_SPAN_ANSWER_PREFIX, /* the end of the prompt */
    SB_RULER_SPAN_SHOT,          /* a solved example */
    SB_RULER_SPAN_KINDS
} sb_ruler_span_kind;

typedef struct sb_ruler_span {
    int64_t            byte_begin, byte_end; /* of the prompt */
    sb_ruler_span_kind kind;
    int32_t            ref; /* the answer it supports, -1 all or none */
} sb_ruler_span;

typedef struct sb_ruler_sample {
    int64_t        row, units; /* units: haystack sentences, words or documents */
    int64_t        line;       /* of the file, from 1; 0: generated */
    char          *text;       /* the prompt: RULER's input and answer_prefix */
    int64_t        text_bytes, input_bytes;
    char         **answers;
    int64_t        n_answers;
    sb_ruler_span *spans; /* by place */
    int64_t        n_spans;
    int64_t        n_tokens, gen_tokens;  /* RULER's length is their sum */
    int64_t        model_template_tokens; /* length_w_model_temp is length and these */
    int64_t index; /* RULER's: the row's number, or for niah the character where the first answer
                      stands */
    int64_t answer_token; /* niah: tokens before that place; -1 otherwise */
    char    sha256[65];   /* over prompt, cut and answers */
} sb_ruler_sample;

void sb_ruler_sample_fini(sb_ruler_sample *s); /* safe on a zeroed sample */

typedef struct sb_ruler_set sb_ruler_set;

/* Makes the length fit. The objects of the spec are borrowed until sb_ruler_close. Errors:
 * SB_ERR_UNSUPPORTED names the input that the task needs and was not given (also
 * english_words.json, once cwe's list is used up); SB_ERR_NO_FIT: the length holds not even the
 * smallest prompt (the original loops for ever then); SB_ERR_USAGE; SB_ERR_NOMEM; whatever the
 * counter returns. Cost: about log2(3 length / tokens a unit) prompts generated and counted. */
sb_status sb_ruler_open(const sb_ruler_spec *spec, sb_ruler_set **out);
void      sb_ruler_close(sb_ruler_set *set);

int64_t
sb_ruler_units(const sb_ruler_set *set); /* what the fit found: the units a row starts with */
int64_t sb_ruler_shot_units(const sb_ruler_set *set); /* of vt's example; 0 for others */

/* Row `row` of the set, the same whatever was asked before. *out must be zeroed or finished. Errors
 * as above; also SB_ERR_USAGE when a qa file has no such question. */
sb_status sb_ruler_row(sb_ruler_set *set, int64_t row, sb_ruler_sample *out);

/* The row as a line of RULER's validation.jsonl, with its line feed; *line is malloc'd. */
sb_status sb_ruler_sample_json(const sb_ruler_task *task, const sb_ruler_sample *s, char **line);

/* What to store beside every figure; strings live as long as the set and its spec's objects. ""
 * where the task uses none. */
typedef struct sb_ruler_facts {
    const char *generator, *templates_sha256, *wrapper, *wrapper_sha256, *words_version,
        *words_sha256, *corpus_sha256, *splitter, *counter, *counter_sha256;
} sb_ruler_facts;
sb_ruler_facts sb_ruler_set_facts(const sb_ruler_set *set);

#endif

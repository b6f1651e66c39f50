/* Questions as text, for models that read text: made to a length (ruler) or read from a user's
 * files (LongBench and others). A suite is one record, like a method; a row is what a model reads,
 * what it should answer and how that is scored.
 *
 *   suite.open(request) -> set -> row 0, 1, ... -> `spanbench gen`, a model, `spanbench score` */
#ifndef SB_WORKLOADS_BASE_TEXT_SUITE_H
#define SB_WORKLOADS_BASE_TEXT_SUITE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/param.h"
#include "kernels/base/status.h"
#include "workloads/base/text_groups.h"
#include "workloads/base/tok.h"

typedef struct sb_text_suite sb_text_suite;
typedef struct sb_text_set   sb_text_set;

typedef struct sb_text_span {
    int64_t     byte_begin, byte_end; /* of the prompt */
    const char *kind;                 /* needle, distractor, query, answer_prefix, shot; static */
    int32_t     ref;                  /* the reference it supports, -1 all or none */
} sb_text_span;

/* Strings are malloc'd, UTF-8 without NUL bytes, never NULL unless said so. */
typedef struct sb_text_row {
    int64_t     row;    /* place in the set, from 0, bad rows counted */
    int64_t     line;   /* of the file, from 1; 0: generated */
    char       *id;     /* the file's own; "" none */
    char       *prompt; /* all that the model reads, chat wrapper excepted; answer prefix last */
    int64_t     prompt_bytes; /* without the zero */
    int64_t     input_bytes;  /* up to the answer prefix */
    char      **refs;
    int64_t     n_refs;
    const char *scorer;  /* "qa_f1@1": a name of workloads/metrics; static */
    char      **classes; /* classification; NULL */
    int64_t     n_classes;
    int64_t    *relevance;   /* [n_refs] helmet_ndcg; NULL */
    char       *question;    /* babilong; NULL */
    const char *scorer_task; /* babilong: "qa1"; NULL; static */
    const char *answer_mark; /* helmet: what the answer stands behind; NULL; static or the set's */
    int64_t     gen_tokens;  /* to generate at most */
    int32_t     first_line;  /* 1: score the first line only, as LongBench does for four datasets */
    int32_t     stop_newline; /* 1: generation ends at a line feed, after a token at least */
    int32_t     chat;         /* 1: a chat model gets its wrapper around the input */
    sb_text_span *spans;      /* by place */
    int64_t       n_spans;
    int64_t       n_tokens;         /* of the prompt; -1 not counted */
    /* > 0: the row is so many ids that its reader draws from this seed; `prompt` names them, and
     * `scorer` is NULL: they have no meaning. Not to be written to a file. */
    int64_t       drawn_tokens;
    uint64_t      draw_seed;
    int64_t       truncated_tokens; /* cut out of the middle; 0 none */
    char         *meta;       /* JSON object of what the suite groups by or keeps; "{}" none */
    char          sha256[65]; /* over prompt, cut, references and how they are scored */
} sb_text_row;

void sb_text_row_fini(sb_text_row *r); /* frees, zeroes; safe on a zeroed row */
/* Fill sha256. The row's number, file, spans and counts are not part of it. */
sb_status sb_text_row_seal(sb_text_row *r);

/* A YAML key of the suite that names a file or folder of the user's. */
typedef struct sb_text_key {
    const char *name, *help;
} sb_text_key;

/* Stands where the rows of a task have different scorers. */
#define SB_TEXT_SCORER_VARIES "the row's own"

typedef struct sb_text_task {
    const char *name, *summary;
    const char *scorer;     /* of its rows; SB_TEXT_SCORER_VARIES */
    int64_t     gen_tokens; /* default */
} sb_text_task;

typedef struct sb_text_req {
    const sb_text_suite *suite;
    const sb_text_task  *task;
    const void          *params; /* the suite's parameter struct */
    const char *const   *paths;  /* one a key of the suite, `~` expanded; NULL: not given */
    /* Rows made to a length: of prompt and generated tokens. Files: a longer prompt is cut to it,
     * as the originals do, and what is generated comes on top; 0 never. */
    int64_t           length_tokens;
    uint64_t          seed;
    const sb_tok_ops *tok; /* NULL: none; a suite that needs one says so */
    /* What a model's chat wrapper and BOS add to a row with `chat`: rows made to a length leave
     * room for them. 0: none, or not known. */
    int64_t wrapped_tokens;
} sb_text_req;

/* What a set's own struct begins with. */
struct sb_text_set {
    const sb_text_suite *suite;
    const sb_text_task  *task;
};

struct sb_text_suite {
    const char           *name, *summary;
    const char           *version; /* changes whenever the same request gives other bytes */
    const sb_text_task   *tasks;   /* ends with a NULL name */
    const sb_param       *params;
    size_t                params_bytes;
    const sb_text_key    *keys;      /* ends with a NULL name */
    int32_t               to_length; /* 1: rows are made to length_tokens; 0: a file's */
    int32_t               decimals; /* of a score in per cent, as the suite's own tables print it */
    const sb_text_groups *groups;   /* what it reports beside tasks; NULL: none */
    /* What the request refers to is borrowed until close. Errors as sb_ruler_open's:
     * SB_ERR_UNSUPPORTED names the file that was not given; SB_ERR_NO_FIT; SB_ERR_USAGE a bad file;
     * SB_ERR_IO; SB_ERR_NOMEM. */
    sb_status (*open)(const sb_text_req *req, sb_text_set **out);
    void (*close)(sb_text_set *set);           /* NULL is fine */
    int64_t (*n_rows)(const sb_text_set *set); /* -1: as many as one asks for */
    /* Row `row`, the same whatever was asked before. *out is zeroed or finished. SB_ERR_USAGE: this
     * row is bad, naming file, line and field; others can still be had. Where rows are made also
     * SB_ERR_NO_FIT and SB_ERR_UNSUPPORTED, of this row. */
    sb_status (*row)(sb_text_set *set, int64_t row, sb_text_row *out);
    /* What to store beside every figure: a JSON object of strings (generator, templates_sha256,
     * wordlist_sha256, corpus_sha256, file_sha256, tokenizer, tokenizer_sha256 ...); a new
     * reference. NULL: no memory. */
    json_t *(*facts)(const sb_text_set *set);
    /* The row as a line of the suite's own file format, with its line feed, malloc'd; NULL: it has
     * none but ours. */
    sb_status (*line)(const sb_text_set *set, const sb_text_row *r, char **line);
};

/* A row as one line of our own jsonl, with its line feed, malloc'd:
 *   {"suite", "task", "row", "id", "input", "answer_prefix", "outputs": [...], "metric", "max_gen",
 *    "sha256", "length", ... and what the scorer needs: "classes", "relevance", "question",
 *    "scorer_task", "answer_mark", "first_line", "stop_newline", "chat"; "meta": {...}}
 * Empty ones are left out. Predictions come back as "pred" beside them. */
sb_status sb_text_row_json(const sb_text_suite *suite, const sb_text_task *task,
                           const sb_text_row *r, char **line);

#endif

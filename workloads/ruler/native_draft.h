/* Inside mode native: a row in the making, and what its generators share. */
#ifndef SB_WORKLOADS_RULER_NATIVE_DRAFT_H
#define SB_WORKLOADS_RULER_NATIVE_DRAFT_H

#include "kernels/base/rng.h"
#include "workloads/ruler/generate.h"
#include "workloads/ruler/native.h"

typedef struct sbi_row {
    const sb_ruler_native_spec *spec;
    char                       *input, *prefix; /* templates: wrapper({shot}task), answer prefix */
    char                       *bare_task;      /* the task alone, for the shot */
    uint64_t                    key;            /* of the row and the attempt */
    int64_t                     question;       /* qa */
    sbi_draft                   d;
    sbi_text                    query, shot;
    int64_t                     input_bytes;
} sbi_row;

/* An independent stream of the row for each purpose. */
typedef enum sbi_purpose {
    SBI_FOR_KEYS = 1,
    SBI_FOR_VALUES,
    SBI_FOR_PLACES,
    SBI_FOR_QUERIES,
    SBI_FOR_TEXT,
    SBI_FOR_ORDER,
    SBI_FOR_SHOT,
    SBI_FOR_NAMES
} sbi_purpose;

uint64_t sbi_row_key(const sbi_row *r, sbi_purpose p);
sb_rng   sbi_row_rng(const sbi_row *r, sbi_purpose p);

/* Where i of [0, n) goes in a permutation of [0, n) that the key gives; O(1), no memory. */
int64_t sbi_permuted(uint64_t key, int64_t n, int64_t i);
/* The same for any i >= 0: every n of them are a permutation of their own. */
int64_t sbi_permuted_round(uint64_t key, int64_t n, int64_t i);
void    sbi_shuffle_i32(sb_rng *r, int32_t *v, int64_t n);
int     sbi_by_i64(const void *a, const void *b);

/* The prompt from r->d.context, r->query and r->shot: input and answer prefix, spans moved, query,
 * shot and prefix spans added. number: the field num_v or num_cw ("" where there is none). */
sb_status sbi_row_compose(sbi_row *r, const char *type_name, const char *number);

/* One prompt of so many units into r->d; units lie between a kind's least and most. */
typedef struct sbi_kind {
    int64_t (*least)(const sbi_row *r);
    int64_t (*most)(const sbi_row *r); /* INT64_MAX: no bound */
    sb_status (*make)(sbi_row *r, int64_t units);
    const char *unit; /* for errors: "sentences" */
    int planted; /* 1: an answer stands nowhere but in its needles, or another row key is taken */
    int bounded; /* 1: `most` is where the words end: a length that holds more needs other words */
} sbi_kind;

extern const sbi_kind sbi_native_niah, sbi_native_vt, sbi_native_cwe, sbi_native_fwe, sbi_native_qa,
    sbi_native_qa_synth;

#endif

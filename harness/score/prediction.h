/* One prediction made elsewhere, in the same form whatever file it came from: what was asked, as
 * far as the file says, and what was answered. */
#ifndef SB_HARNESS_SCORE_PREDICTION_H
#define SB_HARNESS_SCORE_PREDICTION_H

#include "workloads/base/row_fields.h"
#include "workloads/base/text_suite.h"

typedef struct sbi_prediction {
    sb_text_row row; /* prompt may be NULL: the file does not repeat it; scorer NULL: unknown */
    char       *suite, *task;
    int64_t     length_tokens; /* that the rows were made to; 0 unknown */
    char      **preds;
    int64_t     n_preds;
    int64_t     place; /* in its file, from 0, bad rows counted */
    int32_t     skip;  /* 1: not asked for (another filter of lm-eval) */
} sbi_prediction;

void sbi_prediction_fini(sbi_prediction *p); /* frees, zeroes; safe on a zeroed one */

/* What is known of a file besides its rows. */
typedef struct sbi_context {
    const char *suite, *task, *filter; /* the user's; NULL: not given */
    int64_t     length_tokens;         /* the user's, else a number among the folders, else 0 */
    char        name[256];             /* of the file, without folders and .jsonl, .csv, .json */
    char        folder[256];           /* that it lies in */
    int32_t     is_e;                  /* LongBench-E: a folder pred_e, or a name that ends in _e */
} sbi_context;

/* name, folder, length and is_e from a path. A length is the last whole number from 256 on that is
 * a folder's name or a part of one between double underscores. */
void sbi_context_from_path(const char *path, sbi_context *c);

/* json_dumps, but NULL also where jansson (2.14) would run out of memory, leave a key out and go
 * on. */
char *sbi_dump(const json_t *v, size_t flags);

/* Fill suite and task, malloc'd copies; SB_ERR_NOMEM. */
sb_status sbi_prediction_name(const sbi_row_source *s, sbi_prediction *out, const char *suite,
                              const char *task);
/* preds from a field that must be a string. */
sb_status sbi_prediction_take(const sbi_row_source *s, const char *field, sbi_prediction *out);

/* Fill what a reader left open: scorer (the suite's own), meta, id, and the row's SHA-256: over
 * suite, task, length, id, prompt and references, and over the place in the file where there is
 * neither id nor prompt. */
sb_status sbi_prediction_seal(const sbi_row_source *s, sbi_prediction *p);

#endif

/* A set of rows that stand in a user's file: what suites that read files have in common. The
 * suite's `make` says how a row becomes a prompt. */
#ifndef SB_WORKLOADS_BASE_FILE_SET_H
#define SB_WORKLOADS_BASE_FILE_SET_H

#include <jansson.h>

#include "workloads/base/record_file.h"
#include "workloads/base/row_fields.h"
#include "workloads/base/text_cut.h"
#include "workloads/base/text_suite.h"

typedef enum sbi_file_cut {
    SBI_FILE_CUT_MIDDLE, /* by the rule `cut`; all of the prompt is input */
    SBI_FILE_CUT_NONE,   /* never: a length is refused. make fills input_bytes, may fill n_tokens */
    SBI_FILE_CUT_OWN     /* make does it; fills input_bytes and truncated_tokens */
} sbi_file_cut;

typedef struct sbi_file_set sbi_file_set;
struct sbi_file_set {
    sb_text_set       base;
    sbi_record_file  *file;
    json_t           *texts;
    const char       *text;             /* the task's prompt, of texts; NULL: none */
    const char       *text_name;        /* its key */
    char              texts_sha256[65]; /* "": of text and text_name, made by open */
    sbi_file_cut      cutting;
    sbi_cut_rule      cut; /* most_tokens also for CUT_OWN */
    const sb_tok_ops *tok;
    const void       *params;
    int32_t           chat;
    /* Fill prompt, refs and what scoring needs; the rest of *out is filled already and may be
     * changed. On error what was made belongs to *out. */
    sb_status (*make)(const sbi_file_set *s, const sbi_row_source *src, sb_text_row *out);
};

/* Opens the file that `data` of the request names, or the first of file_names in that folder, and
 * takes over *s, whose texts, text, cut and make are filled; texts and *s are freed on error too.
 */
sb_status sbi_file_set_open(const sb_text_req *req, const char *const *file_names, sbi_file_set *s,
                            sb_text_set **out);

/* The other functions of a suite's record. */
void      sbi_file_set_close(sb_text_set *set);
int64_t   sbi_file_set_rows(const sb_text_set *set);
sb_status sbi_file_set_row(sb_text_set *set, int64_t row, sb_text_row *out);
json_t   *sbi_file_set_facts(const sb_text_set *set);

#endif

/* What a row of HELMET consists of before it is a prompt: fields, documents, examples; and the cut
 * that leaves out the end of the context where the prompt is too long. */
#ifndef SB_WORKLOADS_HELMET_PARTS_H
#define SB_WORKLOADS_HELMET_PARTS_H

#include "workloads/base/file_set.h"
#include "workloads/base/pytext.h"
#include "workloads/helmet/demos.h"
#include "workloads/helmet/suite.h"

typedef enum sbi_helmet_kind {
    SBI_HELMET_RULER,
    SBI_HELMET_JSON_KV,
    SBI_HELMET_KILT,
    SBI_HELMET_MSMARCO
} sbi_helmet_kind;

typedef struct sbi_helmet_words {
    const char *user, *system, *passage, *passage_with_title, *demo;
} sbi_helmet_words;

typedef struct sbi_helmet_set {
    sbi_file_set     set;
    sbi_helmet_kind  kind;
    sbi_helmet_words texts;
    sbi_demos       *demos;      /* NULL: the task has none */
    int              popularity; /* 1: only questions with s_pop below 1000 */
} sbi_helmet_set;

/* Values of the placeholders, owned. */
enum { SBI_HELMET_FIELDS = 7 };
typedef struct sbi_helmet_parts {
    sbi_text value[SBI_HELMET_FIELDS]; /* in the order of sbi_helmet_names */
} sbi_helmet_parts;
enum {
    SBI_HELMET_CONTEXT,
    SBI_HELMET_DEMOS,
    SBI_HELMET_QUESTION,
    SBI_HELMET_QUERY,
    SBI_HELMET_TYPE,
    SBI_HELMET_NUM_V,
    SBI_HELMET_EXAMPLE
};
extern const char *const sbi_helmet_names[SBI_HELMET_FIELDS + 1];

void sbi_helmet_parts_fini(sbi_helmet_parts *p);
/* SB_ERR_USAGE names file, line and field. */
sb_status sbi_helmet_parts_read(const sbi_helmet_set *s, const sbi_row_source *src,
                                sbi_helmet_parts *p);
/* The key by which questions differ; popularity as in the set. NULL: not asked. */
sb_status sbi_helmet_key(const void *set, const sbi_row_source *src, char **key);
/* out->prompt, input_bytes, truncated_tokens; p's context is cut. */
sb_status sbi_helmet_prompt(const sbi_helmet_set *s, const sbi_row_source *src, sbi_helmet_parts *p,
                            sb_text_row *out);
/* "3 > 1 > 2": ids by label, the largest first, equal ones in their order. */
sb_status sbi_helmet_ranking(const sbi_row_source *src, sbi_text *out);

#endif

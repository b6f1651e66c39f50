/* RULER's tasks over text at hand, mode `native` [workloads 4, 5]: the structure of the original's
 * tasks, our own wording (or any file of texts), our own random stream. Its figures are not
 * RULER's: sb_ruler_native_facts and every row say "native".
 *
 * Row r is a function of (seed, task, length, r), texts, words, corpus and tokenizer; not of other
 * rows, ranks or threads. It holds the units (sentences, lines, words, documents) that fit: the
 * prompt with one unit more has more tokens than the length leaves.
 *
 *   niah_single_1, vt                           noise sentences, a line each
 *   niah_single_2 _3, niah_multikey_1,
 *   niah_multivalue, niah_multiquery            sentences of the corpus in order, from a drawn one,
 *                                               round the corpus; needles at drawn depths of 40
 *   niah_multikey_2 _3                          other needles, no key and no value twice
 *   cwe, fwe                                    as the original, words without doubles
 *   qa_1, qa_2                                  SQuAD's and HotpotQA's questions among their
 * documents qa_synth                                    passages of the corpus, a planted fact, 8
 * near misses */
#ifndef SB_WORKLOADS_RULER_NATIVE_H
#define SB_WORKLOADS_RULER_NATIVE_H

#include "workloads/ruler/lexicon.h"
#include "workloads/ruler/passages.h"
#include "workloads/ruler/ruler.h"

/* Changes whenever the same request gives other bytes. */
#define SB_RULER_NATIVE_VERSION "native@1"

/* RULER has no such task: never reported as qa_1 or qa_2. */
extern const sb_ruler_task sb_ruler_qa_synth;

typedef struct sb_ruler_native_spec {
    const sb_ruler_task      *task; /* of sb_ruler_tasks, or sb_ruler_qa_synth */
    uint64_t                  seed;
    int64_t                   length_tokens;  /* prompt, wrapped_tokens and generated tokens */
    int64_t                   wrapped_tokens; /* kept free for a chat wrapper that is added later */
    int64_t                   first_question; /* qa_1, qa_2 */
    const sb_ruler_templates *templates;
    const sb_ruler_lexicon   *lexicon; /* these: NULL where the task needs none */
    const sb_ruler_passages  *passages;
    const sb_ruler_qa        *qa;
    sb_tok_ops                tok;
} sb_ruler_native_spec;

/* What sb_ruler_native_open will ask for. */
int sb_ruler_native_needs_lexicon(const sb_ruler_task *t);
int sb_ruler_native_needs_passages(const sb_ruler_task *t);

typedef struct sb_ruler_native sb_ruler_native;

/* The spec's objects are borrowed until close. Errors: SB_ERR_UNSUPPORTED names what the task needs
 * and was not given, or that the words do not reach for the length; SB_ERR_NO_FIT: the smallest
 * prompt is too long; SB_ERR_USAGE; SB_ERR_NOMEM; what the tokenizer returns. */
sb_status sb_ruler_native_open(const sb_ruler_native_spec *spec, sb_ruler_native **out);
void      sb_ruler_native_close(sb_ruler_native *s);

/* *out is zeroed or finished. Errors as above; also SB_ERR_USAGE when a qa file has no such
 * question. Not for two threads at once. Cost: about six prompts made and counted; what does not
 * change between them is tokenised once (workloads/base/tok_memo.h). */
sb_status sb_ruler_native_row(sb_ruler_native *s, int64_t row, sb_ruler_sample *out);

#endif

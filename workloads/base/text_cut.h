/* A prompt that is too long loses its middle, as the suites' originals do it: they encode the whole
 * prompt, keep the first and the last ids and decode them. */
#ifndef SB_WORKLOADS_BASE_TEXT_CUT_H
#define SB_WORKLOADS_BASE_TEXT_CUT_H

#include <stdint.h>

#include "kernels/base/status.h"
#include "workloads/base/text_suite.h"

typedef enum sbi_cut_odd {
    SBI_CUT_ODD_DROP, /* M / 2 ids from each end: one less than M where M is odd */
    SBI_CUT_ODD_TAIL  /* (M + 1) / 2 from the end */
} sbi_cut_odd;

typedef struct sbi_cut_rule {
    int64_t most_tokens;   /* M; 0: never cut */
    int64_t prefix_tokens; /* special tokens that the tokenizer of the original puts before every
                            * text: they count, are first, and fall away when decoded */
    sbi_cut_odd odd;
    int32_t     as_one; /* 1: both ends are decoded together, 0: each by itself */
    int32_t     always; /* 1: a prompt is also encoded and decoded where nothing is cut: a tokenizer
                         * that normalises (Qwen2: NFC) leaves another text */
} sbi_cut_rule;

/* SB_ERR_USAGE: a length without a tokenizer, or one of less than 2 tokens; SB_ERR_UNSUPPORTED: a
 * tokenizer that cannot cut. To be asked once, when a set is opened. */
sb_status sbi_cut_check(const sbi_cut_rule *rule, const sb_tok_ops *tok);

/* Cut row->prompt where it is too long and fill prompt_bytes, input_bytes (all of it), n_tokens and
 * truncated_tokens. tok NULL: nothing is counted. Cost: the prompt is encoded once, or three times
 * where it is cut. */
sb_status sbi_cut_middle(const sbi_cut_rule *rule, const sb_tok_ops *tok, sb_text_row *row);

#endif

#include "workloads/base/text_cut.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

sb_status sbi_cut_check(const sbi_cut_rule *rule, const sb_tok_ops *tok)
{
    if (rule->most_tokens == 0)
        return SB_OK;
    if (rule->most_tokens < 2)
        return sb_fail(SB_ERR_USAGE,
                       "length %" PRId64
                       ": prompts are cut to 2 tokens or more; 0 leaves them whole",
                       rule->most_tokens);
    if (tok == NULL)
        return sb_fail(SB_ERR_USAGE,
                       "length %" PRId64
                       ": cutting prompts to a length needs a tokenizer; length 0 "
                       "leaves them whole",
                       rule->most_tokens);
    if (tok->ends == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "length %" PRId64 ": the counter `%s` cannot cut a prompt; a model's "
                       "tokenizer can, and length 0 leaves prompts whole",
                       rule->most_tokens, tok->name);
    return SB_OK;
}

sb_status sbi_cut_middle(const sbi_cut_rule *rule, const sb_tok_ops *tok, sb_text_row *row)
{
    int64_t   n, head, tail, bytes;
    int       fits;
    char     *text;
    sb_status st;
    row->prompt_bytes = row->input_bytes = (int64_t)strlen(row->prompt);
    row->n_tokens                        = -1;
    row->truncated_tokens                = 0;
    if (tok == NULL)
        return SB_OK;
    if ((st = tok->count(tok->ctx, row->prompt, row->prompt_bytes, &n)) != SB_OK)
        return st;
    row->n_tokens = n;
    fits          = rule->most_tokens == 0 || n + rule->prefix_tokens <= rule->most_tokens;
    if (fits && (rule->most_tokens == 0 || !rule->always))
        return SB_OK;
    head = rule->most_tokens / 2 - rule->prefix_tokens;
    tail = rule->odd == SBI_CUT_ODD_TAIL ? (rule->most_tokens + 1) / 2 : rule->most_tokens / 2;
    head = fits ? n : head > 0 ? head : 0;
    tail = fits ? 0 : tail < n ? tail : n; /* the prefix may be what is left out */
    st   = (rule->as_one && tok->joined != NULL ? tok->joined : tok->ends)(
        tok->ctx, row->prompt, row->prompt_bytes, head, tail, &text, &bytes);
    if (st != SB_OK)
        return st;
    free(row->prompt);
    row->prompt       = text;
    row->prompt_bytes = row->input_bytes = bytes;
    row->truncated_tokens                = n - head - tail;
    return tok->count(tok->ctx, text, bytes, &row->n_tokens);
}

/* A SentencePiece model's pieces, types and scores -> vocabulary, whatever file they came from. */
#include <stdlib.h>

#include "workloads/tokenizer/gguf.h"

/* Control pieces and the unknown one are no text to SentencePiece; they are special tokens, as in
 * the tokenizer.json of the same model. User-defined pieces are found in any text, after the blanks
 * were made. */
static sb_status add_added(sb_tok *t, const sbi_pieces *p)
{
    int64_t   n = 0;
    sb_status st;
    for (int64_t i = 0; i < p->n; i++)
        n += p->types[i] >= SBI_KIND_UNKNOWN && p->types[i] <= SBI_KIND_USER_DEFINED;
    st = sbi_tok_reserve_added(t, n);
    for (int64_t i = 0; i < p->n && st == SB_OK; i++) {
        sbi_added a = {.id = (int32_t)i};
        if (p->types[i] == SBI_KIND_USER_DEFINED) {
            a.normalized = 1;
            st           = sbi_sp_add_added(t, p->texts[i].text, p->texts[i].n, 0, &a);
        } else if (p->types[i] == SBI_KIND_UNKNOWN || p->types[i] == SBI_KIND_CONTROL) {
            a.special = 1;
            st        = sbi_tok_add_added(t, p->texts[i].text, p->texts[i].n, &a);
        }
        if (st != SB_OK)
            return sb_wrap(st, "token %lld", (long long)i);
    }
    return st;
}

static sb_status find_unknown(sb_tok *t, const sbi_pieces *p)
{
    int64_t id  = p->unk;
    t->fuse_unk = 1;
    if (t->sp.by_bytes)
        return SB_OK;
    for (int64_t i = 0; i < p->n && id < 0; i++)
        if (p->types[i] == SBI_KIND_UNKNOWN)
            id = i;
    if (id < 0)
        return sb_fail(SB_ERR_USAGE, "there are neither tokens of bytes nor an unknown one");
    t->unk = (int32_t)id;
    return SB_OK;
}

sb_status sbi_sp_build(sb_tok *t, const sbi_pieces *p)
{
    unsigned char *unused = calloc(p->n > 0 ? (size_t)p->n : 1, 1);
    sb_status      st;
    if (unused == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %lld tokens", (long long)p->n);
    t->sp.on     = 1;
    t->sp.early  = 1;
    t->sp.strip  = p->prefix;
    t->sp.prefix = p->prefix ? SBI_SP_PREFIX_SECTION : SBI_SP_PREFIX_NONE;
    for (int64_t i = 0; i < p->n; i++) {
        unused[i]        = p->types[i] == SBI_KIND_UNUSED;
        p->texts[i].form = p->types[i] == SBI_KIND_NORMAL ? SBI_TOK_SPELT
                           : p->types[i] == SBI_KIND_BYTE ? SBI_TOK_BYTE
                                                          : SBI_TOK_CONTENT;
        t->sp.by_bytes |= p->types[i] == SBI_KIND_BYTE;
    }
    if ((st = sbi_tok_set_tokens(t, p->texts, p->n)) == SB_OK &&
        (st = find_unknown(t, p)) == SB_OK &&
        (st = sbi_sp_merge_by_score(t, p->scores, unused)) == SB_OK &&
        (st = add_added(t, p)) == SB_OK)
        st = sbi_tok_finish(t, &sbi_split_none);
    free(unused);
    return st;
}

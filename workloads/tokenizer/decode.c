/* Ids back to text: the bytes of the tokens, one after the other, read as UTF-8. SentencePiece
 * drops a blank at the beginning, and each byte that is no UTF-8 is one U+FFFD. */
#include <stdlib.h>
#include <string.h>

#include "workloads/tokenizer/utf8.h"
#include "workloads/tokenizer/vocab.h"

struct sb_tok_stream {
    const sb_tok *t;
    sb_tok_show   show;
    int           begun;     /* some token had bytes */
    sbi_bytes     raw, text; /* raw: what is not yet a character */
};

static sb_status put_token(const sb_tok *t, int32_t id, sb_tok_show show, int *begun, sbi_bytes *to)
{
    size_t               n     = 0;
    const unsigned char *bytes = sb_tok_bytes(t, id, &n);
    if (bytes == NULL)
        return sb_fail(SB_ERR_USAGE, "id %d is outside the vocabulary of %d tokens", id,
                       t->n_tokens);
    if (show == SB_TOK_SHOW_TEXT && sb_tok_is_special(t, id))
        return SB_OK;
    if (!*begun && t->sp.strip && bytes[0] == ' ') {
        bytes++;
        n--;
    }
    *begun = 1;
    return sbi_bytes_put(to, bytes, n);
}

static sb_status put_text(const sb_tok *t, sbi_bytes *text, const unsigned char *raw, size_t n)
{
    sb_status st;
    if (n > (SIZE_MAX - text->n - 1) / 3)
        return sb_fail(SB_ERR_NOMEM, "no memory for a text of %zu bytes", n);
    if ((st = sbi_bytes_reserve(text, text->n + SBI_UTF8_REPLACED_BYTES(n) + 1)) != SB_OK)
        return st;
    if (n > 0)
        text->n += sbi_utf8_replace(raw, n, t->sp.on, text->data + text->n);
    text->data[text->n] = 0;
    return SB_OK;
}

sb_status sb_tok_decode(const sb_tok *t, const int32_t *ids, int64_t n, sb_tok_show show,
                        char **text, size_t *bytes)
{
    sbi_bytes raw = {0}, out = {0};
    int       begun = 0;
    sb_status st    = SB_OK;
    for (int64_t i = 0; i < n && st == SB_OK; i++)
        st = put_token(t, ids[i], show, &begun, &raw);
    if (st == SB_OK)
        st = put_text(t, &out, raw.data, raw.n);
    free(raw.data);
    if (st != SB_OK) {
        free(out.data);
        return st;
    }
    *text = (char *)out.data;
    if (bytes != NULL)
        *bytes = out.n;
    return SB_OK;
}

sb_status sb_tok_stream_create(const sb_tok *t, sb_tok_show show, sb_tok_stream **out)
{
    sb_tok_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory to decode with");
    s->t    = t;
    s->show = show;
    *out    = s;
    return SB_OK;
}

/* How many bytes at the end are the start of a character. */
static size_t unfinished(const unsigned char *s, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        size_t bytes;
        if ((s[n - back] & 0xC0) == 0x80)
            continue;
        return sbi_utf8_next(s + n - back, back, &bytes) == SBI_UTF8_PARTIAL ? back : 0;
    }
    return 0;
}

sb_status sb_tok_stream_push(sb_tok_stream *s, int32_t id, const char **text, size_t *bytes)
{
    size_t    before = s->raw.n, keep;
    int       begun  = s->begun;
    sb_status st     = put_token(s->t, id, s->show, &s->begun, &s->raw);
    if (st != SB_OK)
        return st;
    keep      = unfinished(s->raw.data, s->raw.n);
    s->text.n = 0;
    if ((st = put_text(s->t, &s->text, s->raw.data, s->raw.n - keep)) != SB_OK) {
        s->raw.n = before;
        s->begun = begun;
        return st;
    }
    if (keep > 0)
        memmove(s->raw.data, s->raw.data + s->raw.n - keep, keep);
    s->raw.n = keep;
    *text    = (const char *)s->text.data;
    *bytes   = s->text.n;
    return SB_OK;
}

sb_status sb_tok_stream_end(sb_tok_stream *s, const char **text, size_t *bytes)
{
    sb_status st;
    s->text.n = 0;
    if ((st = put_text(s->t, &s->text, s->raw.data, s->raw.n)) != SB_OK)
        return st;
    s->raw.n = 0;
    s->begun = 0;
    *text    = (const char *)s->text.data;
    *bytes   = s->text.n;
    return SB_OK;
}

void sb_tok_stream_destroy(sb_tok_stream *s)
{
    if (s == NULL)
        return;
    free(s->raw.data);
    free(s->text.data);
    free(s);
}

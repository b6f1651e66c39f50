/* From text to ids: valid UTF-8, added tokens cut out, NFC or SentencePiece's blanks, pieces.
 *
 *   text  |  some text <|im_end|> more  |
 *   pass 0   tokens that are looked for in the raw text ("normalized": false)
 *   pass 1   the others, in what pass 0 left between them
 *   plain    normalised, split by the pattern, merged
 *
 * SentencePiece makes its blanks in front of pass 1 (a normalizer), or in front of the last step (a
 * pre_tokenizer).
 *
 * A pass does what the original does, also where added tokens overlap: matches are leftmost-longest
 * and found before lstrip and rstrip widen them, and a special token that is to be read literally
 * still hides what overlaps it. */
#include <stdlib.h>
#include <string.h>

#include "workloads/tokenizer/sp.h"

/* White_Space: what lstrip and rstrip take. marked: a blank stands for U+2581, which is none. */
static int is_space(int32_t c, int marked)
{
    return (c >= 9 && c <= 13) || (c == 0x20 && !marked) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

static size_t char_bytes(int32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

static sb_status encode_plain(sb_tok_ctx *c, const unsigned char *s, size_t n, int first)
{
    sb_status st = SB_OK;
    if (c->t->sp.on) {
        if (!c->t->sp.early)
            st = sbi_sp_blanks(c, s, n, first, &s, &n);
        return st == SB_OK ? sbi_sp_encode(c, s, n) : st;
    }
    if (c->t->nfc)
        st = sbi_nfc_apply(&c->nfc, s, n, &s, &n);
    sbi_splitter_begin(c->splitter);
    for (size_t at = 0, end = 0; at < n && st == SB_OK; at = end) {
        st = sbi_splitter_next(c->splitter, s, n, at, &end);
        if (st == SB_OK)
            st = sbi_piece_encode(c, s + at, end - at);
    }
    return st;
}

/* A special token in [begin, end) of the text touches a part that is to be read literally. */
static int is_literal(const sb_tok_ctx *c, size_t begin, size_t end)
{
    int64_t lo = 0, hi = c->n_seams;
    while (lo < hi) { /* first range that ends behind begin */
        int64_t mid = lo + (hi - lo) / 2;
        if (c->seams[2 * mid + 1] <= begin)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < c->n_seams && c->seams[2 * lo] < end;
}

/* A token at [begin, end) of what pass 1 sees, whose text begins at `base` of the whole. */
static int is_literal_here(sb_tok_ctx *c, int made, size_t base, size_t begin, size_t end)
{
    if (made) {
        begin = base + sbi_sp_source(c, begin);
        end   = base + sbi_sp_source(c, end);
    }
    return is_literal(c, begin, end);
}

static sb_status encode_pass(sb_tok_ctx *c, int pass, const unsigned char *text, size_t from,
                             size_t to)
{
    const sbi_matcher *m    = &c->t->match[pass == 0 ? 0 : 1];
    int                made = pass == 1 && c->t->sp.on && c->t->sp.early;
    size_t             base = from, done, at;
    sb_status          st   = SB_OK;
    if (pass == 2)
        return encode_plain(c, text + from, to - from, from == 0);
    if (made) {
        if ((st = sbi_sp_blanks(c, text + from, to - from, from == 0, &text, &to)) != SB_OK)
            return st;
        from = 0;
    }
    done = at = from;
    if (m->n == 0)
        return encode_pass(c, pass + 1, text, from, to);
    while (at < to && st == SB_OK) {
        const sbi_added *a = NULL;
        size_t           begin, end;
        while (at < to &&
               (!m->first[text[at]] || (a = sbi_matcher_at(m, text + at, to - at)) == NULL))
            at++;
        if (a == NULL)
            break;
        begin = at;
        end   = at += (size_t)a->n;
        if (a->special && c->n_seams > 0 && is_literal_here(c, made, base, begin, end))
            continue;
        if (a->lstrip)
            for (int32_t w; begin > done && is_space(w = sbi_utf8_before(text, begin), made);)
                begin -= char_bytes(w);
        if (a->rstrip)
            for (int32_t w; end < to && is_space(w = sbi_utf8_code(text + end), made);)
                end += char_bytes(w);
        if (begin > done)
            st = encode_pass(c, pass + 1, text, done, begin);
        if (st == SB_OK)
            st = sbi_emit(c, &a->id, 1);
        done = end;
    }
    if (st == SB_OK && done < to)
        st = encode_pass(c, pass + 1, text, done, to);
    return st;
}

/* The parts as one valid text, in c->text unless the only part is valid already. */
static sb_status join(sb_tok_ctx *c, const sb_tok_part *parts, int64_t n_parts,
                      const unsigned char **text, size_t *n)
{
    sb_status st;
    c->text.n = 0;
    for (int64_t i = 0; i < n_parts; i++) {
        const unsigned char *s     = parts[i].bytes;
        size_t               good  = parts[i].n > 0 ? sbi_utf8_valid(s, parts[i].n) : 0;
        size_t               begin = c->text.n, rest = parts[i].n - good;
        if (n_parts == 1 && rest == 0) {
            *text = s;
            *n    = good;
            begin = 0;
        } else {
            if (rest > (SIZE_MAX - good) / 4)
                return sb_fail(SB_ERR_NOMEM, "no memory for %zu bytes of text", parts[i].n);
            if ((st = sbi_bytes_put(&c->text, s, good)) != SB_OK ||
                (st = sbi_bytes_reserve(&c->text, c->text.n + SBI_UTF8_REPLACED_BYTES(rest))) !=
                    SB_OK)
                return st;
            if (rest > 0)
                c->text.n += sbi_utf8_replace(s + good, rest, 0, c->text.data + c->text.n);
            *text = c->text.data;
            *n    = c->text.n;
        }
        if (parts[i].specials == SB_TOK_SPECIALS_LITERAL) {
            c->seams[2 * c->n_seams]     = begin;
            c->seams[2 * c->n_seams + 1] = begin == 0 && n_parts == 1 ? *n : c->text.n;
            c->n_seams++;
        }
    }
    return SB_OK;
}

static sb_status reserve_seams(sb_tok_ctx *c, int64_t n)
{
    size_t *more;
    c->n_seams = 0;
    if (n <= c->max_seams)
        return SB_OK;
    more = (uint64_t)n > SIZE_MAX / (2 * sizeof *more)
               ? NULL
               : realloc(c->seams, 2 * (size_t)n * sizeof *more);
    if (more == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for a text of %lld parts", (long long)n);
    c->seams     = more;
    c->max_seams = n;
    return SB_OK;
}

/* The original's BOS is a token like any other: it goes in front of the ids. */
static sb_status encode(sb_tok_ctx *c, const sb_tok_part *parts, int64_t n_parts, sb_tok_bos bos,
                        sb_tok_ids *out)
{
    const unsigned char *text  = (const unsigned char *)"";
    size_t               n     = 0;
    int64_t              start = out != NULL ? out->n : 0;
    int32_t              id    = c->t->role[SB_TOK_ROLE_BOS];
    int       add = bos == SB_TOK_BOS_ALWAYS || (bos == SB_TOK_BOS_AUTO && c->t->adds_bos);
    sb_status st;
    if (add && id < 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "this tokenizer has no BOS token");
    c->out   = out;
    c->count = 0;
    if ((st = reserve_seams(c, n_parts)) == SB_OK &&
        (st = join(c, parts, n_parts, &text, &n)) == SB_OK && add)
        st = sbi_emit(c, &id, 1);
    if (st == SB_OK && n > 0)
        st = encode_pass(c, 0, text, 0, n);
    if (st == SB_OK && add && bos == SB_TOK_BOS_AUTO && out != NULL && out->n > start + 1 &&
        out->ids[start + 1] == id) {
        out->n--; /* the text has its own */
        memmove(out->ids + start, out->ids + start + 1,
                (size_t)(out->n - start) * sizeof *out->ids);
    }
    if (st != SB_OK && out != NULL)
        out->n = start;
    c->out = NULL;
    return st;
}

sb_status sb_tok_encode_rest(sb_tok_ctx *c, const void *bytes, size_t n, sb_tok_specials specials,
                             sb_tok_ids *out)
{
    const sb_tok_part part = {bytes, n, specials};
    sb_status         st;
    c->is_rest = 1;
    st         = encode(c, &part, 1, SB_TOK_BOS_NONE, out);
    c->is_rest = 0;
    return st;
}

sb_status sb_tok_count_rest(sb_tok_ctx *c, const void *bytes, size_t n, sb_tok_specials specials,
                            int64_t *count)
{
    sb_status st = sb_tok_encode_rest(c, bytes, n, specials, NULL);
    if (st == SB_OK)
        *count = c->count;
    return st;
}

sb_status sb_tok_encode_parts(sb_tok_ctx *c, const sb_tok_part *parts, int64_t n_parts,
                              sb_tok_bos bos, sb_tok_ids *out)
{
    return encode(c, parts, n_parts, bos, out);
}

sb_status sb_tok_encode(sb_tok_ctx *c, const void *bytes, size_t n, sb_tok_specials specials,
                        sb_tok_bos bos, sb_tok_ids *out)
{
    const sb_tok_part part = {bytes, n, specials};
    return encode(c, &part, 1, bos, out);
}

sb_status sb_tok_count(sb_tok_ctx *c, const void *bytes, size_t n, sb_tok_specials specials,
                       int64_t *count)
{
    const sb_tok_part part = {bytes, n, specials};
    sb_status         st   = encode(c, &part, 1, SB_TOK_BOS_NONE, NULL);
    if (st == SB_OK)
        *count = c->count;
    return st;
}

sb_status sb_tok_ctx_create(const sb_tok *t, sb_tok_ctx **out)
{
    sb_tok_ctx *c = calloc(1, sizeof *c);
    sb_status   st;
    if (c == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory to encode with");
    c->t     = t;
    c->cache = aligned_alloc(64, SBI_CACHE_ENTRIES * sizeof *c->cache);
    if (c->cache == NULL) {
        sb_tok_ctx_destroy(c);
        return sb_fail(SB_ERR_NOMEM, "no memory to encode with");
    }
    memset(c->cache, 0, SBI_CACHE_ENTRIES * sizeof *c->cache);
    if (t->code != NULL && (st = sbi_splitter_create(t->code, &c->splitter)) != SB_OK) {
        sb_tok_ctx_destroy(c);
        return st;
    }
    *out = c;
    return SB_OK;
}

void sb_tok_ctx_destroy(sb_tok_ctx *c)
{
    if (c == NULL)
        return;
    sbi_splitter_destroy(c->splitter);
    sbi_nfc_fini(&c->nfc);
    free(c->piece.id);
    free(c->piece.heap);
    free(c->text.data);
    free(c->blanks.data);
    free(c->seams);
    free(c->cache);
    free(c);
}

void sb_tok_ids_fini(sb_tok_ids *v)
{
    free(v->ids);
    *v = (sb_tok_ids){NULL, 0, 0};
}

#include "workloads/base/haystack.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/corpus.h"
#include "workloads/base/pytext.h"
#include "workloads/base/sha256.h"
#include "workloads/base/text_files.h"

enum { BYTES_A_TOKEN = 8, MORE_PREFIX = 4 };

int64_t sbi_haystack_max_bytes = INT64_C(2) << 30;

void sbi_haystack_fini(sbi_haystack *h)
{
    free(h->ids.v);
    *h = (sbi_haystack){0};
}

/* ---- the files ---- */

typedef struct reader {
    sbi_text text;
    int      txt_only; /* one *.txt was seen */
    int64_t  taken, passed_over;
} reader;

static int is_txt(const char *path)
{
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".txt") == 0;
}

/* \r\n and \r become \n, as Python reads a text. */
static size_t line_feeds(char *s, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i] != '\r' || i + 1 == n || s[i + 1] != '\n')
            s[to++] = (char)(s[i] == '\r' ? '\n' : s[i]);
    return to;
}

static sb_status take(void *ctx, const char *path, char *text, size_t bytes)
{
    reader *r = ctx;
    if (memchr(text, '\0', bytes) != NULL || sbi_utf8_check(text, (int64_t)bytes) >= 0) {
        r->passed_over++;
        return SB_OK;
    }
    if (is_txt(path) && !r->txt_only) { /* what came before counts no longer */
        r->txt_only = 1;
        r->taken    = 0;
        sbi_text_reset(&r->text);
    }
    if (r->txt_only && !is_txt(path))
        return SB_OK;
    r->taken++;
    sbi_text_put(&r->text, text, (int64_t)line_feeds(text, bytes));
    return sbi_text_status(&r->text);
}

static sb_status read_files(const char *path, reader *r, sbi_haystack *h)
{
    sbi_text_files w  = {.take = take, .ctx = r, .max_bytes = sbi_haystack_max_bytes};
    sb_status      st = sbi_text_files_walk(path, &w);
    sbi_sha256     sha;
    if (st != SB_OK)
        return st;
    h->n_files       = r->taken;
    h->skipped_files = w.skipped_files + r->passed_over;
    if (r->text.n == 0)
        return sb_fail(SB_ERR_USAGE,
                       "no text in it (%" PRId64
                       " files passed over: empty, binary, compressed or not UTF-8)",
                       h->skipped_files);
    sbi_sha256_init(&sha);
    sbi_sha256_put(&sha, r->text.p, (size_t)r->text.n);
    return sbi_sha256_hex(&sha, h->sha256);
}

/* ---- to the length ---- */

/* The files again and again until there are `want` tokens. */
static sb_status repeat(reader *r, int64_t want, const sb_tok_ops *tok, sbi_haystack *h)
{
    int64_t once = r->text.n, tokens = 0;
    h->repeats = 1;
    for (;;) {
        int64_t   more;
        sb_status st = tok->count(tok->ctx, r->text.p, r->text.n, &tokens);
        if (st != SB_OK || tokens >= want)
            return st;
        /* as many as must be missing, so that a small text is not counted as often as it repeats */
        more = tokens > 0 ? (want - tokens) / (tokens / h->repeats + 1) : 0;
        for (more = more > 0 ? more : 1; more > 0; more--, h->repeats++) {
            if (r->text.n > sbi_haystack_max_bytes - once)
                return sb_fail(SB_ERR_USAGE,
                               "%" PRId64 " repeats of its %" PRId64 " bytes have %" PRId64
                               " tokens, the haystack needs %" PRId64,
                               h->repeats, once, tokens, want);
            for (int64_t at = 0; at < once && !r->text.failed;) {
                int64_t n = once - at < 4096 ? once - at : 4096;
                char    piece[4096]; /* what is put may not move while it is copied */
                memcpy(piece, r->text.p + at, (size_t)n);
                sbi_text_put(&r->text, piece, n);
                at += n;
            }
            if ((st = sbi_text_status(&r->text)) != SB_OK)
                return st;
        }
    }
}

/* A beginning that has `want` tokens or is all there is; cut where that changes no token. */
static sb_status shorten(reader *r, int64_t want, const sb_tok_ops *tok)
{
    int64_t limit = want < INT64_MAX / BYTES_A_TOKEN ? want * BYTES_A_TOKEN : INT64_MAX;
    while (tok->safe_cut != NULL && limit < r->text.n) {
        int64_t   cut = tok->safe_cut(tok->ctx, r->text.p, r->text.n, limit), tokens = 0;
        char      behind = r->text.p[cut];
        sb_status st;
        r->text.p[cut] = '\0';
        st             = tok->count(tok->ctx, r->text.p, cut, &tokens);
        if (st == SB_OK && cut > 0 && tokens >= want) {
            r->text.n = cut;
            return SB_OK;
        }
        r->text.p[cut] = behind;
        if (st != SB_OK)
            return st;
        limit = limit > INT64_MAX / MORE_PREFIX ? INT64_MAX : limit * MORE_PREFIX;
    }
    return SB_OK;
}

static sb_status encode_length(const reader *r, int64_t length, const sb_tok_ops *tok, sbi_ids *out)
{
    sbi_ids   all   = {0};
    char     *text  = NULL;
    int64_t   bytes = 0;
    sb_status st    = tok->encode(tok->ctx, r->text.p, r->text.n, &all.v, &all.n);
    if (st == SB_OK && all.n > length) {
        st = tok->decode(tok->ctx, all.v, length, &text, &bytes);
        free(all.v);
        all = (sbi_ids){0};
        if (st == SB_OK)
            st = tok->encode(tok->ctx, text, bytes, &all.v, &all.n);
        free(text);
    }
    if (st != SB_OK) {
        free(all.v);
        return st;
    }
    *out = all;
    return SB_OK;
}

/* Text j of n begins behind the end of the line that j / n of the files fall into. */
static int64_t begin_of(const sbi_text *files, int64_t j, int64_t n)
{
    int64_t     at  = (int64_t)((double)files->n * ((double)j / (double)n));
    const char *end = j > 0 ? memchr(files->p + at, '\n', (size_t)(files->n - at)) : NULL;
    if (end != NULL)
        at = end + 1 - files->p;
    else
        while (at > 0 && at < files->n && ((unsigned char)files->p[at] & 0xc0) == 0x80)
            at++; /* no half characters */
    return at < files->n ? at : 0;
}

static sb_status open_text(reader *r, int64_t length, const sb_tok_ops *tok, sbi_haystack *h)
{
    sb_status st = repeat(r, length, tok, h);
    if (st == SB_OK && (st = shorten(r, length, tok)) == SB_OK)
        st = encode_length(r, length, tok, &h->ids);
    return st;
}

/* `files` as they are; the last text may change them. */
static sb_status open_texts(reader *files, int64_t length, int64_t n, const sb_tok_ops *tok,
                            sbi_haystack *out)
{
    sb_status st = SB_OK;
    for (int64_t j = n - 1; j > 0 && st == SB_OK; j--) {
        reader        turned = {0};
        const int64_t begin  = begin_of(&files->text, j, n);
        sbi_text_put(&turned.text, files->text.p + begin, files->text.n - begin);
        sbi_text_put(&turned.text, files->text.p, begin);
        out[j] = (sbi_haystack){.n_files = out->n_files, .skipped_files = out->skipped_files};
        memcpy(out[j].sha256, out->sha256, sizeof out->sha256);
        st = sbi_text_status(&turned.text);
        if (st == SB_OK)
            st = open_text(&turned, length, tok, &out[j]);
        sbi_text_fini(&turned.text);
    }
    return st == SB_OK ? open_text(files, length, tok, out) : st;
}

sb_status sbi_haystacks_open(const char *path, int64_t length_tokens, int64_t n_texts,
                             const sb_tok_ops *tok, sbi_haystack *out)
{
    const char *from = path != NULL ? path : SB_CORPUS_DEFAULT_PATH;
    reader      r    = {0};
    sb_status   st;
    memset(out, 0, (size_t)n_texts * sizeof *out);
    st = read_files(from, &r, out);
    if (st == SB_OK)
        st = open_texts(&r, length_tokens, n_texts, tok, out);
    sbi_text_fini(&r.text);
    for (int64_t j = 0; j < n_texts && st != SB_OK; j++)
        sbi_haystack_fini(&out[j]);
    return st == SB_OK ? SB_OK : sb_wrap(st, "corpus %s", from);
}

sb_status sbi_haystack_open(const char *path, int64_t length_tokens, const sb_tok_ops *tok,
                            sbi_haystack *out)
{
    return sbi_haystacks_open(path, length_tokens, 1, tok, out);
}

static int among(sbi_ids period, int32_t id)
{
    for (int64_t i = 0; i < period.n; i++)
        if (period.v[i] == id)
            return 1;
    return 0;
}

int64_t sbi_haystack_sentence(const int32_t *ids, int64_t place, sbi_ids period)
{
    while (place > 0 && !among(period, ids[place - 1]))
        place--;
    return place;
}

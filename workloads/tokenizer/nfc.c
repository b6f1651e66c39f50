/* NFC in three steps: utf8proc decomposes each character, marks are sorted here, utf8proc composes.
 * The middle step is ours because utf8proc's own exchanges neighbours: a million marks in the wrong
 * order would take hours. */
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "workloads/tokenizer/tokenizer.h"
#include "workloads/tokenizer/utf8.h"

/* Below U+0300 everything is composed already and nothing joins what stands before it. */
#define FIRST_MARK_LEAD 0xCC
#define CHUNK_BYTES 65536 /* what is taken at once, and on to the next ASCII character */

const char *sb_tok_utf8proc_version(void) { return utf8proc_version(); }

static sb_status reserve(sbi_nfc *w, size_t n)
{
    size_t   want = w->capacity == 0 ? 256 : w->capacity;
    int32_t *codes, *sorted;
    if (n <= w->capacity)
        return SB_OK;
    while (want < n)
        want = want > SIZE_MAX / 16 ? n : 2 * want;
    if (want > SIZE_MAX / sizeof *codes)
        return sb_fail(SB_ERR_NOMEM, "no memory to normalise %zu characters", n);
    codes = realloc(w->codes, want * sizeof *codes);
    if (codes != NULL)
        w->codes = codes;
    sorted = realloc(w->sorted, want * sizeof *sorted);
    if (sorted != NULL)
        w->sorted = sorted;
    if (codes == NULL || sorted == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory to normalise %zu characters", n);
    w->capacity = want;
    return SB_OK;
}

/* Where the characters from s on may change: the one before the first from U+0300 on,
 * for a mark may join it. n: nowhere. */
static size_t first_change(const unsigned char *s, size_t n)
{
    size_t at = 0, last = 0;
    while (at < n) {
        if (s[at] >= FIRST_MARK_LEAD)
            return last;
        last = at;
        at += s[at] < 0x80 ? 1 : 2;
    }
    return n;
}

static int mark_class(int32_t code) { return utf8proc_get_property(code)->combining_class; }

/* Stable, by class: codes[begin .. end), none of class 0. */
static void sort_run(sbi_nfc *w, size_t begin, size_t end)
{
    size_t at[257] = {0}; /* where the next mark of a class goes */
    for (size_t k = begin; k < end; k++)
        at[mark_class(w->codes[k]) + 1]++;
    for (int c = 0; c < 256; c++)
        at[c + 1] += at[c];
    for (size_t k = begin; k < end; k++)
        w->sorted[at[mark_class(w->codes[k])]++] = w->codes[k];
    memcpy(w->codes + begin, w->sorted, (end - begin) * sizeof *w->codes);
}

/* Every run of marks in its order. */
static void sort_marks(sbi_nfc *w, size_t n)
{
    size_t begin    = 0; /* of the run at hand */
    int    in_order = 1, before = 0;
    for (size_t i = 0; i <= n; i++) {
        int c = i < n ? mark_class(w->codes[i]) : 0;
        if (c == 0 && !in_order)
            sort_run(w, begin, i);
        if (c == 0) {
            begin    = i + 1;
            in_order = 1;
        } else {
            in_order &= before <= c;
        }
        before = c;
    }
}

/* Appends NFC of s to w->text. */
static sb_status compose(sbi_nfc *w, const unsigned char *s, size_t n)
{
    size_t           at = 0, count = 0;
    utf8proc_ssize_t left;
    sb_status        st;
    while (at < n) {
        int32_t          code = sbi_utf8_code(s + at);
        size_t           bytes;
        int              bound_class = 0;
        utf8proc_ssize_t k;
        /* no character decomposes into more than 4 canonically; 18 is utf8proc's own bound */
        if ((st = reserve(w, count + 18)) != SB_OK)
            return st;
        k = utf8proc_decompose_char(code, w->codes + count, (utf8proc_ssize_t)(w->capacity - count),
                                    UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &bound_class);
        if (k < 0 || (size_t)k > w->capacity - count)
            return sb_fail(SB_ERR_INTERNAL, "utf8proc cannot decompose U+%04X", (unsigned)code);
        count += (size_t)k;
        (void)sbi_utf8_next(s + at, n - at, &bytes);
        at += bytes;
    }
    sort_marks(w, count);
    left = utf8proc_normalize_utf32(w->codes, (utf8proc_ssize_t)count,
                                    UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (left < 0 || (size_t)left > count)
        return sb_fail(SB_ERR_INTERNAL, "utf8proc cannot compose %zu characters", count);
    if ((st = sbi_bytes_reserve(&w->text, w->text.n + 4 * (size_t)left)) != SB_OK)
        return st;
    for (utf8proc_ssize_t i = 0; i < left; i++)
        w->text.n += (size_t)utf8proc_encode_char(w->codes[i], w->text.data + w->text.n);
    return SB_OK;
}

sb_status sbi_nfc_apply(sbi_nfc *w, const unsigned char *s, size_t n, const unsigned char **out,
                        size_t *out_bytes)
{
    size_t    at = first_change(s, n), end;
    sb_status st;
    *out       = s;
    *out_bytes = n;
    if (at == n)
        return SB_OK;
    w->text.n = 0;
    if ((st = sbi_bytes_put(&w->text, s, at)) != SB_OK)
        return st;
    for (; at < n; at = end) {
        /* nothing crosses the place before an ASCII character: it joins nothing that precedes it */
        end = n - at > CHUNK_BYTES ? at + CHUNK_BYTES : n;
        while (end < n && s[end] >= 0x80)
            end++;
        if (first_change(s + at, end - at) == end - at)
            st = sbi_bytes_put(&w->text, s + at, end - at);
        else
            st = compose(w, s + at, end - at);
        if (st != SB_OK)
            return st;
    }
    *out       = w->text.data;
    *out_bytes = w->text.n;
    return SB_OK;
}

void sbi_nfc_fini(sbi_nfc *w)
{
    free(w->codes);
    free(w->sorted);
    free(w->text.data);
    memset(w, 0, sizeof *w);
}

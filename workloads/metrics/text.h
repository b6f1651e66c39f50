/* Texts as code points, and the few operations of Python's str and re that the published scorers
 * are made of: lower, upper, split, strip, in, \b, \d. They are Unicode-aware there, so they are
 * here; properties come from utf8proc.
 *
 * A slice borrows; what a function makes lives in the call's pool. Everything takes time linear in
 * its text. */
#ifndef SB_WORKLOADS_METRICS_TEXT_H
#define SB_WORKLOADS_METRICS_TEXT_H

#include "workloads/metrics/pool.h"
#include "workloads/metrics/scorer.h"

typedef struct sbi_str {
    const int32_t *c;
    int64_t        n;
} sbi_str;

typedef struct sbi_strs {
    sbi_str *s;
    int64_t  n;
} sbi_strs;

/* UTF-8 to code points. A byte sequence that is none becomes U+FFFD, one for each maximal part, as
 * Python's errors="replace" does, and *flags gets SB_SCORE_BAD_UTF8. NUL is a character. */
sb_status sbi_decode(sbi_pool *p, sb_text text, sbi_str *out, uint32_t *flags);
sb_status sbi_decode_all(sbi_pool *p, const sb_text *texts, int64_t n, sbi_strs *out,
                         uint32_t *flags);
/* A slice over ASCII constants: SBI_STR(p, "Answer:"). */
sb_status sbi_ascii(sbi_pool *p, const char *text, sbi_str *out);

int sbi_is_space(int32_t c);   /* str.isspace, \s */
int sbi_is_word(int32_t c);    /* \w: letters, numbers, underscore; no combining marks */
int sbi_is_decimal(int32_t c); /* \d: category Nd of any script */
int sbi_decimal_value(int32_t c);
int sbi_is_ascii_punct(int32_t c); /* string.punctuation */
int sbi_is_zh_punct(int32_t c);    /* LongBench's list; without the ASCII ones but "." */

sb_status sbi_lower(sbi_pool *p, sbi_str s, sbi_str *out); /* final sigma and I with dot included */
sb_status sbi_upper(sbi_pool *p, sbi_str s, sbi_str *out); /* full mappings: sharp s gives SS */
sb_status sbi_nfd(sbi_pool *p, sbi_str s, sbi_str *out);

sbi_str sbi_slice(sbi_str s, int64_t begin, int64_t end);
sbi_str sbi_strip(sbi_str s); /* of white space, both ends */
sbi_str sbi_lstrip_char(sbi_str s, int32_t c);
sbi_str sbi_until(sbi_str s, int32_t c); /* what stands before the first c */
int     sbi_equal(sbi_str a, sbi_str b);
int     sbi_starts(sbi_str s, sbi_str with); /* at its beginning */
int64_t sbi_index_of(sbi_str s, int32_t c);  /* -1: none */

/* Where `part` first stands in s, -1: nowhere. The empty text stands at 0. Knuth-Morris-Pratt. */
sb_status sbi_str_find(sbi_pool *p, sbi_str s, sbi_str part, int64_t *at);
sb_status sbi_contains(sbi_pool *p, sbi_str s, sbi_str part, int *yes);

sb_status sbi_split_space(sbi_pool *p, sbi_str s, sbi_strs *out);               /* str.split() */
sb_status sbi_split_char(sbi_pool *p, sbi_str s, int32_t c, sbi_strs *out);     /* str.split(c) */
sb_status sbi_join(sbi_pool *p, sbi_strs words, int32_t between, sbi_str *out); /* < 0: nothing */
/* Every character of `set` becomes a blank. */
sb_status sbi_blank_out(sbi_pool *p, sbi_str s, const char *set, sbi_str *out);
/* Runs of \d, or of 0-9 with ascii_only; the first one only when `first` is 1. */
sb_status sbi_digit_runs(sbi_pool *p, sbi_str s, int ascii_only, sbi_strs *out);

/* The SQuAD normalisation: lower case, without ASCII punctuation, articles as whole words to
 * blanks, white space collapsed. Order matters: U.S. becomes us, not u s. */
sb_status sbi_normalise(sbi_pool *p, sbi_str s, sbi_str *out);
/* LongBench's Chinese one: lower case, without punctuation and white space. */
sb_status sbi_normalise_zh(sbi_pool *p, sbi_str s, sbi_str *out);

/* Equal words get equal numbers 0, 1, 2, ... */
typedef struct sbi_words {
    sbi_str *word; /* by number */
    int32_t *slot; /* number + 1, 0 free */
    int64_t  n_slots, n, most;
} sbi_words;

sb_status sbi_words_init(sbi_pool *p, int64_t most, sbi_words *out); /* at most `most` words */
int32_t   sbi_words_number(sbi_words *w, sbi_str s);                 /* a new word is added */
sb_status sbi_words_map(sbi_pool *p, sbi_words *w, sbi_strs words, int32_t **out);

/* Token F1 of two bags: 0 when they share nothing, also when both are empty. */
sb_status sbi_bag_f1(sbi_pool *p, sbi_strs pred, sbi_strs ref, double *f1);
/* The same over single characters. */
sb_status sbi_chars(sbi_pool *p, sbi_str s, sbi_strs *out);

#endif

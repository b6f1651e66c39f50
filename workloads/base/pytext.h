/* Text as Python sees it: UTF-8 here, code points there; str.strip, lower, replace, format and
 * json.dumps with their exact results.
 *
 * A growing buffer carries a sticky failure: builders append without looking and ask once at the
 * end. */
#ifndef SB_WORKLOADS_BASE_PYTEXT_H
#define SB_WORKLOADS_BASE_PYTEXT_H

#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sbi_text {
    char   *p; /* n bytes and a zero behind them; NULL while nothing was put */
    int64_t n, cap;
    int     failed; /* an allocation failed: nothing is put any more */
} sbi_text;

void        sbi_text_fini(sbi_text *t);
void        sbi_text_reset(sbi_text *t); /* empty, memory kept */
void        sbi_text_put(sbi_text *t, const char *s, int64_t n_bytes);
void        sbi_text_puts(sbi_text *t, const char *s);
void        sbi_text_putc(sbi_text *t, char c);
void        sbi_text_put_i64(sbi_text *t, int64_t v);
const char *sbi_text_str(const sbi_text *t);    /* never NULL */
sb_status   sbi_text_status(const sbi_text *t); /* SB_ERR_NOMEM when a put failed */
char       *sbi_text_take(sbi_text *t);         /* the string, malloc'd; NULL when a put failed */

/* The code point at s[*at], *at moves behind it. s must be valid UTF-8. */
uint32_t sbi_py_next(const char *s, int64_t *at);
/* Offset of the first byte that is not UTF-8 (overlong forms and surrogates are not), -1 when all
 * of it is. */
int64_t sbi_utf8_check(const char *s, int64_t n_bytes);
int64_t sbi_utf8_count(const char *s, int64_t n_bytes); /* code points */
/* Offset in bytes behind the first `n_points` code points, or n_bytes where there are fewer. */
int64_t sbi_utf8_prefix(const char *s, int64_t n_bytes, int64_t n_points);

int sbi_py_isspace(uint32_t c);
int sbi_py_isdigit(uint32_t c); /* \d of re */
int sbi_py_isalpha(uint32_t c); /* [^\W\d] of re: letters, other numbers, underscore */
int sbi_py_isupper(uint32_t c);
int sbi_py_islower(uint32_t c);

/* [*begin, *end) without white space at its ends. */
void sbi_py_strip(const char *s, int64_t *begin, int64_t *end);
/* Append s.lower(). */
void sbi_py_lower(sbi_text *out, const char *s, int64_t n_bytes);
/* Replace every `from` of t by `to`, left to right; `from` is not empty. */
void sbi_py_replace(sbi_text *t, const char *from, const char *to);
/* Append s as json.dumps(s) does: quoted, ASCII only. */
void sbi_py_json(sbi_text *out, const char *s, int64_t n_bytes);

/* The first or last place of `what` in s, -1 when there is none. */
int64_t sbi_text_find(const char *s, int64_t n_bytes, const char *what, int64_t what_bytes);
int64_t sbi_text_rfind(const char *s, int64_t n_bytes, const char *what, int64_t what_bytes);

typedef struct sbi_field {
    const char *name, *value;
    int64_t     n_bytes; /* of value */
    int64_t     at;      /* where the first one was put in out; -1: nowhere */
} sbi_field;

/* Append fmt.format(**fields): {name}, {{ and }}. SB_ERR_USAGE: a name that is not among the
 * fields, a lone brace, a conversion or format specification. */
sb_status sbi_py_format(sbi_text *out, const char *fmt, sbi_field *fields, int n_fields);

#endif

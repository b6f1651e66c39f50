/* The errors of one sweep file: collected while reading goes on, printed together, sorted by place.
 *
 *   PATH:LINE:COL: KEY: found X, allowed Y
 *   --set PATH: KEY: found X, allowed Y        (KEY only where it says more than PATH)
 * Whatever comes from the file is printed on one line, shortened, with control characters escaped.
 */
#ifndef SB_HARNESS_CONFIG_ERRORS_H
#define SB_HARNESS_CONFIG_ERRORS_H

#include "harness/config/pool.h"
#include "harness/config/sweep.h"

enum { SBI_MAX_ERRORS = 1000 }; /* nobody reads more; a file of nothing but errors stays cheap */

typedef struct sbi_pos {
    int32_t set;       /* 0: the file; k: the k-th --set, counted from 1 */
    int32_t line, col; /* from 1; line 0: the file as a whole */
} sbi_pos;

typedef struct sbi_error {
    sbi_pos pos;
    int64_t seq;
    char   *key, *text;
} sbi_error;

/* What one load works on. `keep` lives as long as the sweep, `temp` as long as the load. */
typedef struct sbi_ctx {
    const char         *path;
    const sb_set       *sets;
    int64_t             n_sets;
    const sb_sweep_env *env;
    sbi_pool           *keep;
    sbi_pool            temp;
    sbi_error          *errors;
    int64_t             n_errors, errors_capacity;
    int64_t             n_untold;   /* errors past SBI_MAX_ERRORS */
    int64_t             n_variants; /* combinations of parameters made so far */
    const char         *internal;   /* a fault of ours, not of the file */
} sbi_ctx;

/* Words that may stand in one place. */
typedef struct sbi_names {
    const char **v;
    int64_t      n, capacity;
} sbi_names;

void sbi_names_add(sbi_ctx *c, sbi_names *names, const char *name);
void sbi_names_add_table(sbi_ctx *c, sbi_names *names, const sb_param *table);
void sbi_names_add_range(sbi_ctx *c, sbi_names *names, const char *range); /* "a|b|c" */

void sbi_error_add(sbi_ctx *c, sbi_pos pos, const char *key, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 4, 5)))
#endif
    ;
/* "found FOUND, allowed INTRO a, b, c; did you mean `b`?": the last part where `word` is close to a
 * name. */
void sbi_error_choice(sbi_ctx *c, sbi_pos pos, const char *key, const char *found, const char *word,
                      const char *intro, const sbi_names *names);

/* Keep the thread's error text as our own fault, unless memory ran out. */
void sbi_internal(sbi_ctx *c);

/* Text safe to print: one line, at most 60 bytes. Never NULL. */
const char *sbi_safe(sbi_ctx *c, const char *text);
/* "line 7" or "--set PATH". */
const char *sbi_where(sbi_ctx *c, sbi_pos pos);

/* Sort, drop repeats, write one line each to `out`, and leave their number as error text. out NULL:
 * the text has the first error too. Returns SB_ERR_USAGE. */
sb_status sbi_errors_report(sbi_ctx *c, FILE *out);

/* How the reading of a file ended: SB_OK, no memory, what is wrong in the program, or the errors of
 * the file, reported. what, called: "gate", "defaults". */
sb_status sbi_read_outcome(sbi_ctx *c, const char *what, const char *called, FILE *errors);

#endif

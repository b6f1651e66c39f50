/* Small databases for the tests of results/: facts with defaults, so that a test states only what
 * it is about. All calls fail the running test on an error of the store. */
#ifndef SB_TESTS_UNIT_RESULTS_FACTS_H
#define SB_TESTS_UNIT_RESULTS_FACTS_H

#include "results/store/internal.h"

/* A fresh directory (and sbi_synchronous off from here on), and a path in it (static buffers, four
 * in turn). */
const char *facts_dir(void);
const char *facts_path(const char *dir, const char *name);
void        facts_remove(const char *dir);

sb_store *facts_open(const char *path, sb_store_mode mode);
int64_t   facts_run(sb_store *s, const char *commit, int oversubscribed);

/* Fields left NULL or 0 become: dense {} niah_single, suite probe, 1024 tokens, 1 rank, allgather
 * zigzag, decode method. */
int64_t facts_point(sb_store *s, sb_point_facts f);
void    facts_point_hash(sb_point_facts f, char hash[65]);
/* Row `row` of one data set, two references "A", "B" and a span. */
int64_t facts_input(sb_store *s, int64_t row);
void    facts_input_hash(int64_t row, char hash[65]);

/* An ok sample with that score (binary when 0 or 1), two hits, one timed repetition: attention =
 * ns, prefill = 2 ns. */
sb_sample_facts facts_ok(int64_t run, int64_t point, int64_t input, double score, int64_t ns);
void            facts_put(sb_store *s, const sb_sample_facts *f);

/* One value of a query over a path (its own reading connection). */
double  facts_real(const char *path, const char *sql);
int64_t facts_int(const char *path, const char *sql);
char   *facts_text(const char *path, const char *sql); /* malloc'd; "" for NULL */

#define FACTS_OK(call) ck_assert_msg((call) == SB_OK, "%s: %s", #call, sb_error_text())

#endif

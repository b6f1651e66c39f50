/* What the RULER tests share: hashes, files in a fresh folder, the folder of inputs that
 * tests/golden/ruler_inputs.py fills. */
#ifndef SB_TESTS_RULER_COMMON_H
#define SB_TESTS_RULER_COMMON_H

#include <check.h>
#include <stdint.h>

#include "kernels/base/rng.h"
#include "workloads/base/pytext.h"
#include "workloads/ruler/ruler.h"

#define OFFICIAL_TEXTS "configs/templates/ruler_official/ruler.json"
#define OFFICIAL_CHAT "configs/templates/ruler_official/chat.json"

/* First 16 hex digits of the SHA-256, in a static buffer. */
const char *hash16(const char *s, size_t n);
const char *hash64(const char *s, size_t n);

/* A file of the running test; the path lies in one of four static buffers. */
const char *put_file(const char *name, const char *content, size_t n);
const char *put_text(const char *name, const char *content);
const char *folder(void);
void        folder_set_up(void);
void        folder_tear_down(void);

/* Checked: no error. */
sb_ruler_templates *open_templates(const char *texts, const char *wrapper);
/* The status is wanted and the error holds the text. */
void expect_error(sb_status st, sb_status want, const char *text);

/* wonderwords 2.2.0 where the fixture has them, or NULL. */
sb_ruler_words *open_wonderwords(void);

/* One small damage: a byte changed, a piece cut out or doubled, something from a dictionary of
 * JSON's sore spots put in. */
void mutate(sbi_text *t, sb_rng *r);
/* Rounds of a mutation test: `otherwise`, or what SPAN_FUZZ_ROUNDS says. */
int fuzz_rounds(int otherwise);

int run_suite_of(const char *name, TCase *t); /* exit status */

#endif

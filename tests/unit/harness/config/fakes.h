/* Small registries for the tests of harness/config: they fix names, ranges and defaults, so that
 * expected texts and hashes stay the same whatever the real methods and tasks become. */
#ifndef SB_TESTS_UNIT_CONFIG_FAKES_H
#define SB_TESTS_UNIT_CONFIG_FAKES_H

#include "harness/config/sweep.h"

extern const sb_model_desc fake_models[];
extern const sb_sweep_env  fake_env; /* 2 ranks, auto = cpu */

/* Load text as a file named `name` in a temporary directory; *errors (malloc'd) is what was
 * written, the directory cut away. */
sb_status fake_load(const char *name, const char *text, size_t bytes, const sb_set *sets,
                    int64_t n_sets, char **errors, sb_sweep **out);
/* The same for a text that must be fine. */
sb_sweep *fake_load_good(const char *text, const sb_set *sets, int64_t n_sets);
/* The same for a text that must not; *errors as above, the caller frees it. */
char *fake_load_bad(const char *text, const sb_set *sets, int64_t n_sets);

#endif

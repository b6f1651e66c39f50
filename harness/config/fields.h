/* Reading typed values out of the located tree; every refusal becomes an error in the context. */
#ifndef SB_HARNESS_CONFIG_FIELDS_H
#define SB_HARNESS_CONFIG_FIELDS_H

#include "harness/config/tree.h"

/* "`2`", "nothing", "an empty string", "a list", "a mapping". */
const char *sbi_found(sbi_ctx *c, const sbi_node *n);

/* "found X, allowed WHAT" at n. Silent when n is already known to be bad. */
void sbi_refuse(sbi_ctx *c, const sbi_node *n, const char *allowed);
/* map.key is missing: "found nothing, allowed WHAT" at the mapping. */
void sbi_refuse_missing(sbi_ctx *c, const sbi_node *map, const char *key, const char *allowed);
void sbi_refuse_choice(sbi_ctx *c, const sbi_node *n, const char *intro, const sbi_names *names);
/* n repeats `first`: "found `x` a second time (first on line 7), allowed each once". */
void sbi_refuse_twice(sbi_ctx *c, const sbi_node *n, const sbi_node *first);

/* 1 when n is a mapping, else an error. */
int sbi_is_map(sbi_ctx *c, const sbi_node *n, const char *allowed);
/* The text of a scalar that is not empty, else NULL and an error. */
const char *sbi_word(sbi_ctx *c, const sbi_node *n, const char *allowed);
/* The path that the scalar n names: `~` and `~/x` by HOME, as a shell would. In the keep pool; NULL
 * after an error. */
char *sbi_home_path(sbi_ctx *c, const sbi_node *n);
/* Items of a list; a scalar or mapping counts as a list of one. 0 items: an error was added
 * (nothing, empty list). */
int64_t sbi_items(sbi_ctx *c, sbi_node *n, const char *allowed, sbi_node *const **items);

/* Every key of the mapping must be in names. */
void sbi_check_keys(sbi_ctx *c, const sbi_node *map, const sbi_names *names);

/* Scalar n into the field of `params` that p describes; 1 when it fits. */
int sbi_param_read(sbi_ctx *c, const sbi_node *n, const sb_param *p, void *params);
/* The same for a method's parameter, which may be a file: that is read, hashed and handed to the
 * method (param_file.c). */
int sbi_method_param_read(sbi_ctx *c, const sbi_node *n, const sb_method *m, const sb_param *p,
                          void *params);
/* One value of a kind on its own: the field of p is at offset 0 of *out. Absent (n NULL): the
 * default. */
int sbi_i64_read(sbi_ctx *c, const sbi_node *n, const sb_param *p, int64_t *out);
int sbi_enum_read(sbi_ctx *c, const sbi_node *n, const sb_param *p, int32_t *out);

#endif

/* What the readers of a tokenizer.json ask of a value, and how they refuse one. Errors name the
 * key, what was found and what is allowed. */
#ifndef SB_WORKLOADS_TOKENIZER_JSON_UTIL_H
#define SB_WORKLOADS_TOKENIZER_JSON_UTIL_H

#include <jansson.h>

#include "workloads/tokenizer/vocab.h"

sb_status sbi_json_parse(const char *data, size_t bytes, json_t **out);
/* `where: found ...; allowed`, as status st. */
sb_status sbi_json_refuse(sb_status st, const char *where, const json_t *v, const char *allowed);
sb_status sbi_json_unsupported_type(const char *where, const json_t *v, const char *allowed);
/* names ends with NULL. */
sb_status sbi_json_known_keys(const char *where, const json_t *object, const char *const *names);
/* Key is absent, null, or exactly what is wanted. */
sb_status sbi_json_want_bool(const char *where, const json_t *object, const char *key, int want);
/* *out stays where the key is absent or null. */
sb_status sbi_json_read_bool(const char *where, const json_t *object, const char *key, int *out);
int       sbi_json_is_type(const json_t *v, const char *type); /* an object of this "type" */
int       sbi_json_is_string(const json_t *v, const char *text);

int       sbi_json_is_sp(const json_t *root); /* blanks become U+2581 somewhere */
sb_status sbi_json_read_sp(const json_t *root, sb_tok *t);
/* normalizer, pre_tokenizer and decoder -> t->nfc, t->sp and the splitter; then, with the tokens
 * known, post_processor -> BOS. */
sb_status sbi_json_read_pipeline(const json_t *root, sb_tok *t, const sbi_split **split);
sb_status sbi_json_read_post_processor(const json_t *v, sb_tok *t);

#endif

/* What names.c and names_json.c share. */
#ifndef SB_RESULTS_STORE_NAMES_TEXT_H
#define SB_RESULTS_STORE_NAMES_TEXT_H

#include <sqlite3.h>

#include "results/store/names.h"

/* Bytes of the pseudonym with a number that stands at p, 0 when none does. */
size_t sbi_pseudonym_at(const char *p, sbi_name_kind *kind, int64_t *number);
/* The same of a hidden path of a fact, with a file's name behind it or without. */
size_t sbi_hidden_path_at(const char *p);
/* A name into the table when it is new. *number: 0 for the next free one, or one to share; gives
 * the name's number. */
sb_status sbi_name_add(sbi_naming *t, sbi_name_kind kind, const char *text, size_t n, int spread,
                       int64_t *number);
/* Append the pseudonym of n bytes that are one name; nothing and a pseudonym stay. */
sb_status sbi_name_whole(sbi_naming *t, sbi_name_kind kind, const char *text, size_t n, int spread,
                         sqlite3_str *out);
size_t    sbi_word_at(const char *p); /* bytes of the word at p; 0: a separator */
sb_status sbi_plain_replace(sbi_naming *t, const char *text, sqlite3_str *out);
sb_status sbi_plain_collect(sbi_naming *t, const char *text);

#endif

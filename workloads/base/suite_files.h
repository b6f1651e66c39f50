/* What suites that read a user's files need around the files: where they lie, and texts (prompts)
 * as data. */
#ifndef SB_WORKLOADS_BASE_SUITE_FILES_H
#define SB_WORKLOADS_BASE_SUITE_FILES_H

#include <jansson.h>
#include <stddef.h>

#include "kernels/base/status.h"
#include "workloads/base/text_suite.h"

/* The path that a request gives for the key called `name`; NULL: none. */
const char *sbi_req_path(const sb_text_req *req, const char *name);

/* Where the file of a task lies. data: that file itself, or a folder that holds one of the names
 * (NULL ends them), tried in order. *path is malloc'd. SB_ERR_UNSUPPORTED: data is NULL; SB_ERR_IO:
 * there is no such thing. */
sb_status sbi_data_find(const char *suite, const char *data, const char *const *names, char **path);

/* Texts: a JSON object of strings. path NULL: those built in, from configs/templates. */
typedef struct sbi_built_in {
    const char *name; /* in errors: "the built-in longbench.json" */
    const char *bytes;
    size_t      n;
} sbi_built_in;
sb_status sbi_texts_open(const char *path, const sbi_built_in *otherwise, json_t **root);
/* A text file as the text `key` of an object; line ends become line feeds, as Python reads them. */
sb_status sbi_texts_open_plain(const char *path, const char *key, json_t **root);
int       sbi_is_folder(const char *path);

/* The text under `key`, checked as a str.format template: all of `must` are in it, and nothing but
 * them and `may` (each ends with a NULL). SB_ERR_USAGE names file and key. The text lives as long
 * as the object. */
sb_status sbi_texts_find(const json_t *root, const char *file, const char *key,
                         const char *const *must, const char *const *may, const char **text);

enum { SBI_TEXT_FIELDS_MOST = 12 }; /* of must and may together */

#endif

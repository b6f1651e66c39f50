/* RULER's texts as data: one JSON file with the texts of the five generators, one with chat
 * wrappers [workloads 1.10].
 *
 *   {"needle": "...{type_needle_v}...{key}...{value}...", "haystack_noise": "...",
 * "document_prompt": "Document {i}:\n{document}", "tasks": {"niah": {"template": "...",
 * "answer_prefix": " ...", "tokens_to_generate": 128}, "variable_tracking": ...,
 * "common_words_extraction": ..., "freq_words_extraction": ..., "qa": ...}}
 *   {"base": "{task_template}", "NAME": "...{task_template}...", ...}
 *
 * Placeholders are those of Python's str.format; {{ and }} are literal braces. */
#ifndef SB_WORKLOADS_RULER_TEMPLATE_H
#define SB_WORKLOADS_RULER_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef enum sb_ruler_generator {
    SB_RULER_NIAH,
    SB_RULER_VT,
    SB_RULER_CWE,
    SB_RULER_FWE,
    SB_RULER_QA,
    SB_RULER_GENERATORS
} sb_ruler_generator;

typedef struct sb_ruler_text {
    char   *task;          /* with its placeholders */
    char   *answer_prefix; /* starts with one blank */
    int64_t gen_tokens;
} sb_ruler_text;

typedef struct sb_ruler_templates {
    char         *needle, *haystack_noise, *document_prompt;
    sb_ruler_text text[SB_RULER_GENERATORS];
    char         *wrapper_name, *wrapper; /* one {task_template} */
    char          sha256[65];             /* over all of the above except wrapper and its name */
    char          wrapper_sha256[65];
} sb_ruler_templates;

/* texts: the first file, wrappers: the second; NULL: what configs/templates/ruler.json and
 * chat.json held when the library was built. wrapper: a name among the wrappers, "base"
 * ({task_template} alone) when NULL. SB_ERR_USAGE names file and field: not there, not a string, a
 * placeholder missing or unknown, an answer prefix that starts with no blank or whose first 10
 * characters (by which prompts are cut) hold a placeholder, a wrapper without its one
 * {task_template}. */
sb_status sb_ruler_templates_open(const char *texts, const char *wrappers, const char *wrapper,
                                  sb_ruler_templates **out);
/* The same from memory; `name` stands in errors. */
sb_status sb_ruler_templates_open_bytes(const char *name, const void *texts, size_t texts_bytes,
                                        const void *wrappers, size_t wrappers_bytes,
                                        const char *wrapper, sb_ruler_templates **out);
void      sb_ruler_templates_close(sb_ruler_templates *t);

/* The two files as built in, generated; no zero behind them. */
extern const char   sbi_ruler_texts[], sbi_ruler_chat[];
extern const size_t sbi_ruler_texts_bytes, sbi_ruler_chat_bytes;

/* The name of a generator in the file: "niah", "variable_tracking", ... */
const char *sb_ruler_generator_name(sb_ruler_generator g);

#endif

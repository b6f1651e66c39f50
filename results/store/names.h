/* Names of people and places, and the pseudonyms that stand for them: host-1, user-1, path-1 ...
 * One table serves a whole `db anonymize`, so that a name has the same pseudonym wherever it
 * stands. */
#ifndef SB_RESULTS_STORE_NAMES_H
#define SB_RESULTS_STORE_NAMES_H

#include <stdint.h>

#include "kernels/base/status.h"

typedef enum sbi_name_kind {
    SBI_HOST,
    SBI_HOSTS, /* a list of them in Slurm's short form */
    SBI_USER,
    SBI_PATH,
    SBI_GPU,
    SBI_JOB,
    SBI_ACCOUNT,
    SBI_PARTITION,
    SBI_CLUSTER,
    SBI_NAME, /* of anything else: a job, a reservation */
    SBI_NAME_KINDS
} sbi_name_kind;

typedef struct sbi_name {
    sbi_name_kind kind;
    char         *text;
    int64_t       number;
    int           spread; /* 1: replaced wherever a text has it as a word */
} sbi_name;

typedef struct sbi_naming {
    sbi_name *at;
    int64_t   n, room;
    int64_t   last[SBI_NAME_KINDS]; /* highest number given, or found in the texts */
} sbi_naming;

const char *sbi_name_word(sbi_name_kind kind); /* "host" */
void        sbi_naming_fini(sbi_naming *t);

/* What a column's text is, which says what in it is a name. */
typedef enum sbi_text_kind {
    SBI_TEXT_PLAIN, /* a command, a message, a file of settings: words, or JSON */
    SBI_TEXT_HOSTS, /* JSON list of hosts */
    SBI_TEXT_ENV,   /* JSON object of variables */
    SBI_TEXT_PATH,  /* all of it is a path */
    SBI_TEXT_FACT,  /* identity: a text or JSON in which only paths are names */
    SBI_TEXT_MODEL  /* the same; of a path the file's name is kept */
} sbi_text_kind;

/* First over all texts: the numbers of pseudonyms that they have already are taken. */
void sbi_naming_reserve(sbi_naming *t, const char *text);
/* Then over all texts: names that hosts, environment and home directories tell, into the table. */
sb_status sbi_naming_collect(sbi_naming *t, sbi_text_kind kind, const char *text);
/* Last. *out: the text with pseudonyms in place of names, malloc'd. What is a pseudonym already
 * stays. */
sb_status sbi_naming_replace(sbi_naming *t, sbi_text_kind kind, const char *text, char **out);

/* Of SBI_TEXT_FACT and SBI_TEXT_MODEL the pseudonym is made of the path's hash and needs no table,
 * so that points of several files stay apart: path-0123456789ab. 1: the text has such a one, and
 * the hash of a point is that of the text before. */
int sbi_has_hidden_path(const char *text);

#endif

/* A small world that is simulated: people go to places, take things along and put them down. What
 * happens becomes sentences, what is so at the end a question with one answer [workloads 3, 4]. Our
 * own: the kinds of questions are those of bAbI's first three tasks, no sentence is. */
#ifndef SB_WORKLOADS_BABI_LIKE_FACTS_H
#define SB_WORKLOADS_BABI_LIKE_FACTS_H

#include <stdint.h>

#include "kernels/base/rng.h"

enum { SBI_FACTS_MOST = 64, SBI_FACT_BYTES = 64 };

typedef enum sbi_fact_kind {
    SBI_ASK_PERSON, /* where is somebody: the last place they went to */
    SBI_ASK_THING,  /* where is a thing: where it was put down, or where who has it is */
    SBI_ASK_BEFORE  /* where was a thing before the place where it is */
} sbi_fact_kind;

typedef struct sbi_facts {
    char        text[SBI_FACTS_MOST][SBI_FACT_BYTES]; /* in order of time */
    int         supports[SBI_FACTS_MOST]; /* 1: the answer is not known without this one */
    int         n;
    char        question[SBI_FACT_BYTES];
    const char *answer;
} sbi_facts;

/* n facts, from 8 to SBI_FACTS_MOST. */
void sbi_facts_make(sbi_fact_kind kind, int n, sb_rng rng, sbi_facts *out);

#endif

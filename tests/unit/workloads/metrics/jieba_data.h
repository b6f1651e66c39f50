/* A dictionary and a model of a few lines in a temporary folder. */
#ifndef SB_TESTS_METRICS_JIEBA_DATA_H
#define SB_TESTS_METRICS_JIEBA_DATA_H

/* A = U+7532, B = U+4E59, C = U+4E19, D = U+4E01 stand for any characters. */
#define A "\xe7\x94\xb2"
#define B "\xe4\xb9\x99"
#define C "\xe4\xb8\x99"
#define D "\xe4\xb8\x81"

/* dict.txt, then finalseg's start, trans, emit. */
extern const char *const jieba_data_good[4];
extern char              jieba_data_folder[128];

void jieba_data_make(void);                     /* the folder, empty */
void jieba_data_write(const char *const *text); /* NULL: no such file */
void jieba_data_remove(void);

#endif

/* Texts of unknown content as parts of a bash script. */
#ifndef SB_HARNESS_BATCH_QUOTE_H
#define SB_HARNESS_BATCH_QUOTE_H

#include <stdio.h>

/* One word of the shell that means exactly `text`: as it is where that is safe, else in single
 * quotes. */
void sbi_quote_word(const char *text, FILE *out);
/* The same, but $NAME and ${NAME} are the job's variables, which must be set then; nothing else of
 * the text is special. */
void sbi_quote_path(const char *text, FILE *out);
/* One value of an #SBATCH line, as sbatch reads it: in double quotes where it must be, and % that
 * sbatch would replace doubled. */
void sbi_quote_sbatch(const char *text, FILE *out);
/* The file `folder` + `pattern` there; % of the pattern is sbatch's. */
void sbi_quote_log(const char *folder, const char *pattern, FILE *out);
/* For comments and names of jobs: letters, digits and _.,+=:- stay, everything else becomes _. */
void sbi_quote_name(const char *text, FILE *out);

#endif

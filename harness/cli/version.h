/* What was built, of what. */
#ifndef SB_HARNESS_CLI_VERSION_H
#define SB_HARNESS_CLI_VERSION_H

#include <stddef.h>
#include <stdio.h>

const char *sb_version_text(void); /* "0.1.0" */
const char      *
sb_version_commit(void); /* "1a2b3c4d5e6f", "-dirty" behind it when tracked files differ */
void sb_version_json(char *buf, size_t n);
void sb_version_print(FILE *out); /* spanbench --version */

#endif

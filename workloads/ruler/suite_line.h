#ifndef SB_WORKLOADS_RULER_SUITE_LINE_H
#define SB_WORKLOADS_RULER_SUITE_LINE_H

#include "workloads/base/text_suite.h"

/* The member `line` of the suite ruler. */
sb_status sbi_ruler_suite_line(const sb_text_set *set, const sb_text_row *r, char **line);

#endif

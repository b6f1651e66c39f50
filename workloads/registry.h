/* Every task spanbench can generate and score, every suite of questions as text, and every
 * distribution of operands it can draw. */
#ifndef SB_WORKLOADS_REGISTRY_H
#define SB_WORKLOADS_REGISTRY_H

#include "workloads/base/operands.h"
#include "workloads/base/task.h"
#include "workloads/base/text_suite.h"

extern const sb_task *const sb_tasks[]; /* NULL-terminated, grouped by suite */

const sb_task *sb_task_find(const char *suite, const char *name); /* NULL when unknown */
int            sb_suite_exists(const char *suite);

extern const sb_text_suite *const sb_text_suites[]; /* NULL-terminated */

const sb_text_suite *sb_text_suite_find(const char *name); /* NULL when unknown */
const sb_text_task  *sb_text_task_find(const sb_text_suite *suite, const char *name);

extern const sb_distribution *const sb_distributions[]; /* NULL-terminated */

const sb_distribution *sb_distribution_find(const char *name); /* NULL when unknown */

#endif

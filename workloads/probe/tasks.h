/* What each task adds to the shared context: its question. One build function a task, and the
 * fewest tokens of context (without the question block) that each kind of context needs. */
#ifndef SB_WORKLOADS_PROBE_TASKS_H
#define SB_WORKLOADS_PROBE_TASKS_H

#include "workloads/probe/draft.h"

#define SB_PROBE_CWE_WORDS 10 /* common words asked for */
#define SB_PROBE_FWE_WORDS 3  /* ranks asked for */

int64_t sb_probe_need_haystack(const sb_probe_task_params *p); /* haystack.c */
int64_t sb_probe_need_cwe(const sb_probe_task_params *p);      /* aggregate.c; saturates at 2^62 */
int64_t sb_probe_need_fwe(const sb_probe_task_params *p);

/* needle.c: one item, found by its key */
sb_status sb_probe_build_niah_single(sb_draft *d);
sb_status sb_probe_build_niah_multikey(sb_draft *d);
sb_status sb_probe_build_niah_multivalue(sb_draft *d);
sb_status sb_probe_build_niah_multiquery(sb_draft *d);
/* hops.c: items that lead from one to the next */
sb_status sb_probe_build_vt(sb_draft *d);
sb_status sb_probe_build_qa_2hop(sb_draft *d);
/* aggregate.c: counting words */
sb_status sb_probe_build_cwe(sb_draft *d);
sb_status sb_probe_build_fwe(sb_draft *d);

#endif

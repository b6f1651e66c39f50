/* The lists of tasks, text suites and distributions: one line each. */
#include "workloads/registry.h"

#include <string.h>

#include "workloads/babi_like/suite.h"
#include "workloads/babilong/suite.h"
#include "workloads/helmet/suite.h"
#include "workloads/infinitebench/infinitebench.h"
#include "workloads/jsonl/suite.h"
#include "workloads/kvpress/suite.h"
#include "workloads/longbench/longbench.h"
#include "workloads/niah/suite.h"
#include "workloads/probe/probe.h"
#include "workloads/random_ids/suite.h"
#include "workloads/ruler/suite.h"
#include "workloads/synthetic/synthetic.h"

const sb_task *const sb_tasks[] = {
    &sb_probe_niah_single,
    &sb_probe_niah_multikey,
    &sb_probe_niah_multivalue,
    &sb_probe_niah_multiquery,
    &sb_probe_vt,
    &sb_probe_qa_2hop,
    &sb_probe_cwe,
    &sb_probe_fwe,
    NULL,
};

const sb_task *sb_task_find(const char *suite, const char *name)
{
    for (const sb_task *const *t = sb_tasks; *t != NULL; t++)
        if (strcmp((*t)->suite, suite) == 0 && strcmp((*t)->name, name) == 0)
            return *t;
    return NULL;
}

int sb_suite_exists(const char *suite)
{
    for (const sb_task *const *t = sb_tasks; *t != NULL; t++)
        if (strcmp((*t)->suite, suite) == 0)
            return 1;
    return 0;
}

const sb_text_suite *const sb_text_suites[] = {
    &sb_longbench_suite,
    &sb_longbench_e_suite,
    &sb_longbench_v2_suite,
    &sb_infinitebench_suite,
    &sb_infinitebench_synth_suite,
    &sb_ruler_suite,
    &sb_jsonl_suite,
    &sb_niah_suite,
    &sb_babilong_suite,
    &sb_babi_like_suite,
    &sb_kvpress_suite,
    &sb_helmet_suite,
    &sb_random_ids_suite,
    NULL,
};

const sb_text_suite *sb_text_suite_find(const char *name)
{
    for (const sb_text_suite *const *s = sb_text_suites; *s != NULL; s++)
        if (strcmp((*s)->name, name) == 0)
            return *s;
    return NULL;
}

const sb_text_task *sb_text_task_find(const sb_text_suite *suite, const char *name)
{
    for (const sb_text_task *t = suite->tasks; t->name != NULL; t++)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

const sb_distribution *const sb_distributions[] = {
    &sb_synthetic_random,
    &sb_synthetic_structured,
    &sb_synthetic_clustered,
    &sb_synthetic_needle,
    NULL,
};

const sb_distribution *sb_distribution_find(const char *name)
{
    for (const sb_distribution *const *d = sb_distributions; *d != NULL; d++)
        if (strcmp((*d)->name, name) == 0)
            return *d;
    return NULL;
}

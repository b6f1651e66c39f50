/* The machines that the program knows by name. */
#include <string.h>

#include "harness/plan/machine_files.h"
#include "harness/plan/plan.h"

static const struct known {
    const char   *name, *text, *processor;
    sb_backend_id backend;
} known[] = {
    {"h100", sbi_machine_h100, "H100", SB_CUDA},
    {"epyc_milan", sbi_machine_epyc_milan, "EPYC", SB_CPU},
};
enum { N_KNOWN = sizeof known / sizeof *known };

const char *const *sb_plan_machine_names(void)
{
    static const char *names[N_KNOWN + 1];
    for (int i = 0; i < N_KNOWN; i++)
        names[i] = known[i].name;
    return names;
}

static sb_status unknown(const char *name)
{
    char   list[256] = "";
    size_t at        = 0;
    for (int i = 0; i < N_KNOWN && at < sizeof list; i++)
        at +=
            (size_t)snprintf(list + at, sizeof list - at, "%s%s", i > 0 ? ", " : "", known[i].name);
    return sb_fail(SB_ERR_USAGE, "machine: found `%s`, allowed %s, or a path that ends in .yaml",
                   name, list);
}

sb_status sb_plan_machine(const char *name, FILE *errors, sb_machine **out)
{
    size_t n = strlen(name);
    if (n > 5 && strcmp(name + n - 5, ".yaml") == 0)
        return sb_machine_load(name, errors, out);
    for (int i = 0; i < N_KNOWN; i++)
        if (strcmp(known[i].name, name) == 0)
            return sb_machine_parse(name, known[i].text, strlen(known[i].text), errors, out);
    return unknown(name);
}

const char *sb_plan_machine_default(sb_backend_id backend, const char *processor)
{
    const char *first = NULL;
    for (int i = 0; i < N_KNOWN; i++) {
        if (known[i].backend != backend)
            continue;
        if (processor != NULL && strstr(processor, known[i].processor) != NULL)
            return known[i].name;
        first = first == NULL ? known[i].name : first;
    }
    return first == NULL ? known[0].name : first;
}

#include "harness/run/binding.h"

#include <ctype.h>
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *sb_binding_sys = "/sys";

/* ---- lists ---- */

static void append(char *list, size_t bytes, const char *item)
{
    size_t n = strlen(list), m = strlen(item);
    if (n + m + 2 > bytes) /* a shorter list is still one */
        return;
    if (n > 0)
        list[n++] = ',';
    memcpy(list + n, item, m + 1);
}

/* "0-7,64-71" of a set; what does not fit is left out. */
static void list_cpus(const cpu_set_t *set, char *out, size_t bytes)
{
    out[0] = '\0';
    for (size_t c = 0; c < CPU_SETSIZE; c++) {
        char   item[32];
        size_t last = c;
        if (!CPU_ISSET(c, set))
            continue;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
            last++;
        (void)snprintf(item, sizeof item, last > c ? "%zu-%zu" : "%zu", c, last);
        append(out, bytes, item);
        c = last;
    }
}

/* Does a list of sysfs ("0-7,64-71") name a core of the set? */
static int meets(const char *list, const cpu_set_t *set)
{
    while (isdigit((unsigned char)*list)) {
        char *end;
        long  from = strtol(list, &end, 10), to = from;
        if (*end == '-')
            to = strtol(end + 1, &end, 10);
        for (long c = from; c <= to && c < CPU_SETSIZE; c++)
            if (CPU_ISSET((size_t)c, set))
                return 1;
        list = *end == ',' ? end + 1 : end;
    }
    return 0;
}

/* ---- sysfs ---- */

static int read_line(const char *path, char *out, size_t bytes)
{
    FILE *f  = fopen(path, "r");
    int   ok = f != NULL && fgets(out, (int)bytes, f) != NULL;
    if (f != NULL)
        (void)fclose(f);
    return ok;
}

static int is_shown(const struct dirent *e) { return e->d_name[0] != '.'; }

/* Node n's cores are in node/node<n>/cpulist. */
static void find_numa(const cpu_set_t *set, char *out, size_t bytes)
{
    char            dir[256], path[600], list[1024];
    struct dirent **e;
    (void)snprintf(dir, sizeof dir, "%s/devices/system/node", sb_binding_sys);
    int n  = scandir(dir, &e, is_shown, versionsort);
    out[0] = '\0';
    for (int i = 0; i < n; i++) {
        (void)snprintf(path, sizeof path, "%s/%s/cpulist", dir, e[i]->d_name);
        if (strncmp(e[i]->d_name, "node", 4) == 0 && read_line(path, list, sizeof list) &&
            meets(list, set))
            append(out, bytes, e[i]->d_name + 4);
        free(e[i]);
    }
    if (n >= 0)
        free(e);
    if (out[0] == '\0')
        (void)snprintf(out, bytes, "?");
}

static int holds(const char *list, long item)
{
    char *end;
    for (; isdigit((unsigned char)*list); list = *end == ',' ? end + 1 : end)
        if (strtol(list, &end, 10) == item)
            return 1;
    return 0;
}

/* Adapters of a class that are devices (no bridge, no loopback). */
static void find_nics_of(const char *kind, const char *numa, char *near, char *all, size_t bytes)
{
    char            dir[256], path[600], node[32];
    struct dirent **e;
    (void)snprintf(dir, sizeof dir, "%s/class/%s", sb_binding_sys, kind);
    int n = scandir(dir, &e, is_shown, versionsort);
    for (int i = 0; i < n; i++) {
        (void)snprintf(path, sizeof path, "%s/%s/device", dir, e[i]->d_name);
        if (access(path, F_OK) == 0) {
            append(all, bytes, e[i]->d_name);
            (void)snprintf(path, sizeof path, "%s/%s/device/numa_node", dir, e[i]->d_name);
            if (read_line(path, node, sizeof node) && holds(numa, strtol(node, NULL, 10)))
                append(near, bytes, e[i]->d_name);
        }
        free(e[i]);
    }
    if (n >= 0)
        free(e);
}

/* InfiniBand and RoCE where there are any: what MPI and NCCL use. */
static void find_nics(const char *numa, char *out, size_t bytes)
{
    static const char *const kinds[] = {"infiniband", "net"};
    for (int i = 0; i < 2; i++) {
        char near[128] = "", all[128] = "";
        find_nics_of(kinds[i], numa, near, all, sizeof near);
        (void)snprintf(out, bytes, "%s", near[0] != '\0' ? near : all);
        if (out[0] != '\0')
            return;
    }
}

/* ---- ranks ---- */

static sb_status mine(const sb_backend *b, sb_binding *out)
{
    cpu_set_t       set;
    sb_device_facts f  = {0};
    sb_status       st = b->facts(&f);
    if (st != SB_OK)
        return st;
    *out = (sb_binding){.device_bytes = f.memory_bytes};
    CPU_ZERO(&set);
    (void)sched_getaffinity(0, sizeof set, &set);
    (void)gethostname(out->host, sizeof out->host - 1);
    list_cpus(&set, out->cpus, sizeof out->cpus);
    find_numa(&set, out->numa, sizeof out->numa);
    find_nics(out->numa, out->nics, sizeof out->nics);
    memcpy(out->device, f.name, sizeof out->device);
    memcpy(out->uuid, f.uuid, sizeof out->uuid);
    return SB_OK;
}

sb_status sb_binding_gather(sb_comm *comm, const sb_backend *b, sb_binding **all)
{
    size_t      n    = (size_t)comm->size;
    sb_binding *list = calloc(n, sizeof *list);
    int64_t    *at   = calloc(2 * n, sizeof *at);
    sb_status   st   = SB_OK;
    if (list == NULL || at == NULL)
        st = sb_fail(SB_ERR_NOMEM, "binding: no memory for %d ranks", comm->size);
    else
        st = mine(b, &list[comm->rank]);
    if ((st = sb_comm_agree(comm, st)) == SB_OK) {
        for (size_t r = 0; r < n; r++) {
            at[r]     = (int64_t)sizeof *list;
            at[n + r] = (int64_t)(r * sizeof *list);
        }
        st = sb_comm_allgatherv(comm, &list[comm->rank], list, at, at + n);
    }
    free(at);
    if (st != SB_OK) {
        free(list);
        return st;
    }
    *all = list;
    return SB_OK;
}

sb_status sb_binding_same_devices(const sb_binding *all, int32_t n)
{
    for (int32_t r = 1; r < n; r++)
        if (strcmp(all[r].device, all[0].device) != 0 || all[r].device_bytes != all[0].device_bytes)
            return sb_fail(
                SB_ERR_USAGE,
                "devices: found `%s` (%.1f GiB) on rank 0 and `%s` (%.1f GiB) on rank %d of %s, "
                "allowed one kind; with --mixed-devices the run is flagged",
                all[0].device, (double)all[0].device_bytes / 0x1p30, all[r].device,
                (double)all[r].device_bytes / 0x1p30, r, all[r].host);
    return SB_OK;
}

void sb_binding_text(const sb_binding *b, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "cpus %s numa %s device %s%s%s nic %s", b->cpus, b->numa,
                   b->device[0] != '\0' ? b->device : "none", b->uuid[0] != '\0' ? " uuid " : "",
                   b->uuid, b->nics[0] != '\0' ? b->nics : "none");
}

#include "harness/cli/version.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <string.h>
#include <xxhash.h>

#include "harness/comm/comms.h"
#include "harness/config/sweep.h"
#include "harness/score/score.h"
#include "results/store/store.h"
#include "spanbench_build.h"
#include "spanbench_commit.h"
#include "workloads/tokenizer/tokenizer.h"

const char *sb_version_text(void) { return SB_VERSION; }

const char *sb_version_commit(void) { return SB_COMMIT; }

/* name, version: libraries as they are at run time where they can say so. */
typedef struct library {
    const char *name;
    char        version[96];
} library;

enum { N_LIBRARIES = 9 };

static void libraries(library *l)
{
    unsigned x = XXH_versionNumber();
    for (int i = 0; i < N_LIBRARIES; i++)
        l[i] = (library){0};
    l[0].name = "mpi";
    sb_mpi_version(l[0].version, sizeof l[0].version);
    l[1].name = "sqlite";
    (void)snprintf(l[1].version, sizeof l[1].version, "%s", sb_store_library_version());
    l[2].name = "libyaml";
    (void)snprintf(l[2].version, sizeof l[2].version, "%s", sb_sweep_library_version());
    l[3].name = "jansson";
    (void)snprintf(l[3].version, sizeof l[3].version, "%s", jansson_version_str());
    l[4].name = "openssl";
    (void)snprintf(l[4].version, sizeof l[4].version, "%s",
                   OpenSSL_version(OPENSSL_VERSION_STRING));
    l[5].name = "xxhash";
    (void)snprintf(l[5].version, sizeof l[5].version, "%u.%u.%u", x / 10000, x / 100 % 100,
                   x % 100);
    l[6].name = "pcre2"; /* its Unicode tables, and utf8proc's, decide how text is split */
    sb_tok_pcre2_version(l[6].version, sizeof l[6].version);
    l[7].name = "utf8proc";
    (void)snprintf(l[7].version, sizeof l[7].version, "%s", sb_tok_utf8proc_version());
    l[8].name = "libcsv";
    (void)snprintf(l[8].version, sizeof l[8].version, "%s", sb_score_csv_version());
}

void sb_version_json(char *buf, size_t n)
{
    library l[N_LIBRARIES];
    json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "compiler", SB_COMPILER, "flags", SB_BUILD_FLAGS,
                          "target", SB_TARGET, "cuda", SB_CUDA_BUILD_VERSION);
    libraries(l);
    for (int i = 0; i < N_LIBRARIES; i++)
        (void)json_object_set_new(o, l[i].name, json_string(l[i].version));
    size_t used              = json_dumpb(o, buf, n - 1, JSON_COMPACT | JSON_SORT_KEYS);
    buf[used < n ? used : 0] = '\0';
    json_decref(o);
}

void sb_version_print(FILE *out)
{
    library l[N_LIBRARIES];
    libraries(l);
    (void)fprintf(
        out, "spanbench %s\ncommit    %s\ncompiler  %s\nflags     %s\ntarget    %s\ncuda      %s\n",
        SB_VERSION, SB_COMMIT, SB_COMPILER, SB_BUILD_FLAGS, SB_TARGET,
        SB_CUDA_BUILD_VERSION[0] != '\0' ? SB_CUDA_BUILD_VERSION : "not built in");
    for (int i = 0; i < N_LIBRARIES; i++)
        (void)fprintf(out, "%-9s %s\n", l[i].name, l[i].version);
}

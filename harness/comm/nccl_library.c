#include "harness/comm/nccl_library.h"

#include "kernels/base/library.h"

static const char NAME[] = "libnccl.so.2";
enum { OLDEST = 21800, MAJOR_STEP = 10000 };

const sbi_nccl *sbi_nccl_open(void)
{
    static sbi_nccl table;
    static int      is_open;
    if (is_open)
        return &table;
    void *library = NULL;
    if (sb_library_open("nccl", NAME, &library) != SB_OK)
        return NULL;
#define SBI_NCCL_RESOLVE(name)                                                                     \
    if (sb_library_find("nccl", NAME, library, "nccl" #name, &table.name) != SB_OK)                \
        return NULL;
    SBI_NCCL_CALLS(SBI_NCCL_RESOLVE)
#undef SBI_NCCL_RESOLVE
    if (table.GetVersion(&table.version) != ncclSuccess || table.version < OLDEST ||
        table.version / MAJOR_STEP != NCCL_MAJOR) {
        (void)sb_fail(SB_ERR_UNSUPPORTED, "nccl: found version %d.%d.%d, allowed %d.18 and newer",
                      table.version / MAJOR_STEP, table.version / 100 % 100, table.version % 100,
                      NCCL_MAJOR);
        return NULL;
    }
    is_open = 1;
    return &table;
}

sb_status sbi_nccl_status(const sbi_nccl *lib, ncclResult_t r, ncclComm_t comm, const char *what)
{
    if (r == ncclSuccess || r == ncclInProgress)
        return SB_OK;
    const char *more = lib->GetLastError(comm);
    return sb_fail(SB_ERR_COMM, "nccl: %s: %s%s%.200s", what, lib->GetErrorString(r),
                   more != NULL && more[0] != '\0' ? ": " : "", more != NULL ? more : "");
}

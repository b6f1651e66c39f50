/* What NVML tells about the current CUDA device: clocks, power, who else is on it. NVML comes with
 * the driver and is opened at run time; its few calls used here are declared by hand, because
 * nvml.h is not always installed beside the toolkit. Their layouts are NVML's published C API. */
#include <cuda_runtime.h>

#include <dlfcn.h>
#include <unistd.h>

#include <cstring>

#include "kernels/backend/cuda_parts.h"

namespace
{
typedef struct nvmlDevice *device_handle;

enum {
    NVML_OK                = 0,
    NVML_INSUFFICIENT_SIZE = 7,
    CLOCK_SM               = 1,
    CLOCK_MEMORY           = 2,
    TEMPERATURE_GPU        = 0
};
enum { MAX_PROCESSES = 64 };

struct process {
    unsigned           pid;
    unsigned long long used_bytes;
    unsigned           gpu_instance, compute_instance;
};

/* name, type of the call */
#define CALLS(X)                                                                                   \
    X(init, "nvmlInit_v2", int (*)(void))                                                          \
    X(text, "nvmlErrorString", const char *(*)(int))                                               \
    X(by_bus, "nvmlDeviceGetHandleByPciBusId_v2", int (*)(const char *, device_handle *))          \
    X(clock, "nvmlDeviceGetClockInfo", int (*)(device_handle, int, unsigned *))                    \
    X(power, "nvmlDeviceGetPowerUsage", int (*)(device_handle, unsigned *))                        \
    X(limit, "nvmlDeviceGetEnforcedPowerLimit", int (*)(device_handle, unsigned *))                \
    X(temperature, "nvmlDeviceGetTemperature", int (*)(device_handle, int, unsigned *))            \
    X(reasons, "nvmlDeviceGetCurrentClocksThrottleReasons",                                        \
      int (*)(device_handle, unsigned long long *))                                                \
    X(ecc, "nvmlDeviceGetEccMode", int (*)(device_handle, int *, int *))                           \
    X(mig, "nvmlDeviceGetMigMode", int (*)(device_handle, unsigned *, unsigned *))                 \
    X(energy, "nvmlDeviceGetTotalEnergyConsumption", int (*)(device_handle, unsigned long long *)) \
    X(processes, "nvmlDeviceGetComputeRunningProcesses_v3",                                        \
      int (*)(device_handle, unsigned *, process *))

struct library {
#define FIELD(name, symbol, type) __typeof__(static_cast<type>(nullptr)) name;
    CALLS(FIELD)
#undef FIELD
};

sb_status open_library(library *out)
{
    void *h = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (h == nullptr)
        return sb_fail(SB_ERR_UNSUPPORTED, "nvml: %s", dlerror());
    int r;
#define RESOLVE(name, symbol, type)                                                                \
    if ((out->name = reinterpret_cast<type>(dlsym(h, symbol))) == nullptr)                         \
        return sb_fail(SB_ERR_UNSUPPORTED, "nvml: libnvidia-ml.so.1 has no %s", symbol);
    CALLS(RESOLVE)
#undef RESOLVE
    if ((r = out->init()) != NVML_OK)
        return sb_fail(SB_ERR_UNSUPPORTED, "nvml: %s", out->text(r));
    return SB_OK;
}

/* Processes on the device but ours; -1 where NVML does not tell. */
int others_on(const library *l, device_handle d)
{
    process  list[MAX_PROCESSES];
    unsigned n      = MAX_PROCESSES;
    int      others = 0, r = l->processes(d, &n, list);
    if (r == NVML_INSUFFICIENT_SIZE)
        return static_cast<int>(n);
    if (r != NVML_OK)
        return -1;
    for (unsigned i = 0; i < n; i++)
        others += list[i].pid != static_cast<unsigned>(getpid());
    return others;
}
} // namespace

extern "C" sb_status sbi_state_cuda(sb_device_state *out)
{
    static library     lib;
    static int         is_open;
    int                device = 0, now = 0, later = 0, r;
    unsigned           v, w;
    char               bus[32];
    device_handle      d = nullptr;
    unsigned long long u;
    sb_status          st;
    if (!is_open && (st = open_library(&lib)) != SB_OK)
        return st;
    is_open       = 1;
    cudaError_t e = cudaGetDevice(&device);
    if (e == cudaSuccess)
        e = cudaDeviceGetPCIBusId(bus, sizeof bus, device);
    if (e != cudaSuccess) {
        (void)cudaGetLastError();
        return sb_fail(SB_ERR_DEVICE, "cuda: device %d's bus id: %s", device,
                       cudaGetErrorString(e));
    }
    if ((r = lib.by_bus(bus, &d)) != NVML_OK)
        return sb_fail(SB_ERR_UNSUPPORTED, "nvml: device %s: %s", bus, lib.text(r));
    sb_device_state s  = {};
    s.sm_clock_mhz     = lib.clock(d, CLOCK_SM, &v) == NVML_OK ? static_cast<int32_t>(v) : -1;
    s.memory_clock_mhz = lib.clock(d, CLOCK_MEMORY, &v) == NVML_OK ? static_cast<int32_t>(v) : -1;
    s.power_mw         = lib.power(d, &v) == NVML_OK ? static_cast<int64_t>(v) : -1;
    s.power_limit_mw   = lib.limit(d, &v) == NVML_OK ? static_cast<int64_t>(v) : -1;
    s.temperature_c =
        lib.temperature(d, TEMPERATURE_GPU, &v) == NVML_OK ? static_cast<int32_t>(v) : -1;
    s.throttle_reasons = lib.reasons(d, &u) == NVML_OK ? static_cast<int64_t>(u) : -1;
    s.energy_mj        = lib.energy(d, &u) == NVML_OK ? static_cast<int64_t>(u) : -1;
    s.ecc              = lib.ecc(d, &now, &later) == NVML_OK ? now : -1;
    s.mig              = lib.mig(d, &v, &w) == NVML_OK ? static_cast<int32_t>(v) : -1;
    s.other_processes  = others_on(&lib, d);
    *out               = s;
    return SB_OK;
}

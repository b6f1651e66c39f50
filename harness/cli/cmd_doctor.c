/* spanbench doctor: what this machine has, and what spanbench would use of it. Each absence is one
 * line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "harness/cli/launch.h"
#include "harness/cli/version.h"
#include "harness/comm/links.h"
#include "harness/run/binding.h"
#include "harness/run/facts.h"
#include "harness/run/memory.h"
#include "harness/shard/bind.h"
#include "kernels/backend/cublaslt.h"
#include "kernels/base/backend.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/cudnn.h"

enum { PROBE_BYTES = 64 << 20 };

static const char HELP[] = "Usage: spanbench doctor [DIR]     (alone, or under mpirun / srun)\n\n"
                           "Prints ranks, cores, memory, backends, communicator and the file "
                           "system of DIR (default: results).\n\n"
                           "  -h, --help         this text\n\n"
                           "Exit codes: 0 ok, 1 ranks that cannot talk to each other, 2 usage.\n";

/* Where SQLite's locks cannot be trusted, or only with one writer. */
static const char *file_system(const char *dir, int *network)
{
    static const struct {
        uint32_t    magic;
        const char *name;
        int         network;
    } known[] = {{0x6969, "NFS", 1},          {0x0BD00BD0, "Lustre", 1}, {0x47504653, "GPFS", 1},
                 {0x65735546, "FUSE", 1},     {0xFF534D42, "CIFS", 1},   {0xEF53, "ext4", 0},
                 {0x58465342, "XFS", 0},      {0x9123683E, "Btrfs", 0},  {0x01021994, "tmpfs", 0},
                 {0x794C7630, "overlayfs", 0}};
    struct statfs f;
    *network = 0;
    if (statfs(dir, &f) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if ((uint32_t)f.f_type == known[i].magic) {
            *network = known[i].network;
            return known[i].name;
        }
    return "local or unknown type";
}

static void say_backend(const char *name, const sb_backend *b)
{
    sb_device_facts f = {0};
    if (b == NULL)
        (void)printf("backend %-7s not in this build (CPU build; configure with SPAN_CUDA=ON where "
                     "nvcc is)\n",
                     name);
    else if (b->available() != SB_OK || b->facts(&f) != SB_OK)
        (void)printf("backend %-7s unavailable: %s\n", name, sb_error_text());
    else
        (void)printf("backend %-7s %s; %s\n", name, f.name, f.detail);
}

/* Only where the backend is there: its own line says why it is not. */
static void say_kernels(const sb_backend *b, sb_status (*kernels)(char *out, size_t bytes))
{
    char text[160];
    if (b == NULL || b->available() != SB_OK)
        return;
    (void)printf("attention %-5s %s\n", b->name,
                 kernels(text, sizeof text) == SB_OK ? text : sb_error_text());
}

#if defined(SB_HAVE_CUDA)
static void say_libraries(void)
{
    char text[96];
    (void)printf("cublaslt        %s\n",
                 sb_cublaslt_describe(text, sizeof text) == SB_OK ? text : sb_error_text());
    (void)printf("nccl            %s\n",
                 sb_nccl_describe(text, sizeof text) == SB_OK ? text : sb_error_text());
    (void)printf("cudnn           %s\n",
                 sb_cudnn_describe(text, sizeof text) == SB_OK ? text : sb_error_text());
}
#endif

/* Clocks and company of the device, and what would spoil a timing. */
static void say_state(const sb_comm *comm, const sb_backend *b)
{
    sb_device_state d;
    if (b == NULL || b->state == NULL || b->available() != SB_OK)
        return;
    if (b->state(&d) != SB_OK) {
        (void)printf("device state    not told: %s\n", sb_error_text());
        return;
    }
    (void)printf("device state    %d MHz, %.0f of %.0f W, %d C, ECC %s, MIG %s\n", d.sm_clock_mhz,
                 (double)d.power_mw * 1e-3, (double)d.power_limit_mw * 1e-3, d.temperature_c,
                 d.ecc < 0 ? "unknown"
                 : d.ecc   ? "on"
                           : "off",
                 d.mig < 0 ? "unknown"
                 : d.mig   ? "on"
                           : "off");
    if (sb_device_strangers(comm, d.other_processes) > 0)
        (void)printf("                WARNING: %d other processes compute on this device\n",
                     sb_device_strangers(comm, d.other_processes));
    if (d.mig > 0)
        (void)printf(
            "                WARNING: the device is a MIG slice: rates are not a card's\n");
    if (d.throttle_reasons > 0 &&
        (d.throttle_reasons & (SB_THROTTLE_HW_SLOWDOWN | SB_THROTTLE_SW_THERMAL |
                               SB_THROTTLE_HW_THERMAL | SB_THROTTLE_HW_BRAKE)) != 0)
        (void)printf("                WARNING: the card is slowed down now (NVML reasons %#llx)\n",
                     (unsigned long long)d.throttle_reasons);
}

/* The link that ranks would use on a backend, and how fast it is. Collective; rank 0 prints. */
static sb_status try_link(const sb_launch *l, const char *name, const sb_backend *b)
{
    const sb_nccl_options o    = {.timeout_s = 60};
    sb_link              *link = NULL;
    char                  why[160];
    double                rate = 0;
    int64_t               here = b != NULL && b->available() == SB_OK;
    sb_status             st   = sb_comm_allreduce_i64(l->comm, &here, 1, SB_REDUCE_MIN);
    if (st != SB_OK || !here || l->comm->size == 1)
        return st;
    st = sb_comm_agree(l->comm, sb_device_bind(l->comm, b));
    if (st == SB_OK)
        st = sb_link_choose(l->comm, b, SB_LINK_AUTO, &o, &link, why, sizeof why);
    if (st == SB_OK)
        st = sb_link_measure(l->comm, link, PROBE_BYTES, &rate);
    if (l->comm->rank == 0 && st == SB_OK)
        (void)printf("link %-10s %s; %.2f GB/s from rank to rank, all at once\n", name, why,
                     rate * 1e-9);
    else if (l->comm->rank == 0)
        (void)printf("link %-10s none: %s\n", name, sb_error_text());
    sb_link_destroy(link);
    return st == SB_ERR_COMM ? st : SB_OK;
}

/* Collective; rank 0 prints. */
static sb_status say_places(const sb_launch *l)
{
    const sb_backend *b    = SB_IF_CUDA(&sb_backend_cuda);
    sb_binding       *all  = NULL;
    int64_t           here = b != NULL && b->available() == SB_OK;
    sb_status         st   = sb_comm_allreduce_i64(l->comm, &here, 1, SB_REDUCE_MIN);
    if (st == SB_OK && here)
        st = sb_comm_agree(l->comm, sb_device_bind(l->comm, b));
    if (st == SB_OK)
        st = sb_binding_gather(l->comm, here ? b : &sb_backend_cpu, &all);
    for (int32_t r = 0; st == SB_OK && l->comm->rank == 0 && r < l->comm->size; r++) {
        char text[640];
        sb_binding_text(&all[r], text, sizeof text);
        (void)printf("rank %-10d on %s, %s\n", r, all[r].host, text);
    }
    if (st == SB_OK && here && l->comm->rank == 0 &&
        sb_binding_same_devices(all, l->comm->size) != SB_OK)
        (void)printf("                WARNING: %s\n", sb_error_text());
    free(all);
    return st;
}

static sb_status try_links(const sb_launch *l)
{
    sb_status st = try_link(l, "cpu", &sb_backend_cpu);
    return st == SB_OK ? try_link(l, "cuda", SB_IF_CUDA(&sb_backend_cuda)) : st;
}

static void report(const sb_launch *l, const char *dir, int32_t oversubscribed)
{
    char        mpi[128], host[64] = "";
    int         network;
    const char *fs = file_system(dir, &network);
    (void)gethostname(host, sizeof host - 1);
    sb_launch_mpi_version(l, mpi, sizeof mpi);
    (void)printf("spanbench       %s, commit %s\n", sb_version_text(), sb_version_commit());
    (void)printf("host            %s, %ld cores, %.1f GiB available\n", host,
                 sysconf(_SC_NPROCESSORS_ONLN), (double)sb_memory_available_bytes() / 0x1p30);
    (void)printf(
        "ranks           %d (%d on this host), %d threads each%s\n", l->comm->size,
        l->comm->local_size, l->threads,
        oversubscribed
            ? ": MORE THREADS THAN CORES, timings would be flagged and left out of speedups"
            : "");
    (void)printf("communicator    %s, launcher MPI: %s\n", l->comm->ops->name, mpi);
    say_backend("cpu", &sb_backend_cpu);
    say_backend("cuda", SB_IF_CUDA(&sb_backend_cuda));
    say_kernels(SB_IF_CUDA(&sb_backend_cuda), SB_IF_CUDA(sb_attend_cuda_kernels));
#if defined(SB_HAVE_CUDA)
    say_libraries();
#endif
    say_state(l->comm, SB_IF_CUDA(&sb_backend_cuda));
    if (fs == NULL)
        (void)printf("results in      %s: not there yet; spanbench run makes it\n", dir);
    else
        (void)printf("results in      %s: %s%s, %s\n", dir, fs,
                     network ? " (network: one writer at a time, merge on a local disk)" : "",
                     access(dir, W_OK) == 0 ? "writable" : "NOT WRITABLE");
}

int sb_cmd_doctor(int argc, char **argv)
{
    sb_launch l = {0};
    int32_t   over;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return sb_launch_speaks() && fputs(HELP, stdout) < 0;
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        (void)sb_fail(SB_ERR_USAGE, "found `%s`, allowed one folder; see --help",
                      argv[argv[1][0] == '-' ? 1 : 2]);
        if (sb_launch_speaks())
            sb_cmd_error("doctor");
        return 2;
    }
    sb_status st = sb_launch_begin(0, NULL, &l);
    if (st != SB_OK) {
        sb_cmd_error("doctor");
        return sb_cmd_exit_code(st);
    }
    if ((st = sb_facts_oversubscribed(l.comm, l.threads, &over)) != SB_OK)
        sb_cmd_error("doctor");
    else if (l.comm->rank == 0)
        report(&l, argc == 2 ? argv[1] : "results", over);
    if (st == SB_OK)
        st = say_places(&l);
    if (st == SB_OK)
        st = try_links(&l);
    if (st != SB_OK)
        sb_cmd_error("doctor");
    return sb_launch_end(&l, st == SB_OK ? 0 : 1);
}

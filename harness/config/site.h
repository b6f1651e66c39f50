/* A site file (slurm/sites) as what a batch job on that cluster asks for and sets up.
 *
 * Keys (* must be there; an absent text is NULL and leaves its line out of the job script):
 *   site*         a name
 *   account, partition, qos, constraint, reservation, mail_user, mail_type
 *                 words of #SBATCH lines: printable ASCII without blanks, quotes, \, $, `, #, %
 *   gres          how this site spells a GPU before the count: gpu, gpu:h100 (gpu)
 *   sbatch        list of further options for sbatch, each --NAME or --NAME=WORD
 *   module_paths, modules
 *                 lists: `module use PATH`, `module load NAME`
 *   environment   mapping NAME: VALUE, exported
 *   container     list of words in front of the program, e.g. [apptainer, exec, --nv, IMAGE]
 *   program       what to start (the program that writes the script; in a container: spanbench)
 *   mpi           auto | pmix | pmi2 | srun | mpirun (auto: srun --mpi=pmix where srun has it, else
 *                 mpirun; srun: with the cluster's own default)
 *   cpu_bind, gpu_bind
 *                 words for srun --cpu-bind, --gpu-bind
 *   srun          list of further options for srun
 *   machine       what spanbench plan predicts with: a machine that the program knows, a file
 *                 NAME.yaml, or none: every sample takes time.sample_s (the program's own machine)
 *   node_local    a path on a disk of the node, or none (none: the database is written in place);
 *                 $NAME and ${NAME} are variables of the job
 *   results       a folder that all nodes see (results); ~ and ~/x as a shell would
 *   node          {tasks 1, cores 1, gpus 0, memory_gib 0, device_memory_gib 0}; 0 GiB: not known
 *   limits        {nodes 1, minutes 1440, array 1000, throttle 0, requeues 5}; throttle 0: none
 *   time          {element_s 3600, start_s 120, margin 1.5, signal_s 120, sample_s 60,
 *                 publish_s 30} */
#ifndef SB_HARNESS_CONFIG_SITE_H
#define SB_HARNESS_CONFIG_SITE_H

#include <stdint.h>
#include <stdio.h>

#include "kernels/base/status.h"

typedef enum sb_site_mpi {
    SB_SITE_MPI_AUTO,
    SB_SITE_MPI_PMIX,
    SB_SITE_MPI_PMI2,
    SB_SITE_MPI_SRUN,
    SB_SITE_MPI_MPIRUN,
    SB_SITE_MPI_COUNT
} sb_site_mpi;

typedef struct sb_site_words {
    const char **v;
    int64_t      n;
} sb_site_words;

typedef struct sb_site {
    const char *name;
    const char *account, *partition, *qos, *constraint, *reservation, *mail_user, *mail_type, *gres;
    const char *cpu_bind, *gpu_bind, *program, *machine, *node_local,
        *results; /* node_local NULL: none */
    sb_site_words sbatch, srun, module_paths, modules, container;
    sb_site_words env_names, env_values; /* pairs */
    int32_t       mpi;                   /* sb_site_mpi */
    /* a node */
    int64_t tasks, cores, gpus;
    double  memory_gib, device_memory_gib;
    /* what the site allows */
    int64_t max_nodes, max_minutes, max_array, throttle, requeues;
    /* how predicted times become limits: limit = start_s + margin * seconds; element_s: how long an
     * array element should be; sample_s: of a sample that nothing is predicted for; publish_s: how
     * much of what was measured a lost node may take with it */
    double element_s, start_s, margin, signal_s, sample_s, publish_s;
} sb_site;

/* path NULL: the keys' defaults, a site called `default`. Errors: SB_ERR_USAGE, each printed as
 * FILE:LINE:COL: KEY: found X, allowed Y; SB_ERR_NOMEM. */
sb_status sb_site_load(const char *path, FILE *errors, sb_site **out);
void      sb_site_free(sb_site *s); /* NULL is fine */

#endif

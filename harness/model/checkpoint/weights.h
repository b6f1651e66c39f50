/* The tensors of a checkpoint under one name each, whatever file format they lie in. Data stay
 * mapped where they are. */
#ifndef SB_HARNESS_MODEL_CHECKPOINT_WEIGHTS_H
#define SB_HARNESS_MODEL_CHECKPOINT_WEIGHTS_H

#include <xxhash.h>

#include "harness/model/checkpoint/gguf.h"
#include "harness/tensors/safetensors.h"

typedef struct sbi_weight {
    const char          *name;  /* of the file */
    const char          *file;  /* its path */
    int32_t              known; /* 0: of a type that no weight has */
    sb_block_type        type;
    const char          *type_name;
    int32_t              n_dims;
    int64_t              shape[2]; /* [out][in], of one dimension [n]; of others the first two */
    int64_t              n_values, bytes;
    const unsigned char *data;
    int32_t              used;
} sbi_weight;

typedef struct sbi_map {
    void  *at;
    size_t bytes;
} sbi_map;

typedef struct sbi_weights {
    sbi_weight      *w; /* by name */
    int64_t          n;
    sb_gguf         *gguf; /* NULL: safetensors */
    sb_safetensors **files;
    sbi_map         *maps; /* [n_files] */
    int64_t          n_files;
    int64_t          file_bytes; /* of all files */
    XXH3_state_t    *identity;   /* over headers and sizes */
} sbi_weights;

/* Everything of a GGUF file. */
sb_status sbi_weights_from_gguf(const char *path, sbi_weights *out);

/* Everything that `dir` has: of the files that model.safetensors.index.json names, else of
 * model.safetensors, else of the only *.safetensors. Each tensor that the index maps must be in its
 * file, none in two; what the index does not map is left out and told on the log. Errors name file
 * and tensor: SB_ERR_IO, SB_ERR_USAGE, SB_ERR_NOMEM. */
sb_status sbi_weights_from_dir(const char *dir, sbi_weights *out);
void      sbi_weights_close(sbi_weights *w); /* safe on a zeroed struct */

sbi_weight *sbi_weights_find(const sbi_weights *w, const char *name); /* or NULL */

/* ---- files.c ---- */
/* A text file whole, with a zero behind it, malloc'd. SB_ERR_IO; SB_ERR_USAGE also ENOENT, more
 * than 256 MiB. */
sb_status sbi_text_file(const char *path, char **text, size_t *bytes);
int       sbi_is_there(const char *path);
/* The first file of a folder, by name, that ends so; 0: there is none. */
enum { SBI_FILE_NAME_BYTES = 256 };
int       sbi_file_ending(const char *dir, const char *end, char name[SBI_FILE_NAME_BYTES]);
char     *sbi_path_in(const char *dir, const char *name); /* malloc'd; NULL: no memory */

/* ---- index.c ---- */
/* Names of the files of a directory, malloc'd list of malloc'd names; *index (a json_t, or NULL):
 * tensor -> file, a reference for the caller. */
struct json_t;
sb_status sbi_shard_names(const char *dir, char ***names, int64_t *n, struct json_t **index);
void      sbi_free_names(char **names, int64_t n);

#endif

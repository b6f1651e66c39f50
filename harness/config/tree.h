/* A YAML text as a tree that remembers where every key and value stood.
 *
 * Only plain data is taken: anchors, aliases, merge keys, tags, repeated keys, keys that are not
 * words and a second document are errors. Limits (bytes, levels, entries) keep a hostile file from
 * costing more than a moment. */
#ifndef SB_HARNESS_CONFIG_TREE_H
#define SB_HARNESS_CONFIG_TREE_H

#include "harness/config/errors.h"

enum {
    SBI_MAX_FILE_BYTES = 1024 * 1024,
    SBI_MAX_LEVELS     = 16,
    SBI_MAX_ENTRIES    = 4096,
    SBI_MAX_KEYS       = 256
};

typedef enum sbi_kind { SBI_SCALAR, SBI_LIST, SBI_MAP } sbi_kind;

typedef struct sbi_node sbi_node;
struct sbi_node {
    sbi_kind    kind;
    sbi_pos     pos;
    int         is_null; /* a scalar with nothing in it, `~` or `null` */
    int         is_bad;  /* its error is already told: readers skip it in silence */
    const char *text;    /* scalar; never NULL */
    sbi_node   *parent, *self;
    sbi_node  **key, **item; /* map: key[i] is a scalar; list: key NULL */
    int64_t     n, capacity, key_capacity;
};

/* The content of any regular file, with a NUL behind it, in the temp pool. NULL: *found says what
 * was found instead, or memory is out (*found NULL). */
char *sbi_bytes_read(sbi_ctx *c, const char *path, int64_t max_bytes, size_t *bytes,
                     const char **found);
/* The sweep file's bytes, checked to be UTF-8 without NUL and other control characters; NULL after
 * an error. */
char *sbi_file_read(sbi_ctx *c, size_t *bytes);

/* Parse; `set` is 0 for the file, or the number of the --set whose value this is (then an empty
 * text is a null scalar). NULL when there is nothing to look at; errors are in the context. */
sbi_node *sbi_tree_parse(sbi_ctx *c, const char *text, size_t bytes, int32_t set);

sbi_node *sbi_node_new(sbi_ctx *c, sbi_kind kind, sbi_pos pos);
int sbi_node_add(sbi_ctx *c, sbi_node *to, sbi_node *key, sbi_node *item); /* key NULL for lists */
sbi_node *sbi_map_get(const sbi_node *map, const char *key);               /* NULL when absent */
/* "workloads[0].lengths[1]"; "" for the root. */
const char *sbi_node_path(sbi_ctx *c, const sbi_node *n);

#endif

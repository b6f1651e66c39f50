/* Which safetensors files make a checkpoint [models 3]. */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "harness/model/checkpoint/cursor.h"
#include "harness/model/checkpoint/weights.h"

static const char INDEX[] = "model.safetensors.index.json";

void sbi_free_names(char **names, int64_t n)
{
    for (int64_t i = 0; names != NULL && i < n; i++)
        free(names[i]);
    free(names);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The file names of the map, each once, in order. */
static sb_status names_of(const char *path, json_t *map, char ***names, int64_t *n)
{
    const char *tensor;
    json_t     *file;
    char        shown[SBI_QUOTE_BYTES];
    int64_t     k    = 0;
    char      **list = calloc(json_object_size(map) + 1, sizeof *list);
    sb_status   st   = list == NULL ? sb_fail(SB_ERR_NOMEM, "%s: no memory", path) : SB_OK;
    json_object_foreach(map, tensor, file)
    {
        const char *w = json_string_value(file);
        if (st != SB_OK)
            break;
        if (w == NULL || w[0] == '\0' || strchr(w, '/') != NULL || strstr(w, "..") != NULL ||
            strlen(w) != json_string_length(file))
            st = sb_fail(SB_ERR_USAGE, "%s: weight_map `%s`: allowed the name of a file beside it",
                         path, sbi_quote(tensor, strlen(tensor), shown));
        else if ((list[k] = strdup(w)) == NULL)
            st = sb_fail(SB_ERR_NOMEM, "%s: no memory", path);
        else
            k++;
    }
    if (st != SB_OK) {
        sbi_free_names(list, k);
        return st;
    }
    qsort(list, (size_t)k, sizeof *list, by_text);
    int64_t kept = 0;
    for (int64_t i = 0; i < k; i++)
        if (kept > 0 && strcmp(list[kept - 1], list[i]) == 0)
            free(list[i]);
        else
            list[kept++] = list[i];
    *names = list;
    *n     = kept;
    return SB_OK;
}

static sb_status read_index(const char *path, json_t **map)
{
    char        *text  = NULL;
    size_t       bytes = 0;
    json_error_t e;
    char         shown[SBI_QUOTE_BYTES];
    sb_status    st = sbi_text_file(path, &text, &bytes);
    if (st != SB_OK)
        return st;
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &e);
    json_t *m    = json_object_get(root, "weight_map");
    free(text);
    if (root == NULL)
        st = sb_fail(SB_ERR_USAGE, "%s:%d:%d: found no JSON (%s)", path, e.line, e.column,
                     sbi_quote(e.text, strlen(e.text), shown));
    else if (!json_is_object(m) || json_object_size(m) == 0)
        st = sb_fail(SB_ERR_USAGE,
                     "%s: key `weight_map`: found none, allowed a mapping of tensors to files",
                     path);
    else
        *map = json_incref(m);
    json_decref(root);
    return st;
}

static int is_safetensors(const char *name)
{
    static const char end[] = ".safetensors";
    size_t            n     = strlen(name);
    return n >= sizeof end && strcmp(name + n - (sizeof end - 1), end) == 0;
}

/* model.safetensors, or the only one there is. */
static sb_status only_file(const char *dir, char ***names, int64_t *n)
{
    const struct dirent *e;
    int64_t              found     = 0;
    char                 name[256] = "";
    DIR                 *d         = opendir(dir);
    if (d == NULL)
        return sb_fail(SB_ERR_IO, "%s: %s", dir, strerror(errno));
    while ((e = readdir(d)) != NULL)
        if (is_safetensors(e->d_name)) {
            found++;
            if (strcmp(name, "model.safetensors") != 0)
                (void)strncpy(name, e->d_name, sizeof name - 1);
        }
    (void)closedir(d);
    if (found != 1 && strcmp(name, "model.safetensors") != 0) {
        int pickled = found == 0 && sbi_file_ending(dir, ".bin", name);
        return sb_fail(
            SB_ERR_USAGE,
            "%s: found %lld .safetensors files and no %s, allowed model.safetensors, one "
            "file, or several with an index%s%s%s",
            dir, (long long)found, INDEX, pickled ? " (" : "", pickled ? name : "",
            pickled ? " is not read: save the model as safetensors)" : "");
    }
    char **list = calloc(1, sizeof *list);
    if (list == NULL || (list[0] = strdup(name)) == NULL) {
        free(list);
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", dir);
    }
    *names = list;
    *n     = 1;
    return SB_OK;
}

sb_status sbi_shard_names(const char *dir, char ***names, int64_t *n, struct json_t **index)
{
    char     *path = sbi_path_in(dir, INDEX);
    json_t   *map  = NULL;
    sb_status st   = path == NULL ? sb_fail(SB_ERR_NOMEM, "%s: no memory", dir) : SB_OK;
    if (st == SB_OK && !sbi_is_there(path)) {
        free(path);
        *index = NULL;
        return only_file(dir, names, n);
    }
    if (st == SB_OK && (st = read_index(path, &map)) == SB_OK)
        st = names_of(path, map, names, n);
    free(path);
    if (st == SB_OK)
        *index = map;
    else
        json_decref(map);
    return st;
}

#include "harness/model/checkpoint/checkpoint.h"

#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/model/checkpoint/tensor_map.h"

struct sb_checkpoint {
    char           *path, *chat_template;
    sb_model_config config;
    sbi_weights     weights;
    sbi_tensors     tensors;
    char            identity[33];
    int             is_random;
};

/* ---- where it is ---- */

/* The newest snapshot of owner/model under the hub's cache, malloc'd, or NULL. */
static char *snapshot_in(const char *hub, const char *owner_model)
{
    char           dir[1024], best[1280] = "";
    const char    *slash = strchr(owner_model, '/');
    struct dirent *e;
    struct stat    info;
    int64_t        newest = -1;
    if (snprintf(dir, sizeof dir, "%s/models--%.*s--%s/snapshots", hub, (int)(slash - owner_model),
                 owner_model, slash + 1) >= (int)sizeof dir)
        return NULL;
    DIR *d = opendir(dir);
    while (d != NULL && (e = readdir(d)) != NULL) {
        char at[1280];
        if (e->d_name[0] == '.' ||
            snprintf(at, sizeof at, "%s/%s", dir, e->d_name) >= (int)sizeof at ||
            stat(at, &info) != 0 || !S_ISDIR(info.st_mode) || (int64_t)info.st_mtime <= newest)
            continue;
        newest = (int64_t)info.st_mtime;
        memcpy(best, at, sizeof best);
    }
    if (d != NULL)
        (void)closedir(d);
    return best[0] != '\0' ? strdup(best) : NULL;
}

/* The hub's cache; "": nothing says where it is. */
static void hub_of(char *dir, size_t bytes)
{
    const char *cache = getenv("HF_HUB_CACHE"), *hf = getenv("HF_HOME"), *home = getenv("HOME");
    int         n = 0;
    dir[0]        = '\0';
    if (cache != NULL)
        n = snprintf(dir, bytes, "%s", cache);
    else if (hf != NULL)
        n = snprintf(dir, bytes, "%s/hub", hf);
    else if (home != NULL)
        n = snprintf(dir, bytes, "%s/.cache/huggingface/hub", home);
    if (n >= (int)bytes)
        dir[0] = '\0';
}

static int is_hub_name(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash != NULL && slash != name && slash[1] != '\0' && strchr(slash + 1, '/') == NULL;
}

static char *from_hub(const char *name)
{
    char dir[1024];
    hub_of(dir, sizeof dir);
    return is_hub_name(name) && dir[0] != '\0' ? snapshot_in(dir, name) : NULL;
}

sb_status sb_checkpoint_locate(const char *path, char **out)
{
    char hub[1024];
    *out = sbi_is_there(path) ? strdup(path) : from_hub(path);
    if (*out != NULL)
        return SB_OK;
    if (sbi_is_there(path))
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", path);
    hub_of(hub, sizeof hub);
    return sb_fail(SB_ERR_USAGE,
                   "%s: found neither a folder or file nor a model of that name in the user's "
                   "cache of Hugging Face's hub%s%s",
                   path, is_hub_name(path) && hub[0] != '\0' ? ", " : "",
                   is_hub_name(path) ? hub : "");
}

/* ---- the two formats ---- */

static sb_status no_memory(const sb_checkpoint *c)
{
    return sb_fail(SB_ERR_NOMEM, "%s: no memory", c->path);
}

static sb_status open_gguf(sb_checkpoint *c)
{
    const char *end = strrchr(c->path, '.');
    if (end != NULL && (strcmp(end, ".safetensors") == 0 || strcmp(end, ".json") == 0))
        return sb_fail(SB_ERR_USAGE,
                       "%s: found one file of a model, allowed its folder, or a .gguf file",
                       c->path);
    sb_status st = sbi_weights_from_gguf(c->path, &c->weights);
    if (st == SB_OK)
        st = sb_config_from_gguf(c->weights.gguf, &c->config);
    if (st == SB_OK && sb_gguf_find_key(c->weights.gguf, "tokenizer.chat_template") != NULL)
        st = sb_gguf_text(c->weights.gguf, "tokenizer.chat_template", &c->chat_template);
    return st;
}

/* The template of tokenizer_config.json, whose file may say nothing else of use here; a list of
 * named ones counts by its "default". */
static sb_status template_of_json(sb_checkpoint *c, const char *path)
{
    char        *text  = NULL;
    size_t       bytes = 0, i;
    json_error_t e;
    json_t      *one;
    sb_status    st = sbi_text_file(path, &text, &bytes);
    if (st != SB_OK)
        return st;
    json_t *root = json_loadb(text, bytes, 0, &e);
    json_t *v    = json_object_get(root, "chat_template");
    free(text);
    if (root == NULL)
        return sb_fail(SB_ERR_USAGE, "%s:%d:%d: found no JSON", path, e.line, e.column);
    if (json_is_array(v))
        json_array_foreach(v, i, one)
        {
            const char *name = json_string_value(json_object_get(one, "name"));
            if (name != NULL && strcmp(name, "default") == 0) {
                v = json_object_get(one, "template");
                break;
            }
        }
    if (json_is_string(v) && (c->chat_template = strdup(json_string_value(v))) == NULL)
        st = no_memory(c);
    json_decref(root);
    return st;
}

static sb_status find_template(sb_checkpoint *c)
{
    char     *jinja = sbi_path_in(c->path, "chat_template.jinja");
    char     *json  = sbi_path_in(c->path, "tokenizer_config.json");
    size_t    bytes = 0;
    sb_status st    = jinja == NULL || json == NULL ? no_memory(c) : SB_OK;
    if (st == SB_OK && sbi_is_there(jinja))
        st = sbi_text_file(jinja, &c->chat_template, &bytes);
    else if (st == SB_OK && sbi_is_there(json))
        st = template_of_json(c, json);
    free(jinja);
    free(json);
    return st;
}

static sb_status read_config(sb_checkpoint *c, const char *config, const char *generation)
{
    char     *text = NULL, *more = NULL;
    size_t    bytes = 0, more_bytes = 0;
    sb_status st = sbi_text_file(config, &text, &bytes);
    if (st == SB_OK && sbi_is_there(generation))
        st = sbi_text_file(generation, &more, &more_bytes);
    if (st == SB_OK)
        st = sb_config_from_json(config, text, bytes, generation, more, more_bytes, &c->config);
    if (st == SB_OK && (st = sbi_weights_from_dir(c->path, &c->weights)) == SB_OK)
        (void)XXH3_128bits_update(c->weights.identity, text, bytes);
    free(text);
    free(more);
    return st;
}

static sb_status no_config(const sb_checkpoint *c)
{
    char name[SBI_FILE_NAME_BYTES];
    int  other = sbi_file_ending(c->path, ".gguf", name);
    return sb_fail(SB_ERR_USAGE,
                   "%s: found no config.json%s%s, allowed a folder of Hugging Face's with one, or "
                   "a .gguf file",
                   c->path, other ? " but " : "", name);
}

static sb_status open_folder(sb_checkpoint *c)
{
    char     *config     = sbi_path_in(c->path, "config.json");
    char     *generation = sbi_path_in(c->path, "generation_config.json");
    sb_status st         = config == NULL || generation == NULL ? no_memory(c) : SB_OK;
    if (st == SB_OK && !sbi_is_there(config))
        st = no_config(c);
    if (st == SB_OK)
        st = read_config(c, config, generation);
    /* absent: the family's default; of TransNormerLLM as the tensors are */
    if (st == SB_OK && c->config.tied < 0 && c->config.family != SB_FAMILY_TRANSNORMER)
        c->config.tied = c->config.family == SB_FAMILY_GEMMA3;
    if (st == SB_OK)
        st = find_template(c);
    free(config);
    free(generation);
    return st;
}

/* config.json alone. */
static sb_status open_shape(sb_checkpoint *c)
{
    char     *config = sbi_path_in(c->path, "config.json"), *text = NULL;
    size_t    bytes = 0;
    sb_status st    = config == NULL ? no_memory(c) : sbi_text_file(config, &text, &bytes);
    if (st == SB_OK)
        st = sb_config_from_json(config, text, bytes, NULL, NULL, 0, &c->config);
    if (st == SB_OK && (c->weights.identity = XXH3_createState()) == NULL)
        st = no_memory(c);
    if (st == SB_OK) {
        (void)XXH3_128bits_reset(c->weights.identity);
        (void)XXH3_128bits_update(c->weights.identity, SB_CHECKPOINT_RANDOM,
                                  sizeof SB_CHECKPOINT_RANDOM);
        (void)XXH3_128bits_update(c->weights.identity, text, bytes);
        c->config.tied = c->config.tied > 0;
        st             = sbi_tensors_of_shape(c->path, &c->config, &c->tensors);
    }
    free(config);
    free(text);
    return st;
}

static sb_status open_files(sb_checkpoint *c)
{
    struct stat info;
    sb_status   st =
        stat(c->path, &info) == 0 && S_ISDIR(info.st_mode) ? open_folder(c) : open_gguf(c);
    return st == SB_OK ? sbi_tensors_map(&c->weights, c->path, &c->config, &c->tensors) : st;
}

sb_status sb_checkpoint_open(const char *path, sb_checkpoint **out)
{
    size_t         mark = sizeof SB_CHECKPOINT_RANDOM - 1;
    sb_checkpoint *c    = calloc(1, sizeof *c);
    if (c == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for the handle", path);
    c->is_random = strncmp(path, SB_CHECKPOINT_RANDOM, mark) == 0;
    sb_status st = sb_checkpoint_locate(path + (c->is_random ? mark : 0), &c->path);
    if (st == SB_OK)
        st = c->is_random ? open_shape(c) : open_files(c);
    if (st == SB_OK && c->chat_template == NULL && (c->chat_template = strdup("")) == NULL)
        st = no_memory(c);
    if (st != SB_OK) {
        sb_checkpoint_close(c);
        return st;
    }
    XXH128_hash_t h = XXH3_128bits_digest(c->weights.identity);
    (void)snprintf(c->identity, sizeof c->identity, "%016" PRIx64 "%016" PRIx64, (uint64_t)h.high64,
                   (uint64_t)h.low64);
    *out = c;
    return SB_OK;
}

void sb_checkpoint_close(sb_checkpoint *c)
{
    if (c == NULL)
        return;
    sbi_tensors_fini(&c->tensors);
    sbi_weights_close(&c->weights);
    free(c->path);
    free(c->chat_template);
    free(c);
}

int sb_checkpoint_is_random(const sb_checkpoint *c) { return c->is_random; }

const sb_model_config *sb_checkpoint_config(const sb_checkpoint *c) { return &c->config; }

const sb_layer_weights *sb_checkpoint_layer(const sb_checkpoint *c, int64_t layer)
{
    return &c->tensors.layers[layer];
}

const sb_matrix *sb_checkpoint_embedding(const sb_checkpoint *c) { return &c->tensors.embedding; }
const sb_matrix *sb_checkpoint_head(const sb_checkpoint *c) { return &c->tensors.head; }
const float     *sb_checkpoint_norm(const sb_checkpoint *c) { return c->tensors.norm; }
const char      *sb_checkpoint_identity(const sb_checkpoint *c) { return c->identity; }
int64_t          sb_checkpoint_bytes(const sb_checkpoint *c) { return c->weights.file_bytes; }
const char      *sb_checkpoint_path(const sb_checkpoint *c) { return c->path; }
const char      *sb_checkpoint_chat_template(const sb_checkpoint *c) { return c->chat_template; }

/* Parameters that name a file: the one place where a method's file is read. Its content goes to the
 * method once, when the sweep is loaded, so that everything wrong with it is told beside the other
 * errors of the sweep; its hash goes into the identity of the points [DESIGN 10.13]. */
#include <string.h>

#include "harness/config/fields.h"
#include "harness/config/identity.h"

enum { MAX_PARAM_FILE_BYTES = 16 * 1024 * 1024 };

/* What the method makes of the text, in the keep pool. NULL: the error text says why, or memory is
 * out. */
static const void *digest_file(sbi_ctx *c, const sb_method *m, const sb_param *p, const char *text,
                               int64_t bytes, sb_status *st)
{
    const void *content = NULL;
    sb_arena    a;
    sb_arena_init_count(&a);
    if ((*st = m->read_file(p, text, bytes, &a, &content)) != SB_OK)
        return NULL;
    size_t room = a.high_water_bytes;
    char  *raw  = sbi_pool_alloc(c->keep, (int64_t)(room + SB_ARENA_ALIGN), 1);
    if (raw == NULL)
        return NULL;
    raw += (SB_ARENA_ALIGN - (uintptr_t)raw % SB_ARENA_ALIGN) % SB_ARENA_ALIGN;
    sb_arena_init(&a, raw, room, SB_ARENA_PLAIN);
    *st = m->read_file(p, text, bytes, &a, &content);
    return *st == SB_OK ? content : NULL;
}

/* f->path is set; fill the rest. */
static int load(sbi_ctx *c, const sbi_node *n, const sb_method *m, const sb_param *p,
                sb_param_file *f)
{
    size_t      bytes = 0;
    const char *found = NULL;
    sb_status   st    = SB_OK;
    char       *path  = sbi_home_path(c, n), *text;
    if (path == NULL)
        return 0;
    text = sbi_bytes_read(c, path, MAX_PARAM_FILE_BYTES, &bytes, &found);
    if (text == NULL && found != NULL)
        sbi_error_add(c, n->pos, sbi_node_path(c, n), "found %s at %s, allowed %s", found,
                      sbi_found(c, n), p->range);
    if (text == NULL)
        return 0;
    if (sbi_sha256_text(text, bytes, f->sha256) != SB_OK) {
        sbi_internal(c);
        return 0;
    }
    f->content = digest_file(c, m, p, text, (int64_t)bytes, &st);
    if (st == SB_ERR_USAGE)
        sbi_error_add(c, n->pos, sbi_node_path(c, n), "%s: %s", sbi_found(c, n), sb_error_text());
    else if (st != SB_OK)
        sbi_internal(c);
    return f->content != NULL;
}

int sbi_method_param_read(sbi_ctx *c, const sbi_node *n, const sb_method *m, const sb_param *p,
                          void *params)
{
    sb_param_file f;
    char         *field = (char *)params + p->offset;
    if (!sbi_param_read(c, n, p, params))
        return 0;
    if (p->type != SB_FILE)
        return 1;
    memcpy(&f, field, sizeof f);
    if (f.path[0] == '\0')
        return 1;
    if (m == NULL || m->read_file == NULL) {
        (void)sb_fail(SB_ERR_INTERNAL, "nobody reads the file of parameter %s", p->name);
        sbi_internal(c);
        return 0;
    }
    if (!load(c, n, m, p, &f))
        return 0;
    memcpy(field, &f, sizeof f);
    return 1;
}

/* What the readers of a tokenizer.json ask of a value, and how they refuse one. */
#include "workloads/tokenizer/json_util.h"

#include <stdio.h>
#include <string.h>

#include "workloads/tokenizer/vocab.h"

sb_status sbi_json_parse(const char *data, size_t bytes, json_t **out)
{
    json_error_t e;
    json_t      *root = json_loadb(data, bytes, JSON_REJECT_DUPLICATES, &e);
    if (root == NULL && json_error_code(&e) == json_error_out_of_memory)
        return sb_fail(SB_ERR_NOMEM, "no memory for its JSON");
    if (root == NULL) {
        char *near = strstr(e.text, " near "); /* the file's own text follows */
        if (near != NULL)
            *near = '\0';
        for (char *s = e.text; *s != '\0'; s++)
            *s = *s >= 0x20 && *s < 0x7F ? *s : '?';
        return sb_fail(SB_ERR_USAGE, "line %d, column %d: no JSON: %s", e.line, e.column, e.text);
    }
    *out = root;
    return SB_OK;
}

/* "true", "3", "a string \"BPE\"", ...: what stands there. */
static const char *found(const json_t *v, char *buf, size_t n)
{
    char word[SBI_TOK_QUOTE];
    switch (v == NULL ? -1 : (int)json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        (void)snprintf(buf, n, "%s",
                       sbi_tok_quote(json_string_value(v), json_string_length(v), word));
        return buf;
    case JSON_INTEGER:
        (void)snprintf(buf, n, "%lld", (long long)json_integer_value(v));
        return buf;
    case JSON_REAL:
        (void)snprintf(buf, n, "%g", json_real_value(v));
        return buf;
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        return "null";
    default:
        return "nothing";
    }
}

sb_status sbi_json_refuse(sb_status st, const char *where, const json_t *v, const char *allowed)
{
    char buf[64];
    return sb_fail(st, "%s: found %s; %s", where, found(v, buf, sizeof buf), allowed);
}

sb_status sbi_json_known_keys(const char *where, const json_t *object, const char *const *names)
{
    const char *key;
    json_t     *value;
    char        word[SBI_TOK_QUOTE];
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        int known = 0;
        for (int i = 0; names[i] != NULL; i++)
            known |= strcmp(key, names[i]) == 0;
        if (!known)
            return sb_fail(SB_ERR_UNSUPPORTED, "%s: unknown key %s", where,
                           sbi_tok_quote(key, strlen(key), word));
    }
    return SB_OK;
}

sb_status sbi_json_want_bool(const char *where, const json_t *object, const char *key, int want)
{
    const json_t *v = json_object_get(object, key);
    char          path[96];
    (void)snprintf(path, sizeof path, "%s.%s", where, key);
    if (v == NULL || json_is_null(v) || (json_is_boolean(v) && json_is_true(v) == (want != 0)))
        return SB_OK;
    return sbi_json_refuse(json_is_boolean(v) ? SB_ERR_UNSUPPORTED : SB_ERR_USAGE, path, v,
                           want ? "only true is supported" : "only false is supported");
}

sb_status sbi_json_read_bool(const char *where, const json_t *object, const char *key, int *out)
{
    const json_t *v = json_object_get(object, key);
    char          path[96];
    if (v == NULL || json_is_null(v))
        return SB_OK;
    if (!json_is_boolean(v)) {
        (void)snprintf(path, sizeof path, "%s.%s", where, key);
        return sbi_json_refuse(SB_ERR_USAGE, path, v, "true or false is wanted");
    }
    *out = json_is_true(v);
    return SB_OK;
}

int sbi_json_is_string(const json_t *v, const char *text)
{
    return json_is_string(v) && json_string_length(v) == strlen(text) &&
           memcmp(json_string_value(v), text, strlen(text)) == 0;
}

int sbi_json_is_type(const json_t *v, const char *type)
{
    return json_is_object(v) && sbi_json_is_string(json_object_get(v, "type"), type);
}

sb_status sbi_json_unsupported_type(const char *where, const json_t *v, const char *allowed)
{
    char path[96];
    if (!json_is_object(v) || !json_is_string(json_object_get(v, "type")))
        return sbi_json_refuse(SB_ERR_USAGE, where, v, "an object with a type is wanted");
    (void)snprintf(path, sizeof path, "%s.type", where);
    return sbi_json_refuse(SB_ERR_UNSUPPORTED, path, json_object_get(v, "type"), allowed);
}

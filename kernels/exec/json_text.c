#include "kernels/exec/json_text.h"

#include <stdio.h>
#include <string.h>

sb_status sb_json_parse(const char *text, int64_t n_bytes, json_t **out)
{
    json_error_t e;
    json_t      *root = json_loadb(text, (size_t)n_bytes, JSON_REJECT_DUPLICATES, &e);
    if (root == NULL && json_error_code(&e) == json_error_out_of_memory)
        return sb_fail(SB_ERR_NOMEM, "no memory for the JSON of a file");
    if (root == NULL) {
        char *near = strstr(e.text, " near "); /* what follows is the file's own text */
        if (near != NULL)
            *near = '\0';
        for (char *s = e.text; *s != '\0'; s++)
            if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f)
                *s = '?';
        return sb_fail(SB_ERR_USAGE, "line %d, column %d: no JSON: %s", e.line, e.column, e.text);
    }
    *out = root;
    return SB_OK;
}

const char *sb_json_found(const json_t *v, char *buf, size_t buf_bytes)
{
    switch (v == NULL ? -1 : (int)json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        (void)snprintf(buf, buf_bytes, "an array of %zu", json_array_size(v));
        return buf;
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        (void)snprintf(buf, buf_bytes, "%lld", (long long)json_integer_value(v));
        return buf;
    case JSON_REAL:
        (void)snprintf(buf, buf_bytes, "%g", json_real_value(v));
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

sb_status sb_json_known_keys(const json_t *object, const char *const *names)
{
    const char *key;
    json_t     *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        int known = 0;
        for (int i = 0; names[i] != NULL; i++)
            known |= strcmp(key, names[i]) == 0;
        if (!known) {
            char safe[41];
            (void)snprintf(safe, sizeof safe, "%s", key);
            for (char *s = safe; *s != '\0'; s++)
                if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f)
                    *s = '?';
            return sb_fail(SB_ERR_USAGE, "found the key `%s`, allowed %s%s%s", safe, names[0],
                           names[1] != NULL ? ", " : "", names[1] != NULL ? names[1] : "");
        }
    }
    return SB_OK;
}

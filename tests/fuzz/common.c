#include "tests/fuzz/common.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

long fuzz_taken, fuzz_refused;

void fuzz_must(int yes, const char *what)
{
    if (!yes) {
        (void)fprintf(stderr, "%s: %s\n", what, sb_error_text());
        abort();
    }
}

const char *fuzz_file(int slot, const void *data, size_t size)
{
    static int  fd[FUZZ_SLOTS];
    static char path[FUZZ_SLOTS][64];
    if (fd[slot] == 0) {
        fd[slot] = memfd_create("fuzz", MFD_CLOEXEC);
        fuzz_must(fd[slot] > 0, "memfd_create");
        (void)snprintf(path[slot], sizeof path[slot], "/proc/self/fd/%d", fd[slot]);
    }
    fuzz_must(ftruncate(fd[slot], 0) == 0, "ftruncate");
    for (size_t at = 0; at < size;) {
        ssize_t n = pwrite(fd[slot], (const char *)data + at, size - at, (off_t)at);
        fuzz_must(n > 0, "pwrite");
        at += (size_t)n;
    }
    return path[slot];
}

void fuzz_errors_open(fuzz_errors *e)
{
    *e    = (fuzz_errors){0};
    e->to = open_memstream(&e->text, &e->n);
    fuzz_must(e->to != NULL, "open_memstream");
}

static void check_line(const char *line, size_t n, const char *path)
{
    const char *found   = memmem(line, n, ": found ", 8),
               *allowed = memmem(line, n, ", allowed ", 10);
    fuzz_must(strncmp(line, path, strlen(path)) == 0 && line[strlen(path)] == ':',
              "a line names the file");
    fuzz_must(found != NULL && allowed != NULL, "a line says what was found and what is allowed");
    for (size_t i = 0; i < n; i++)
        fuzz_must((unsigned char)line[i] >= 0x20 && line[i] != 0x7f, "no control characters");
}

int fuzz_errors_close(fuzz_errors *e, sb_status st, const void *made, const char *path)
{
    fuzz_must(fclose(e->to) == 0, "fclose");
    fuzz_must(st == SB_OK || st == SB_ERR_USAGE, "taken, or a mistake of the user");
    fuzz_must((st == SB_OK) == (made != NULL), "something is made when it is taken, and only then");
    fuzz_must((st == SB_OK) == (e->text[0] == '\0'), "a refusal says why");
    for (const char *line = e->text; *line != '\0';) {
        const char *end = strchr(line, '\n');
        fuzz_must(end != NULL, "whole lines");
        check_line(line, (size_t)(end - line), path);
        line = end + 1;
    }
    free(e->text);
    *(st == SB_OK ? &fuzz_taken : &fuzz_refused) += 1;
    return st == SB_OK;
}
